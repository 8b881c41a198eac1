//! The slots of threads: a small number for each live thread, unique in the process.

use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The slots that threads own; more threads have [`SHARED`].
pub(super) const SLOTS: usize = u64::BITS as usize;
/// The slot of all threads without one of their own, and of a thread whose thread locals are destroyed.
pub(super) const SHARED: usize = SLOTS;
const UNCLAIMED: usize = SLOTS + 1;

/// Bit `i` is set while no thread owns slot `i`.
static FREE: AtomicU64 = AtomicU64::new(u64::MAX);

thread_local! {
    /// Without a destructor, so that it can be read at any time.
    static SLOT: Cell<usize> = const { Cell::new(UNCLAIMED) };
    static OWNER: Owner = const { Owner };
}

/// Frees the slot when its thread exits.
struct Owner;

impl Drop for Owner {
    fn drop(&mut self) {
        let slot = SLOT.replace(SHARED);
        if slot < SLOTS {
            // ORDER: Release publishes this owner's counts to the next one; pairs with `claim`.
            FREE.fetch_or(1 << slot, Release);
        }
    }
}

/// The slot of the calling thread, the lowest that was free when it asked first.
#[inline]
pub(super) fn current() -> usize {
    let slot = SLOT.get();
    if slot == UNCLAIMED { claim() } else { slot }
}

#[cold]
fn claim() -> usize {
    let mut slot = SHARED;
    // First the destructor: without it, the slot would never be free again.
    if OWNER.try_with(|_owner| ()).is_ok() {
        // ORDER: Acquire sees the counts of the slot's previous owner; pairs with `Owner::drop`.
        let claimed =
            FREE.fetch_update(Acquire, Relaxed, |free| (free != 0).then(|| free & (free - 1)));
        slot = claimed.map_or(SHARED, |before| before.trailing_zeros() as usize);
    }
    SLOT.set(slot);
    slot
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Barrier};
    use std::thread;

    use super::*;

    #[test]
    fn live_threads_have_different_slots_and_free_them_at_their_exit() {
        for _ in 0..40 {
            let all = Arc::new(Barrier::new(8));
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let all = all.clone();
                    thread::spawn(move || {
                        let slot = current();
                        all.wait();
                        assert_eq!(slot, current());
                        slot
                    })
                })
                .collect();
            let slots: Vec<usize> =
                threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            // 320 threads would run out of slots.
            assert!(slots.iter().all(|slot| *slot < SLOTS), "{slots:?}");
            assert_eq!(slots.iter().collect::<HashSet<_>>().len(), 8);
        }
    }
}
