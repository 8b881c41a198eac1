use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::{fmt, mem};

use crate::DropReason;
use crate::account::Account;

/// A number of recorded spans whose outcome is still due. Tickets can be moved, split and merged,
/// never copied; the holder reports the outcome of the spans once it is known.
///
/// On drop, spans that still have no outcome count as [`DropReason::Leaked`].
#[must_use = "the outcome of these spans is due: report `exported` or `dropped`"]
pub struct Tickets {
    account: Arc<Account>,
    spans: u64,
}

impl Tickets {
    pub(crate) fn new(account: Arc<Account>, spans: u64) -> Self {
        account.outcomes.ticketed.fetch_add(spans, Relaxed);
        Tickets { account, spans }
    }

    /// Books an outcome of all these spans.
    fn book(&mut self, outcome: impl FnOnce(&Account, u64)) {
        let spans = mem::take(&mut self.spans);
        outcome(&self.account, spans);
        // ORDER: Release, after the outcome; pairs with the Acquire load in `Ledger::snapshot`.
        self.account.outcomes.ticketed.fetch_sub(spans, Release);
    }

    /// The number of spans whose outcome is due.
    pub fn len(&self) -> u64 {
        self.spans
    }

    /// Whether no outcome is due.
    pub fn is_empty(&self) -> bool {
        self.spans == 0
    }

    /// Splits off tickets for `spans` spans (or for all, if fewer).
    pub fn split(&mut self, spans: u64) -> Tickets {
        let spans = spans.min(self.spans);
        self.spans -= spans;
        Tickets { account: Arc::clone(&self.account), spans }
    }

    /// Adds the spans of `other` to these. Both must come from one ledger: another ledger counts
    /// its spans as leaked.
    pub fn merge(&mut self, mut other: Tickets) {
        if Arc::ptr_eq(&self.account, &other.account) {
            self.spans = self.spans.saturating_add(mem::take(&mut other.spans));
        }
    }

    /// Reports that the receiver acknowledged all these spans.
    pub fn exported(mut self) {
        #[cfg(feature = "planted-bugs")]
        if crate::planted::planted(crate::planted::Bug::DoubleBooking) && self.spans > 1 {
            self.account.exported(1);
        }
        self.book(Account::exported);
    }

    /// Reports that tail sampling did not sample the traces of all these spans: no loss.
    pub fn tail_not_sampled(mut self) {
        self.book(Account::tail_not_sampled);
    }

    /// Reports that a drop policy of tail sampling matched the traces of all these spans: no loss.
    pub fn tail_dropped(mut self) {
        self.book(Account::tail_dropped);
    }

    /// Reports that all these spans are stored on disk, from which [`Ledger::unspool`](crate::Ledger::unspool) takes them: not before
    /// the disk has acknowledged them.
    pub fn spooled(mut self) {
        self.book(Account::spooled);
    }

    /// Reports that all these spans were dropped for `reason`.
    pub fn dropped(mut self, reason: DropReason) {
        self.book(|account, spans| account.dropped(reason, spans));
    }
}

/// Formats the number of spans; the ledger has a `Debug` of its own.
impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets of {} spans", self.spans)
    }
}

impl Drop for Tickets {
    fn drop(&mut self) {
        if self.spans > 0 {
            self.book(|account, spans| account.dropped(DropReason::Leaked, spans));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ledger;

    fn ledger_with(spans: u64) -> Ledger {
        let ledger = Ledger::new();
        (0..spans).for_each(|_| ledger.started());
        ledger
    }

    #[test]
    fn each_span_counts_under_one_outcome() {
        let ledger = ledger_with(10);
        let mut tickets = ledger.tickets(10);
        let rejected = tickets.split(3);
        assert_eq!((tickets.len(), rejected.len()), (7, 3));
        assert_eq!(ledger.snapshot().in_flight, 10);
        tickets.exported();
        rejected.dropped(DropReason::PartialRejected);

        let snapshot = ledger.snapshot();
        assert_eq!(snapshot.exported, 7);
        assert_eq!(snapshot.dropped(DropReason::PartialRejected), 3);
        snapshot.check().unwrap();
    }

    #[test]
    fn a_split_creates_no_tickets() {
        let ledger = ledger_with(2);
        let mut tickets = ledger.tickets(2);
        let all = tickets.split(u64::MAX);
        assert_eq!((tickets.len(), all.len()), (0, 2));
        assert!(tickets.is_empty());
        tickets.merge(all);
        assert_eq!(tickets.len(), 2);
        tickets.exported();
        ledger.snapshot().check().unwrap();
    }

    #[test]
    fn tickets_dropped_without_an_outcome_count_as_leaked() {
        let ledger = ledger_with(5);
        let mut tickets = ledger.tickets(5);
        tickets.split(2).exported();
        drop(tickets);
        assert_eq!(ledger.snapshot().dropped(DropReason::Leaked), 3);
        ledger.snapshot().check().unwrap();
    }

    #[test]
    fn spans_that_are_on_disk_are_neither_in_flight_nor_lost() {
        let ledger = ledger_with(10);
        ledger.tickets(10).spooled();
        let stored = ledger.snapshot();
        assert_eq!((stored.spooled, stored.in_flight, stored.ticketed), (10, 0, 0));
        stored.check().unwrap();

        let mut replayed = ledger.unspool(4);
        assert_eq!((ledger.snapshot().spooled, ledger.snapshot().in_flight), (6, 4));
        replayed.split(1).spooled();
        replayed.exported();
        ledger.unspool(2).dropped(DropReason::SpoolEvicted);
        let snapshot = ledger.snapshot();
        assert_eq!((snapshot.spooled, snapshot.exported, snapshot.dropped_total()), (5, 3, 2));
        snapshot.check().unwrap();

        let all = ledger.unspool(u64::MAX);
        assert_eq!((all.len(), ledger.unspool(1).len()), (5, 0), "no more than there are");
        all.exported();
        ledger.snapshot().check().unwrap();
    }

    #[test]
    fn the_next_process_recovers_the_spans_of_the_one_before() {
        let before = ledger_with(10);
        before.tickets(7).spooled();
        // A crash: three were in flight.
        assert_eq!((before.snapshot().spooled, before.snapshot().in_flight), (7, 3));

        let ledger = ledger_with(1);
        let mut recovered = ledger.recovered(10);
        recovered.split(3).dropped(DropReason::Crash);
        recovered.spooled();
        let started = ledger.snapshot();
        assert_eq!((started.created, started.recovered, started.spooled), (1, 10, 7));
        assert_eq!((started.in_flight, started.dropped(DropReason::Crash)), (1, 3));
        ledger.unspool(7).exported();
        ledger.tickets(1).exported();
        ledger.snapshot().check().unwrap();
        assert_eq!(ledger.snapshot().exported, 8);
    }

    #[test]
    fn tickets_of_another_ledger_are_not_merged() {
        let (ours, theirs) = (ledger_with(1), ledger_with(1));
        let mut tickets = ours.tickets(1);
        tickets.merge(theirs.tickets(1));
        tickets.exported();
        assert_eq!(ours.snapshot().exported, 1);
        assert_eq!(theirs.snapshot().dropped(DropReason::Leaked), 1);
    }
}
