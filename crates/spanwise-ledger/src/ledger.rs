use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use crate::account::Account;
use crate::counter_slot;
use crate::snapshot::Settled;
use crate::thread_counters::Start;
use crate::{Counter, DropReason, ParentOrigin, SamplingResult, Snapshot, Tickets};

/// Counts every span that a program creates, and the outcome of each.
///
/// A clone is another handle on the same counters. This invariant holds for any reader at any
/// instant:
///
/// ```text
/// created + recovered = sampled_out + exported + tail_not_sampled + tail_dropped + Σ dropped{reason} + spooled + in_flight,
/// in_flight ≥ 0
/// ```
///
/// `spooled` are the spans on disk now, and `recovered` those of earlier processes that a spool stored or a crash lost: both are 0
/// without a spool. So the invariant holds over a restart: the next process recovers the spans that this one leaves on disk.
///
/// Callers keep their side of it: they call [`started`](Ledger::started) before they hand the span
/// to the thread that reports its outcome, and report exactly one outcome for each started span
/// ([`Tickets`] enforce that).
///
/// # Cost
/// About 9 KiB per ledger, independent of the number of threads. A thread that counted on a ledger
/// retains its allocation (not its contents) until the thread exits or counts on another ledger.
#[derive(Clone)]
pub struct Ledger {
    account: Arc<Account>,
}

impl Ledger {
    /// Creates a ledger whose counters are all zero.
    pub fn new() -> Self {
        Ledger { account: Arc::new(Account::new()) }
    }

    /// Counts the start of a recorded span, for which the caller reports an outcome later.
    ///
    /// # Cost
    /// A thread-local read, a compare, a load and a store for up to 64 threads at a time; one
    /// `fetch_add` on a shared line for the threads beyond. No lock, no allocation, never waits.
    #[inline]
    pub fn started(&self) {
        self.started_from(ParentOrigin::None);
    }

    /// As [`started`](Ledger::started), for a sampled span below a parent of this origin.
    #[inline(always)]
    pub fn started_from(&self, origin: ParentOrigin) {
        counter_slot::increment(&self.account, Start::sampled(origin));
    }

    /// As [`started_from`](Ledger::started_from), for a span that is not sampled and recorded all the same, because
    /// tail sampling decides about it.
    #[inline(always)]
    pub fn started_record_only(&self, origin: ParentOrigin) {
        counter_slot::increment(&self.account, Start::recorded_only(origin));
    }

    /// Counts the start of `spans` recorded spans at once, for which the caller reports outcomes later.
    ///
    /// # Cost
    /// One `fetch_add` on a shared line.
    pub fn started_many(&self, spans: u64) {
        self.account.starts.add_shared(Start::sampled(ParentOrigin::None), spans);
    }

    /// Counts a span that the sampler dropped when it was created; no outcome is due.
    ///
    /// # Cost
    /// As [`started`](Ledger::started).
    #[inline]
    pub fn sampled_out(&self) {
        self.sampled_out_from(ParentOrigin::None);
    }

    /// As [`sampled_out`](Ledger::sampled_out), for a span below a parent of this origin.
    #[inline(always)]
    pub fn sampled_out_from(&self, origin: ParentOrigin) {
        counter_slot::increment(&self.account, Start::sampled_out(origin));
    }

    /// As [`sampled_out_from`](Ledger::sampled_out_from), for a span that the sampler records all the same, for span
    /// processors alone. Its end is due: [`record_only_ended`](Ledger::record_only_ended).
    ///
    /// # Cost
    /// One `fetch_add` on a shared line more.
    pub fn record_only(&self, origin: ParentOrigin) {
        self.sampled_out_from(origin);
        if let Some(count) = self.account.outcomes.recorded_only.started.get(origin as usize) {
            // ORDER: Release, after the increment above; pairs with the Acquire load in `snapshot`.
            count.fetch_add(1, Release);
        }
    }

    /// Counts the end of `spans` spans that [`record_only`](Ledger::record_only) or
    /// [`started_record_only`](Ledger::started_record_only) counted.
    pub fn record_only_ended(&self, spans: u64) {
        // ORDER: Release, after the span's start; pairs with the Acquire load in `snapshot`.
        self.account.outcomes.recorded_only.ended.fetch_add(spans, Release);
    }

