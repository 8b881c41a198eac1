//! Where a thread looks first.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The slot this thread is likely to find its next object in, in whatever pool it asks.
///
/// A number and no more: it needs no destructor, holds nothing back when a thread exits, and if it
/// is wrong costs a look at a few other slots. One for all pools, which keep to it like a stack:
/// one up when an object is lent, back down to its slot when it comes home. So the object used last
/// is handed out first, while it is in cache, and those above the stack stay idle and can be
/// trimmed.
#[inline(always)]
pub(crate) fn get() -> usize {
    CURSOR.try_with(Cell::get).unwrap_or(0)
}

#[inline(always)]
pub(crate) fn set(slot: usize) {
    // Loom runs all threads of a model on one, over and over, and needs the same choices each time.
    if cfg!(loom) {
        return;
    }
    // A thread that is going away looks from the start.
    let _gone = CURSOR.try_with(|cursor| cursor.set(slot));
}

/// Down to `slot`, in whatever order objects come home.
#[inline(always)]
pub(crate) fn lower_to(slot: usize) {
    if slot < get() {
        set(slot);
    }
}

/// Where this thread's own stretch of slots begins, in a pool with enough of them. Threads that
/// keep to their own do not meet.
#[cold]
pub(crate) fn home() -> usize {
    if cfg!(loom) {
        return 0;
    }
    HOME.try_with(|home| {
        if home.get() == usize::MAX {
            home.set(NEXT.fetch_add(STRETCH, Relaxed));
        }
        home.get()
    })
    .unwrap_or(0)
}

thread_local! {
    /// In no pool at first, so that the first look goes by way of `home`.
    static CURSOR: Cell<usize> = const { Cell::new(usize::MAX) };
    static HOME: Cell<usize> = const { Cell::new(usize::MAX) };
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Objects a thread is expected to hold at a time, of one pool.
const STRETCH: usize = 8;
