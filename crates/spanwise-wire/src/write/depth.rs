//! The nesting depth of arrays.

use crate::read::MAX_DEPTH;
use std::cell::Cell;

/// One array around the value that is being encoded, until dropped.
///
/// Arrays nest through foreign code, which cannot pass a depth on. A thread-local counter limits the
/// depth, so that an endless list of lists costs an attribute and not the stack.
pub(super) struct Level(());

impl Level {
    /// Enters one level; `None` if receivers would reject it.
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
