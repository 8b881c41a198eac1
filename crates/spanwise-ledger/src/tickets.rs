use std::{fmt, mem};

use crate::{DropReason, Ledger};

/// A number of recorded spans that still owe an outcome. It can be moved, split and merged, never
/// copied; whoever holds it when the fate of the spans is known reports it.
///
/// Dropped without an outcome, it counts what is left as [`DropReason::Leaked`].
#[must_use = "these spans owe an outcome: report `exported` or `dropped`"]
pub struct Tickets {
    ledger: Ledger,
    spans: u64,
}

impl Tickets {
    pub(crate) fn new(ledger: Ledger, spans: u64) -> Self {
        Tickets { ledger, spans }
    }

    /// How many spans owe an outcome.
    pub fn len(&self) -> u64 {
        self.spans
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.spans == 0
    }

    /// Takes `spans` of these out (or all there are, if fewer).
    pub fn split(&mut self, spans: u64) -> Tickets {
        let spans = spans.min(self.spans);
        self.spans -= spans;
        Tickets::new(self.ledger.clone(), spans)
    }

    /// Adds `other`'s spans to these. Both must be of one ledger: those of another are counted as
    /// leaked there.
    pub fn merge(&mut self, mut other: Tickets) {
        if self.ledger.ptr_eq(&other.ledger) {
            self.spans = self.spans.saturating_add(mem::take(&mut other.spans));
        }
    }

    /// All were acknowledged by the receiver.
    pub fn exported(mut self) {
        self.ledger.exported(mem::take(&mut self.spans));
    }

    /// All are lost, and this is why.
    pub fn dropped(mut self, reason: DropReason) {
        self.ledger.dropped(reason, mem::take(&mut self.spans));
    }
}

/// How many spans owe an outcome; the ledger has its own.
impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets of {} spans", self.spans)
    }
}

impl Drop for Tickets {
    fn drop(&mut self) {
        if self.spans > 0 {
            self.ledger.dropped(DropReason::Leaked, self.spans);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger_with(spans: u64) -> Ledger {
        let ledger = Ledger::new();
        (0..spans).for_each(|_| ledger.started());
        ledger
    }

    #[test]
    fn each_span_gets_one_outcome() {
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
    fn a_split_never_mints() {
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
    fn what_is_forgotten_shows_as_leaked() {
        let ledger = ledger_with(5);
        let mut tickets = ledger.tickets(5);
        tickets.split(2).exported();
        drop(tickets);
        assert_eq!(ledger.snapshot().dropped(DropReason::Leaked), 3);
        ledger.snapshot().check().unwrap();
    }

    #[test]
    fn ledgers_do_not_pay_for_each_other() {
        let (mine, yours) = (ledger_with(1), ledger_with(1));
        let mut tickets = mine.tickets(1);
        tickets.merge(yours.tickets(1));
        tickets.exported();
        assert_eq!(mine.snapshot().exported, 1);
        assert_eq!(yours.snapshot().dropped(DropReason::Leaked), 1);
    }
}
