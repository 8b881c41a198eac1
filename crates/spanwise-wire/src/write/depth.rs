//! How deep arrays lie in each other.

use crate::read::MAX_DEPTH;
use std::cell::Cell;

/// One array around what is encoded now, until dropped.
///
/// Arrays nest through the code of others, who could not pass a depth on. Counted for each thread,
/// so that a list of lists without an end costs an attribute and not the stack.
pub(super) struct Level(());

impl Level {
    /// One level deeper; `None` where a reader would not follow.
    pub(super) fn enter() -> Option<Self> {
        let depth = LEVELS.get();
        (depth < MAX_DEPTH).then(|| {
            LEVELS.set(depth + 1);
            Self(())
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVELS.set(LEVELS.get().saturating_sub(1));
    }
}

thread_local! {
    static LEVELS: Cell<u8> = const { Cell::new(0) };
}
