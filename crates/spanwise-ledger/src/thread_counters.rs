//! Per-thread counters of spans at their start: started, sampled out, or dropped at once, by origin. One thread
//! writes each counter, so that an increment is a load and a store instead of a locked instruction.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use crate::DropReason;
use crate::starts::{ParentOrigin, SamplingResult, Starts};

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
struct CounterLine([AtomicU64; COUNTERS]);

/// Sums of all [`CounterLine`]s.
#[derive(Clone, Copy, Default)]
pub(crate) struct StartSums([u64; COUNTERS]);

/// The counter of a [`CounterLine`] to increment: its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start(u8);

impl Start {
    /// The first of the reasons for which spans are dropped at their start.
    const DROPPED: u8 = 9;

    /// Recorded and sampled: an outcome is due.
    #[inline(always)]
    pub(crate) fn sampled(origin: ParentOrigin) -> Self {
        Self(origin as u8)
    }

    /// Recorded and not sampled: an outcome is due, because tail sampling decides.
    #[inline(always)]
    pub(crate) fn recorded_only(origin: ParentOrigin) -> Self {
        Self(3 + origin as u8)
    }

    /// No outcome is due.
    #[inline(always)]
    pub(crate) fn sampled_out(origin: ParentOrigin) -> Self {
        Self(6 + origin as u8)
    }

    /// Dropped at the start; `None` for a reason that has no counter here.
    pub(crate) fn dropped(reason: DropReason) -> Option<Self> {
        let index = DROPPED_AT_START.iter().position(|other| *other == reason)?;
        Some(Self(Self::DROPPED + index as u8))
    }

    /// The origin of a span that was dropped at its start, besides its reason.
    #[inline(always)]
    pub(crate) fn origin_of_dropped(origin: ParentOrigin) -> Self {
        Self(Self::DROPPED + DROPPED_AT_START.len() as u8 + origin as u8)
    }
}

impl StartSums {
    fn get(&self, start: Start) -> u64 {
        self.0.get(usize::from(start.0)).copied().unwrap_or(0)
    }

    fn sum(&self, start: fn(ParentOrigin) -> Start) -> u64 {
        ParentOrigin::ALL
            .into_iter()
            .fold(0, |sum: u64, origin| sum.wrapping_add(self.get(start(origin))))
    }

    /// Spans for which an outcome is due, without those that were dropped at their start.
    pub(crate) fn started(&self) -> u64 {
        self.sum(Start::sampled).wrapping_add(self.sum(Start::recorded_only))
    }

    pub(crate) fn sampled_out(&self) -> u64 {
        self.sum(Start::sampled_out)
    }

    /// Spans that were dropped at their start, by reason.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DROPPED_AT_START.into_iter().filter_map(|reason| {
            let start = Start::dropped(reason)?;
            Some((reason, self.get(start)))
        })
    }

    /// All spans that were dropped at their start: at least as many as there are by reason.
    pub(crate) fn dropped_starts(&self) -> u64 {
        self.sum(Start::origin_of_dropped)
    }

    /// Spans by the origin of their parent and the sampler's result. Those that were dropped at their start had
    /// been sampled.
    pub(crate) fn starts(&self) -> Starts {
        let mut starts = Starts::default();
        for origin in ParentOrigin::ALL {
            starts.add(origin, SamplingResult::RecordAndSample, self.get(Start::sampled(origin)));
            starts.add(origin, SamplingResult::RecordOnly, self.get(Start::recorded_only(origin)));
            starts.add(origin, SamplingResult::Drop, self.get(Start::sampled_out(origin)));
            let dropped = self.get(Start::origin_of_dropped(origin));
            starts.add(origin, SamplingResult::RecordAndSample, dropped);
        }
        starts
    }
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
        let reasons = DROPPED_AT_START.into_iter().filter_map(Start::dropped);
        let reasons = reasons.fold(0_u32, |bits, start| bits | 1 << start.0);
        self.add_to(&mut sums, reasons);
        // ORDER: outcomes before starts: a span whose reason is read has a start that is read below; pairs with the fence in
        // `Ledger::dropped_at_start_from`.
        fence(Acquire);
        self.add_to(&mut sums, !reasons);
        sums
    }

    /// Adds the counters whose bits are set.
    fn add_to(&self, sums: &mut StartSums, counters: u32) {
        for line in self.owned.iter().chain([&self.shared]) {
            for (index, (sum, counter)) in sums.0.iter_mut().zip(&line.0).enumerate() {
                if counters & 1 << index != 0 {
                    *sum = sum.wrapping_add(counter.load(Relaxed));
                }
            }
        }
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
        CounterLine([const { AtomicU64::new(0) }; COUNTERS])
    }

    #[inline(always)]
    fn counter(&self, start: Start) -> &AtomicU64 {
        &self.0[usize::from(start.0) % COUNTERS]
    }
}

/// The reasons for which many spans may be dropped at their start.
const DROPPED_AT_START: [DropReason; 3] =
    [DropReason::QueueBytes, DropReason::QueueFull, DropReason::Shed];
/// The counters that fit a line; 15 are in use.
const COUNTERS: usize = 16;
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