    /// Counts `spans` started spans as sampled out, because a second decision, below a parent that came later, did not sample
    /// them. They stay among those that were [started](crate::Snapshot::started) with the result of the first decision.
    pub fn sampled_out_late(&self, spans: u64) {
        // ORDER: Release, after the spans' starts; pairs with the Acquire load in `snapshot`.
        self.account.outcomes.sampled_out_late.fetch_add(spans, Release);
    }

    /// As [`sampled_out_late`](Ledger::sampled_out_late), for spans that are recorded all the same, because tail sampling decides
    /// about them: their outcome stays due, and so does [`record_only_ended`](Ledger::record_only_ended).
    pub fn record_only_late(&self, spans: u64) {
        // ORDER: as in `sampled_out_late`.
        self.account.outcomes.recorded_only.late.fetch_add(spans, Release);
    }

    /// Counts a span that was created and at once dropped for `reason`; no outcome is due. For spans
    /// that a full queue refuses or sheds at their start.
    ///
    /// # Cost
    /// As [`started`](Ledger::started) for [`DropReason::QueueBytes`], [`DropReason::QueueFull`] and
    /// [`DropReason::Shed`]; one `fetch_add` on a shared line more for other reasons.
    #[inline]
    pub fn dropped_at_start(&self, reason: DropReason) {
        self.dropped_at_start_from(ParentOrigin::None, reason);
    }

    /// As [`dropped_at_start`](Ledger::dropped_at_start), for a span that is below a parent of this origin and that
    /// the sampler sampled.
    ///
    /// # Cost
    /// Twice that of [`started`](Ledger::started).
    pub fn dropped_at_start_from(&self, origin: ParentOrigin, reason: DropReason) {
        let Some(start) = Start::dropped(reason) else {
            self.started_from(origin);
            return self.dropped(reason, 1);
        };
        counter_slot::increment(&self.account, Start::origin_of_dropped(origin));
        // ORDER: a snapshot that reads the outcome below reads the start above; pairs with the fence in `sums`.
        fence(Release);
        counter_slot::increment(&self.account, start);
    }

    /// Counts `spans` spans that the receiver acknowledged.
    pub fn exported(&self, spans: u64) {
        self.account.exported(spans);
    }

    /// Counts `spans` spans as dropped for `reason`.
    pub fn dropped(&self, reason: DropReason, spans: u64) {
        self.account.dropped(reason, spans);
    }

    /// Adds `times` to a counter of an event that costs no span, but that an operator should see.
    pub fn count(&self, counter: Counter, times: u64) {
        if let Some(count) = self.account.counters.0.get(counter as usize) {
            count.fetch_add(times, Relaxed);
        }
    }

    /// Creates tickets for `spans` spans already counted as [`started`](Ledger::started): the
    /// holder reports their outcome.
    pub fn tickets(&self, spans: u64) -> Tickets {
        Tickets::new(Arc::clone(&self.account), spans)
    }

    /// Counts `spans` spans of earlier processes, which are on disk at the start or were lost in a crash. The holder of the tickets
    /// reports which: [`Tickets::spooled`], or [`DropReason::Crash`].
    pub fn recovered(&self, spans: u64) -> Tickets {
        self.account.recovered(spans);
        self.tickets(spans)
    }

    /// Takes `spans` [spooled](Tickets::spooled) spans off the disk, or all of them, if fewer are there: because they are sent now, or
    /// because the disk has lost them. The holder of the tickets reports their outcome.
    pub fn unspool(&self, spans: u64) -> Tickets {
        self.tickets(self.account.unspool(spans))
    }

