use std::error::Error;
use std::fmt;

use crate::{Counter, DropReason};

/// One reading of a [`Ledger`](crate::Ledger). All figures are spans, except the counters (times).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Spans created, recorded or not.
    pub created: u64,
    /// Of these, sampled out when they were created.
    pub sampled_out: u64,
    /// Acknowledged by the receiver.
    pub exported: u64,
    /// Recorded, and still without an outcome.
    pub in_flight: u64,
    dropped: [u64; DropReason::ALL.len()],
    counters: [u64; Counter::ALL.len()],
}

impl Snapshot {
    pub(crate) fn new(
        started: u64,
        sampled_out: u64,
        exported: u64,
        dropped: [u64; DropReason::ALL.len()],
        counters: [u64; Counter::ALL.len()],
    ) -> Self {
        let settled = exported.saturating_add(sum(&dropped));
        Snapshot {
            created: started.saturating_add(sampled_out),
            sampled_out,
            exported,
            // Too many outcomes cannot make it negative; `check` tells of them.
            in_flight: started.saturating_sub(settled),
            dropped,
            counters,
        }
    }

    /// Spans lost for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// Spans lost for any reason.
    pub fn dropped_total(&self) -> u64 {
        sum(&self.dropped)
    }

    /// Dropped spans that the receiver may have all the same, by all
    /// [ambiguous](DropReason::is_ambiguous) reasons. What it has stored is at least `exported` and
    /// at most `exported + ambiguous()`; spans it stores twice count once.
    pub fn ambiguous(&self) -> u64 {
        self.drops().filter(|(reason, _)| reason.is_ambiguous()).map(|(_, spans)| spans).sum()
    }

    /// The reasons for which spans were lost, with how many.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.dropped).filter(|(_, spans)| *spans > 0)
    }

    /// How often `counter` was made.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or(0)
    }

    /// The counters that were made, with how often.
    pub fn counters(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().zip(self.counters).filter(|(_, times)| *times > 0)
    }

    /// Whether every span has exactly one outcome.
    pub fn is_idle(&self) -> bool {
        self.check().is_ok()
    }

    /// Checks the account at rest: nothing in flight, and the law holds to the span.
    ///
    /// # Errors
    /// [`Imbalance`] with the figures, when spans are still in flight (or were forgotten), or when
    /// more outcomes than spans were reported.
    pub fn check(&self) -> Result<(), Imbalance> {
        let owed = i128::from(self.created) - i128::from(self.sampled_out);
        let outcomes = i128::from(self.exported) + i128::from(self.dropped_total());
        match owed - outcomes {
            0 if self.in_flight == 0 => Ok(()),
            owing => Err(Imbalance { owing, snapshot: Box::new(self.clone()) }),
        }
    }

    /// What was counted since `earlier`. `in_flight` is the level now, not a difference; between
    /// two settled snapshots the law holds for the difference too.
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        Snapshot {
            created: self.created.saturating_sub(earlier.created),
            sampled_out: self.sampled_out.saturating_sub(earlier.sampled_out),
            exported: self.exported.saturating_sub(earlier.exported),
            in_flight: self.in_flight,
            dropped: difference(&self.dropped, &earlier.dropped),
            counters: difference(&self.counters, &earlier.counters),
        }
    }
}

/// The table a person reads: outcomes first, then the reasons and counters that are not zero.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = [
            ("created", self.created),
            ("sampled_out", self.sampled_out),
            ("exported", self.exported),
            ("dropped", self.dropped_total()),
        ];
        let (drops, counters): (Vec<_>, Vec<_>) =
            (self.drops().collect(), self.counters().collect());
        let figures = heads.iter().map(|(_, n)| *n).chain([self.in_flight]);
        let figures = figures.chain(drops.iter().map(|(_, n)| *n));
        let widest = figures.chain(counters.iter().map(|(_, n)| *n)).max().unwrap_or(0);
        let width = widest.checked_ilog10().map_or(1, |digits| digits as usize + 1);

        for (name, spans) in heads {
            writeln!(f, "{name:<LABEL$} {spans:>width$}")?;
        }
        for (reason, spans) in drops {
            writeln!(f, "  {:<INDENTED$} {spans:>width$}", reason.name())?;
        }
        write!(f, "{:<LABEL$} {:>width$}", "in_flight", self.in_flight)?;
        if !counters.is_empty() {
            write!(f, "\ncounters")?;
        }
        for (counter, times) in counters {
            write!(f, "\n  {:<INDENTED$} {times:>width$}", counter.name())?;
        }
        Ok(())
    }
}

