use std::sync::atomic::Ordering::Relaxed;

use crate::sync::AtomicU64;

/// Counts an object as discarded when dropped, also by a panic; forgotten, it counts nothing.
pub(crate) struct Discarding<'a>(pub(crate) &'a AtomicU64);

impl Drop for Discarding<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}
