//! Per-thread counters of spans at their start: started, sampled out, or dropped at once. One thread
//! writes each counter, so that an increment is a load and a store instead of a locked instruction.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

pub(crate) struct ThreadCounters {
    /// Bit `i` is set while no thread owns `owned[i]`.
    free: AtomicU64,
    /// The lines that threads own. Only its owner writes a line, and the next owner continues its counts.
    owned: [CounterLine; OWNED],
    /// The line of all threads that own no line.
    shared: CounterLine,
}

/// Counters on a pair of cache lines of their own (the processor fetches adjacent lines together).
#[repr(align(128))]
struct CounterLine {
    started: AtomicU64,
    sampled_out: AtomicU64,
    dropped_bytes: AtomicU64,
    dropped_full: AtomicU64,
    dropped_shed: AtomicU64,
}

/// Sums of all [`CounterLine`]s.
#[derive(Clone, Copy, Default)]
pub(crate) struct StartSums {
    pub(crate) started: u64,
    pub(crate) sampled_out: u64,
    pub(crate) dropped_bytes: u64,
    pub(crate) dropped_full: u64,
    pub(crate) dropped_shed: u64,
}

/// The counter of a [`CounterLine`] to increment.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Started,
    SampledOut,
    /// Dropped at the start as `queue_bytes`.
    DroppedBytes,
    /// Dropped at the start as `queue_full`.
    DroppedFull,
    /// Dropped at the start as `shed`.
    DroppedShed,
}

impl ThreadCounters {
    pub(crate) fn new() -> Self {
        ThreadCounters {
            free: AtomicU64::new(u64::MAX),
            owned: [const { CounterLine::new() }; OWNED],
            shared: CounterLine::new(),
        }
    }

    /// Increments a counter of `line`, which the calling thread has claimed.
    #[inline]
    pub(crate) fn increment_owned(&self, line: usize, start: Start) {
        // Only the owner writes this line: a load and a store suffice.
        let counter = self.owned[line % OWNED].counter(start);
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }

    #[cold]
    pub(crate) fn increment_shared(&self, start: Start) {
        self.add_shared(start, 1);
    }

    pub(crate) fn add_shared(&self, start: Start, spans: u64) {
        self.shared.counter(start).fetch_add(spans, Relaxed);
    }

    pub(crate) fn sums(&self) -> StartSums {
        let mut sums = StartSums::default();
        for line in self.owned.iter().chain([&self.shared]) {
            for (sum, start) in [
                (&mut sums.started, Start::Started),
                (&mut sums.sampled_out, Start::SampledOut),
                (&mut sums.dropped_bytes, Start::DroppedBytes),
                (&mut sums.dropped_full, Start::DroppedFull),
                (&mut sums.dropped_shed, Start::DroppedShed),
            ] {
                *sum = sum.wrapping_add(line.counter(start).load(Relaxed));
            }
        }
        sums
    }

    /// The number of lines without an owner.
    #[cfg(test)]
    pub(crate) fn free(&self) -> u32 {
        self.free.load(Relaxed).count_ones()
    }

    /// Makes the calling thread the owner of a free line, if there is one.
    pub(crate) fn claim(&self) -> Option<usize> {
        // ORDER: Acquire sees the counts of the line's previous owner; pairs with `release`.
        let claimed =
            self.free.fetch_update(Acquire, Relaxed, |free| (free != 0).then(|| free & (free - 1)));
        claimed.ok().map(|before| before.trailing_zeros() as usize)
    }

    pub(crate) fn release(&self, line: usize) {
        // ORDER: Release publishes this owner's counts to the next one.
        self.free.fetch_or(1 << line, Release);
    }
}

impl CounterLine {
    const fn new() -> Self {
        let [started, sampled_out, dropped_bytes, dropped_full, dropped_shed] =
            [const { AtomicU64::new(0) }; 5];
        CounterLine { started, sampled_out, dropped_bytes, dropped_full, dropped_shed }
    }

    #[inline]
    fn counter(&self, start: Start) -> &AtomicU64 {
        match start {
            Start::Started => &self.started,
            Start::SampledOut => &self.sampled_out,
            Start::DroppedBytes => &self.dropped_bytes,
            Start::DroppedFull => &self.dropped_full,
            Start::DroppedShed => &self.dropped_shed,
        }
    }
}

/// One bit of `free` each.
const OWNED: usize = u64::BITS as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_has_two_owners() {
        let counters = ThreadCounters::new();
        let mut claimed: Vec<_> = std::iter::from_fn(|| counters.claim()).collect();
        claimed.sort_unstable();
        assert_eq!(claimed, (0..OWNED).collect::<Vec<_>>());
        counters.release(17);
        assert_eq!((counters.claim(), counters.claim()), (Some(17), None));
    }
}