/// The same on one line, for a log: `created 12, sampled_out 2, exported 7, dropped 3 (queue_bytes 3),
/// in_flight 0; retries 1`. With `{:#?}`, the table.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        let Self { created, sampled_out, exported, in_flight, .. } = self;
        write!(f, "created {created}, sampled_out {sampled_out}, exported {exported}, dropped ")?;
        write!(f, "{}", self.dropped_total())?;
        list(f, " (", self.drops().map(|(reason, spans)| (reason.name(), spans)))?;
        f.write_str(if self.dropped_total() > 0 { ")" } else { "" })?;
        write!(f, ", in_flight {in_flight}")?;
        list(f, "; ", self.counters().map(|(counter, times)| (counter.name(), times)))
    }
}

/// Names with their numbers; nothing at all of none.
fn list(
    f: &mut fmt::Formatter<'_>,
    before: &str,
    counts: impl Iterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    counts.enumerate().try_for_each(|(index, (name, count))| {
        let separator = if index == 0 { before } else { ", " };
        write!(f, "{separator}{name} {count}")
    })
}

/// The account does not settle.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imbalance {
    /// Spans without an outcome; negative: outcomes without a span.
    pub owing: i128,
    /// The figures.
    pub snapshot: Box<Snapshot>,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owing {
            owing if owing < 0 => write!(f, "{} outcomes without a span", -owing)?,
            owing => write!(f, "{owing} spans without an outcome")?,
        }
        write!(f, ":\n{}", self.snapshot)
    }
}

/// As it reads in `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Imbalance {}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

fn difference<const N: usize>(now: &[u64; N], earlier: &[u64; N]) -> [u64; N] {
    let mut pairs = now.iter().zip(earlier);
    std::array::from_fn(|_| pairs.next().map_or(0, |(now, then)| now.saturating_sub(*then)))
}

/// Width of the first column: the longest name there is, indented.
const LABEL: usize = INDENTED + 2;
const INDENTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ledger;

    #[test]
    fn reads_as_a_table() {
        let ledger = Ledger::new();
        (0..1200).for_each(|_| ledger.started());
        (0..34).for_each(|_| ledger.sampled_out());
        ledger.exported(1000);
        ledger.dropped(DropReason::QueueBytes, 150);
        ledger.dropped(DropReason::RetryDeadline, 7);
        ledger.count(Counter::Retries, 3);
        let expected = "\
created                1234
sampled_out              34
exported               1000
dropped                 157
  queue_bytes           150
  retry_deadline          7
in_flight                43
counters
  retries                 3";
        assert_eq!(ledger.snapshot().to_string(), expected);
    }

    #[test]
    fn every_name_fits_its_column() {
        let names = DropReason::ALL.map(DropReason::name).into_iter();
        for name in names.chain(Counter::ALL.map(Counter::name)) {
            assert!(name.len() <= INDENTED, "{name}");
        }
    }

    #[test]
    fn an_empty_account_settles() {
        let snapshot = Ledger::new().snapshot();
        assert!(snapshot.is_idle());
        assert_eq!(snapshot.drops().count() + snapshot.counters().count(), 0);
    }

    #[test]
    fn a_missing_outcome_shows() {
        let ledger = Ledger::new();
        ledger.started();
        let imbalance = ledger.snapshot().check().unwrap_err();
        assert_eq!(imbalance.owing, 1);
        assert!(imbalance.to_string().starts_with("1 spans without an outcome:\ncreated"));
    }

    #[test]
    fn an_outcome_too_many_shows() {
        let ledger = Ledger::new();
        ledger.started();
        ledger.exported(2);
        ledger.dropped(DropReason::Tls, 1);
        let snapshot = ledger.snapshot();
        assert_eq!(snapshot.in_flight, 0);
        assert!(!snapshot.is_idle());
        assert_eq!(snapshot.check().unwrap_err().owing, -2);
    }

    #[test]
    fn a_difference_settles_between_settled_snapshots() {
        let ledger = Ledger::new();
        ledger.started();
        ledger.exported(1);
        ledger.count(Counter::Requests, 1);
        let earlier = ledger.snapshot();
        ledger.started();
        ledger.started();
        ledger.sampled_out();
        ledger.dropped(DropReason::Rejected, 2);
        ledger.count(Counter::Requests, 4);
        let since = ledger.snapshot().since(&earlier);
        assert_eq!((since.created, since.sampled_out, since.exported), (3, 1, 0));
        assert_eq!(since.drops().collect::<Vec<_>>(), [(DropReason::Rejected, 2)]);
        assert_eq!(since.counters().collect::<Vec<_>>(), [(Counter::Requests, 4)]);
        since.check().unwrap();
    }
}
