//! The slot that a thread used last: a hint in a thread local.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

thread_local! {
    /// The slot this thread used last, in any `ShardedBuffer`: a hint, so one serves all of them.
    static LAST_SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[inline(always)]
pub(super) fn local_slot() -> usize {
    // Const-initialised and without a destructor: readable at any time of a thread's life.
    LAST_SLOT.with(|last| match last.get() {
        usize::MAX => assign(last),
        slot => slot,
    })
}

#[cold]
fn assign(last: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let slot = NEXT.fetch_add(1, Relaxed) & 0xffff;
    last.set(slot);
    slot
}

/// Makes `slot` the one that this thread uses next, in any buffer.
pub fn set_local_slot(slot: usize) {
    LAST_SLOT.with(|last| last.set(slot));
}
