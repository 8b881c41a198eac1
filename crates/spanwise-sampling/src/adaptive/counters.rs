//! Counters of offered roots without locked instructions.

use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Counters by key slot. Each thread writes counters of its own, so that an increment is a load and a
/// store.
pub(super) struct Counters {
    /// The counters of each thread slot, allocated by its first thread; the last ones are shared by
    /// all threads without a slot.
    by_thread: [OnceLock<Box<[AtomicU64]>>; THREAD_SLOTS + 1],
    key_slots: usize,
}

impl Counters {
    pub(super) fn new(key_slots: usize) -> Self {
        Self { by_thread: [const { OnceLock::new() }; THREAD_SLOTS + 1], key_slots }
    }

    /// Increments the counter of `key_slot`; returns the new count of this thread.
    #[inline]
    pub(super) fn increment(&self, key_slot: usize) -> u64 {
        let thread_slot = thread_slot();
        let counters = self.by_thread[thread_slot.min(THREAD_SLOTS)]
            .get_or_init(|| new_counters(self.key_slots));
        let Some(counter) = counters.get(key_slot) else { return 0 };
        if thread_slot < THREAD_SLOTS {
            // The thread owns the slot until it ends: no other thread writes these counters.
            let count = counter.load(Relaxed).wrapping_add(1);
            counter.store(count, Relaxed);
            count
        } else {
            counter.fetch_add(1, Relaxed).wrapping_add(1)
        }
    }

    /// The sum of all threads' counters of `key_slot`.
    pub(super) fn sum(&self, key_slot: usize) -> u64 {
        let counters = self.by_thread.iter().filter_map(OnceLock::get);
        let counters = counters.filter_map(|counters| counters.get(key_slot));
        counters.fold(0, |sum, counter| sum.wrapping_add(counter.load(Relaxed)))
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("key_slots", &self.key_slots).finish_non_exhaustive()
    }
}

#[cold]
fn new_counters(key_slots: usize) -> Box<[AtomicU64]> {
    (0..key_slots).map(|_| AtomicU64::new(0)).collect()
}

/// The slot of this thread: below `THREAD_SLOTS` the thread owns it.
#[inline]
fn thread_slot() -> usize {
    // A thread whose thread-locals are destroyed counts with the threads without a slot.
    COUNTER_SLOT
        .try_with(|slot| match slot.0.get() {
            UNKNOWN => slot.claim(),
            slot => slot,
        })
        .unwrap_or(THREAD_SLOTS)
}

/// The slot of a thread in all [`Counters`], claimed at its first count and freed when it ends.
struct CounterSlot(Cell<usize>);

impl CounterSlot {
    #[cold]
    fn claim(&self) -> usize {
        // ORDER: Acquire sees the counts the slot's last thread left; pairs with `drop`.
        let claimed =
            FREE.fetch_update(Acquire, Relaxed, |free| (free != 0).then(|| free & (free - 1)));
        let slot = claimed.map_or(THREAD_SLOTS, |free| free.trailing_zeros() as usize);
        self.0.set(slot);
        slot
    }
}

impl Drop for CounterSlot {
    fn drop(&mut self) {
        let slot = self.0.replace(THREAD_SLOTS);
        if slot < THREAD_SLOTS {
            // ORDER: Release publishes this thread's counts to the slot's next one.
            FREE.fetch_or(1 << slot, Release);
        }
    }
}

thread_local! {
    static COUNTER_SLOT: CounterSlot = const { CounterSlot(Cell::new(UNKNOWN)) };
}

/// Bit `i` is set while no thread owns slot `i`. One for the process: a thread has the same slot in
/// all samplers.
static FREE: AtomicU64 = AtomicU64::new(u64::MAX);
const THREAD_SLOTS: usize = u64::BITS as usize;
const UNKNOWN: usize = usize::MAX;
