//! Whether bytes of a request were sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether bytes of a request may have been sent. Set when the client polls the body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<AtomicBool>);

impl Sent {
    pub(crate) fn is_set(&self) -> bool {
        // ORDER: Relaxed; the flag orders nothing, and both sides run on one thread.
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