    /// Takes a snapshot of all counters.
    ///
    /// The snapshot is consistent, not frozen: other threads count while it is taken, and
    /// `in_flight` is too high by what they count meanwhile. When no thread counts, it is exact.
    ///
    /// # Cost
    /// About 1,100 loads; takes no lock and slows no writer.
    pub fn snapshot(&self) -> Snapshot {
        // ORDER: sinks before sources. Each outcome is a Release increment that comes after its
        // span's `started` (on the same thread, or synchronised by the queue). Having read it with
        // Acquire, every `started` behind it is visible to the loads below, so that
        // started ≥ the sum of all outcomes in every snapshot.
        let outcomes = &self.account.outcomes;
        let ticketed = outcomes.ticketed.load(Acquire);
        let exported = outcomes.exported.load(Acquire);
        let sampled_out_late = outcomes.sampled_out_late.load(Acquire);
        let tail = [&outcomes.tail_not_sampled, &outcomes.tail_dropped].map(|it| it.load(Acquire));
        let mut dropped: [u64; DropReason::ALL.len()] =
            std::array::from_fn(|i| load(&outcomes.dropped, i, |c| c.load(Acquire)));
        let counters =
            std::array::from_fn(|i| load(&self.account.counters.0, i, |c| c.load(Relaxed)));
        // ORDER: after the outcomes: spans that have left the disk for one of those above are not on it any more.
        let spooled = outcomes.spooled.load(Acquire);
        // ORDER: after all of the above, whose spans it may have: it is a source.
        let recovered = outcomes.recovered.load(Acquire);
        let ended = outcomes.recorded_only.ended.load(Acquire);
        let mut record_only = outcomes.recorded_only.late.load(Acquire);
        let recorded_only = ParentOrigin::ALL.map(|origin| {
            load(&outcomes.recorded_only.started, origin as usize, |c| c.load(Acquire))
        });
        let sums = self.account.starts.sums();
        let mut started = sums.started();
        // Of a span that is dropped at its start meanwhile, the start may be read without the outcome.
        started = started.wrapping_add(sums.dropped_starts()).wrapping_sub(sampled_out_late);
        let sampled_out = sums.sampled_out().wrapping_add(sampled_out_late);
        for (reason, spans) in sums.dropped() {
            if let Some(dropped) = dropped.get_mut(reason as usize) {
                *dropped = dropped.wrapping_add(spans);
            }
        }
        let mut starts = sums.starts();
        for (origin, spans) in ParentOrigin::ALL.into_iter().zip(recorded_only) {
            starts.reassign(origin, (SamplingResult::Drop, SamplingResult::RecordOnly), spans);
            let all = starts.get(origin, SamplingResult::RecordOnly);
            record_only = record_only.wrapping_add(all);
        }
        let record_only_live = record_only.saturating_sub(ended);
        let settled = Settled { exported, tail, spooled };
        let mut snapshot =
            Snapshot::new((started, recovered), sampled_out, settled, dropped, counters);
        (snapshot.starts, snapshot.ticketed) = (starts, ticketed);
        snapshot.record_only_live = record_only_live;
        snapshot
    }

    /// Whether both are handles on the same counters, as [`Arc::ptr_eq`].
    pub fn ptr_eq(&self, other: &Ledger) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}

/// Formats the [`snapshot`](Ledger::snapshot) on one line.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.snapshot(), f)
    }
}

fn load(counts: &[AtomicU64], index: usize, read: impl Fn(&AtomicU64) -> u64) -> u64 {
    counts.get(index).map_or(0, read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn free(ledger: &Ledger) -> u32 {
        ledger.account.starts.free()
    }

    #[test]
    fn a_thread_owns_its_counter_line_until_it_exits() {
        let ledger = Ledger::new();
        for _ in 0..3 {
            let counting = ledger.clone();
            let counted = thread::spawn(move || {
                counting.started();
                counting.sampled_out();
                free(&counting)
            });
            assert_eq!(counted.join().unwrap(), 63);
            assert_eq!(free(&ledger), 64);
        }
    }

    #[test]
    fn a_thread_that_alternates_between_ledgers_retains_its_line() {
        thread::spawn(|| {
            let (own, other) = (Ledger::new(), Ledger::new());
            for _ in 0..10 {
                own.started();
                other.started();
                assert_eq!((free(&own), free(&other)), (63, 64));
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_that_counts_on_another_ledger_releases_its_line() {
        thread::spawn(|| {
            let (old, new) = (Ledger::new(), Ledger::new());
            old.started();
            (0..1000).for_each(|_| new.started());
            assert_eq!((free(&old), free(&new)), (64, 63));
            assert_eq!((old.snapshot().in_flight, new.snapshot().in_flight), (1, 1000));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_does_not_keep_the_counters_alive() {
        let ledger = Ledger::new();
        ledger.started();
        let account = Arc::downgrade(&ledger.account);
        drop(ledger);
        assert!(account.upgrade().is_none());
        Ledger::new().started();
    }
}
