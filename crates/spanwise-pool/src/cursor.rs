//! The slot at which a thread starts its search for an object.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The index of the slot in which this thread probably finds its next object, in any pool.
///
/// The cursor is a plain number: it needs no destructor, holds no object when a thread exits, and a
/// wrong one costs a look at a few other slots. All pools share it and use it like the top of a
/// stack: acquiring an object moves it one up, releasing the object moves it back down to its slot.
/// So a pool hands out the object used last first, while it is in cache, and the objects above the
/// stack stay idle and can be trimmed.
#[inline(always)]
pub(crate) fn get() -> usize {
    CURSOR.try_with(Cell::get).unwrap_or(0)
}

#[inline(always)]
pub(crate) fn set(slot: usize) {
    // Loom runs all threads of a model on one thread, repeatedly, and needs the same choices each time.
    if cfg!(loom) {
        return;
    }
    // A thread that is exiting has no cursor and starts at the first slot.
    let _exiting = CURSOR.try_with(|cursor| cursor.set(slot));
}

/// Moves the cursor down to `slot`. Objects may be released in any order.
#[inline(always)]
pub(crate) fn lower_to(slot: usize) {
    if slot < get() {
        set(slot);
    }
}

/// The start of this thread's own stretch of slots, in a pool with enough slots. Threads that use
/// different stretches do not contend.
#[cold]
pub(crate) fn stretch() -> usize {
    if cfg!(loom) {
        return 0;
    }
    START
        .try_with(|start| {
            if start.get() == usize::MAX {
                start.set(NEXT.fetch_add(STRETCH, Relaxed));
            }
            start.get()
        })
        .unwrap_or(0)
}

thread_local! {
    /// Outside of every pool at first, so that the first search begins at `stretch`.
    static CURSOR: Cell<usize> = const { Cell::new(usize::MAX) };
    static START: Cell<usize> = const { Cell::new(usize::MAX) };
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Objects of one pool that a thread is expected to hold at a time.
const STRETCH: usize = 8;
