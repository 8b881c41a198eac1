//! Offered roots, counted without a locked instruction.

use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Counts by slot. Each thread writes counters of its own, so that a count is a load and a store.
pub(super) struct Counters {
    /// One for each seat, made when its first thread counts; the last is for all without a seat.
    lines: [OnceLock<Box<[AtomicU64]>>; SEATS + 1],
    slots: usize,
}

impl Counters {
    pub(super) fn new(slots: usize) -> Self {
        Self { lines: [const { OnceLock::new() }; SEATS + 1], slots }
    }

    /// Counts one in `slot`; how many this thread's counter has seen.
    #[inline]
    pub(super) fn count(&self, slot: usize) -> u64 {
        let seat = seat();
        let line = self.lines[seat.min(SEATS)].get_or_init(|| line(self.slots));
        let Some(counter) = line.get(slot) else { return 0 };
        if seat < SEATS {
            // The seat is this thread's for as long as it lives: nobody else writes here.
            let count = counter.load(Relaxed).wrapping_add(1);
            counter.store(count, Relaxed);
            count
        } else {
            counter.fetch_add(1, Relaxed).wrapping_add(1)
        }
    }

    /// All counts of `slot` so far.
    pub(super) fn sum(&self, slot: usize) -> u64 {
        let lines = self.lines.iter().filter_map(OnceLock::get).filter_map(|line| line.get(slot));
        lines.fold(0, |sum, counter| sum.wrapping_add(counter.load(Relaxed)))
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("slots", &self.slots).finish_non_exhaustive()
    }
}

#[cold]
fn line(slots: usize) -> Box<[AtomicU64]> {
    (0..slots).map(|_| AtomicU64::new(0)).collect()
}

/// The seat of this thread: below `SEATS` it is its own.
#[inline]
fn seat() -> usize {
    // A thread that is taking down its locals counts with those that have no seat.
    SEAT.try_with(|seat| match seat.0.get() {
        UNKNOWN => seat.sit(),
        seat => seat,
    })
    .unwrap_or(SEATS)
}

struct Seat(Cell<usize>);

impl Seat {
    #[cold]
    fn sit(&self) -> usize {
        // ORDER: Acquire sees the counts the seat's last thread left; pairs with `drop`.
        let taken =
            FREE.fetch_update(Acquire, Relaxed, |free| (free != 0).then(|| free & (free - 1)));
        let seat = taken.map_or(SEATS, |free| free.trailing_zeros() as usize);
        self.0.set(seat);
        seat
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let seat = self.0.replace(SEATS);
        if seat < SEATS {
            // ORDER: Release publishes this thread's counts to the seat's next one.
            FREE.fetch_or(1 << seat, Release);
        }
    }
}

thread_local! {
    static SEAT: Seat = const { Seat(Cell::new(UNKNOWN)) };
}

/// Bit `i` is set while no thread has seat `i`. One for the process: a thread has the same seat
/// in all samplers.
static FREE: AtomicU64 = AtomicU64::new(u64::MAX);
const SEATS: usize = u64::BITS as usize;
const UNKNOWN: usize = usize::MAX;
