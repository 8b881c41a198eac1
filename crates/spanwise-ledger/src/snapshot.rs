use std::error::Error;
use std::fmt;

use crate::starts::Starts;
use crate::{Counter, DropReason, ParentOrigin, SamplingResult};

/// A snapshot of the counters of a [`Ledger`](crate::Ledger). All numbers are spans, except those
/// of [`counters`](Self::counters), which are events.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Spans created, recording or not.
    pub created: u64,
    /// Spans of earlier processes: those that a spool had on disk when this process started, and those that a crash lost.
    pub recovered: u64,
    /// Of the created spans, those that the sampler dropped at their start.
    pub sampled_out: u64,
    /// Spans that the receiver acknowledged.
    pub exported: u64,
    /// Recorded spans whose traces tail sampling did not sample.
    pub tail_not_sampled: u64,
    /// Recorded spans whose traces matched a drop policy of tail sampling.
    pub tail_dropped: u64,
    /// Spans that a spool has on disk now: they are sent once the receiver is back, by this process or the next one.
    pub spooled: u64,
    /// Recorded spans that still have no outcome and are not on disk.
    pub in_flight: u64,
    /// Of these, the spans whose [tickets](crate::Tickets) exist: an exporter has taken them from its queue.
    pub ticketed: u64,
    /// Spans that are recorded and not sampled, and whose
    /// [end](crate::Ledger::record_only_ended) was not reported yet.
    pub record_only_live: u64,
    pub(crate) starts: Starts,
    dropped: [u64; DropReason::ALL.len()],
    counters: [u64; Counter::ALL.len()],
}

/// Spans that are neither in flight nor dropped.
pub(crate) struct Settled {
    pub(crate) exported: u64,
    /// Not sampled, and dropped by a policy.
    pub(crate) tail: [u64; 2],
    pub(crate) spooled: u64,
}

impl Snapshot {
    pub(crate) fn new(
        (started, recovered): (u64, u64),
        sampled_out: u64,
        Settled { exported, tail: [tail_not_sampled, tail_dropped], spooled }: Settled,
        dropped: [u64; DropReason::ALL.len()],
        counters: [u64; Counter::ALL.len()],
    ) -> Self {
        let settled = [exported, tail_not_sampled, tail_dropped, spooled, sum(&dropped)];
        let settled = sum(&settled);
        Snapshot {
            created: started.saturating_add(sampled_out),
            recovered,
            sampled_out,
            exported,
            tail_not_sampled,
            tail_dropped,
            spooled,
            // Surplus outcomes cannot make it negative; `check` reports them.
            in_flight: started.saturating_add(recovered).saturating_sub(settled),
            ticketed: 0,
            record_only_live: 0,
            starts: Starts::default(),
            dropped,
            counters,
        }
    }

    /// Spans created below a parent of this origin, and with this result of the sampler: the sum over both is
    /// [`created`](Self::created). A span that a full queue refused at its start had been sampled.
    pub fn started(&self, origin: ParentOrigin, result: SamplingResult) -> u64 {
        self.starts.get(origin, result)
    }

    /// Spans dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// Spans dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        sum(&self.dropped)
    }

    /// Dropped spans that the receiver may have stored all the same: those of all
    /// [ambiguous](DropReason::is_ambiguous) reasons. The receiver has stored at least `exported`
    /// and at most `exported + ambiguous()` spans, besides [`spooled`](Self::spooled) ones; a span it stores twice counts once.
    pub fn ambiguous(&self) -> u64 {
        self.drops().filter(|(reason, _)| reason.is_ambiguous()).map(|(_, spans)| spans).sum()
    }

    /// The drop reasons that occurred, each with its number of spans.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.dropped).filter(|(_, spans)| *spans > 0)
    }

    /// The value of a counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or(0)
    }

    /// The counters that are not zero, each with its value.
    pub fn counters(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().zip(self.counters).filter(|(_, times)| *times > 0)
    }

    /// Whether nothing is in flight and every span has exactly one outcome or is on disk.
    pub fn is_idle(&self) -> bool {
        self.check().is_ok()
    }

    /// Checks an idle ledger: no span is in flight, and every span has exactly one outcome or is on disk.
    ///
    /// # Errors
    /// [`Imbalance`] with the numbers, when spans still have no outcome, or when more outcomes than
    /// spans were reported.
    pub fn check(&self) -> Result<(), Imbalance> {
        let due =
            i128::from(self.created) + i128::from(self.recovered) - i128::from(self.sampled_out);
        let outcomes: i128 = self.outcomes().into_iter().map(i128::from).sum();
        match due - outcomes {
            0 if self.in_flight == 0 => Ok(()),
            owing => Err(Imbalance { owing, snapshot: Box::new(self.clone()) }),
        }
    }

    /// Spans of each outcome that a recorded span can have, and those on disk.
    fn outcomes(&self) -> [u64; 5] {
        let Self { exported, tail_not_sampled, tail_dropped, spooled, .. } = *self;
        [exported, tail_not_sampled, tail_dropped, spooled, self.dropped_total()]
    }

    /// The outcomes of tail sampling that occurred, each with its number of spans.
    fn tail(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let tail =
            [("tail_not_sampled", self.tail_not_sampled), ("tail_dropped", self.tail_dropped)];
        tail.into_iter().filter(|(_, spans)| *spans > 0)
    }

    /// The difference to an `earlier` snapshot. `spooled`, `in_flight`, `ticketed` and `record_only_live` are the current values, and
    /// the spans that were on disk at the earlier one are among the `recovered` ones:
    /// between two idle snapshots the invariant holds for the difference too.
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        Snapshot {
            created: self.created.saturating_sub(earlier.created),
            recovered: self.recovered.saturating_sub(earlier.recovered) + earlier.spooled,
            sampled_out: self.sampled_out.saturating_sub(earlier.sampled_out),
            exported: self.exported.saturating_sub(earlier.exported),
            tail_not_sampled: self.tail_not_sampled.saturating_sub(earlier.tail_not_sampled),
            tail_dropped: self.tail_dropped.saturating_sub(earlier.tail_dropped),
            spooled: self.spooled,
            in_flight: self.in_flight,
            ticketed: self.ticketed,
            record_only_live: self.record_only_live,
            starts: self.starts.since(&earlier.starts),
            dropped: difference(&self.dropped, &earlier.dropped),
            counters: difference(&self.counters, &earlier.counters),
        }
    }
}

/// Formats a table: outcomes first, then the reasons and counters that are not zero.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut totals = vec![("created", self.created)];
        totals.extend(occurred("recovered", self.recovered));
        totals.extend([("sampled_out", self.sampled_out), ("exported", self.exported)]);
        totals.extend(self.tail());
        totals.push(("dropped", self.dropped_total()));
        let (drops, counters): (Vec<_>, Vec<_>) =
            (self.drops().collect(), self.counters().collect());
        let numbers = totals.iter().map(|(_, n)| *n).chain([self.spooled, self.in_flight]);
        let numbers = numbers.chain(drops.iter().map(|(_, n)| *n));
        let widest = numbers.chain(counters.iter().map(|(_, n)| *n)).max().unwrap_or(0);
        let width = widest.checked_ilog10().map_or(1, |digits| digits as usize + 1);

        for (name, spans) in totals {
            writeln!(f, "{name:<LABEL$} {spans:>width$}")?;
        }
        for (reason, spans) in drops {
            writeln!(f, "  {:<INDENTED$} {spans:>width$}", reason.name())?;
        }
        if let Some((name, spans)) = occurred("spooled", self.spooled) {
            writeln!(f, "{name:<LABEL$} {spans:>width$}")?;
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

/// Formats one line for a log: `created 12, sampled_out 2, exported 7, dropped 3 (queue_bytes 3),
/// in_flight 0; retries 1`. `{:#?}` formats the table.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        let Self { created, sampled_out, exported, in_flight, .. } = self;
        write!(f, "created {created}")?;
        let write = |f: &mut fmt::Formatter<'_>, name, spans| {
            occurred(name, spans).map_or(Ok(()), |(name, spans)| write!(f, ", {name} {spans}"))
        };
        write(f, "recovered", self.recovered)?;
        write!(f, ", sampled_out {sampled_out}, exported {exported}")?;
        self.tail().try_for_each(|(name, spans)| write!(f, ", {name} {spans}"))?;
        write!(f, ", dropped {}", self.dropped_total())?;
        list(f, " (", self.drops().map(|(reason, spans)| (reason.name(), spans)))?;
        f.write_str(if self.dropped_total() > 0 { ")" } else { "" })?;
        write(f, "spooled", self.spooled)?;
        write!(f, ", in_flight {in_flight}")?;
        list(f, "; ", self.counters().map(|(counter, times)| (counter.name(), times)))
    }
}

/// A name with its number, if that is not zero.
fn occurred(name: &'static str, spans: u64) -> Option<(&'static str, u64)> {
    (spans > 0).then_some((name, spans))
}

/// Writes names with their numbers, and nothing at all when there are none.
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

/// Error of [`Snapshot::check`]: the number of outcomes differs from the number of recorded spans.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imbalance {
    /// Spans without an outcome; if negative, outcomes without a span.
    pub owing: i128,
    /// The numbers that do not match.
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

/// Formats as `Display` does, because `main` prints the `Debug` of its error.
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

/// Width of the first column: the longest name, indented.
const LABEL: usize = INDENTED + 2;
const INDENTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ledger;

    #[test]
    fn display_formats_a_table() {
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
    fn a_difference_has_the_counts_of_the_time_between() {
        let ledger = Ledger::new();
        let count = |created: u64, sampled_out: u64, exported: u64, lost: u64| {
            (0..created).for_each(|_| ledger.started());
            (0..sampled_out).for_each(|_| ledger.sampled_out());
            ledger.exported(exported);
            ledger.dropped(DropReason::QueueBytes, lost);
            ledger.count(Counter::Requests, exported);
            ledger.snapshot()
        };
        let earlier = count(100, 10, 40, 3);
        let later = count(50, 5, 20, 1);
        let since = later.since(&earlier);
        assert_eq!((since.created, since.sampled_out, since.exported), (55, 5, 20));
        assert_eq!((since.dropped_total(), since.counter(Counter::Requests)), (1, 20));
        assert_eq!(since.in_flight, later.in_flight);
    }

    /// The outcomes of tail sampling are no losses, and a ledger without them does not print them.
    #[test]
    fn the_outcomes_of_tail_sampling_settle_spans() {
        let ledger = Ledger::new();
        (0..9).for_each(|_| ledger.started());
        assert!(!ledger.snapshot().to_string().contains("tail"));
        let mut tickets = ledger.tickets(9);
        tickets.split(3).tail_not_sampled();
        tickets.split(2).tail_dropped();
        assert_eq!(ledger.snapshot().in_flight, 4);
        tickets.exported();
        let account = ledger.snapshot();
        account.check().unwrap();
        let outcomes = (account.exported, account.tail_not_sampled, account.tail_dropped);
        assert_eq!((outcomes, account.in_flight), ((4, 3, 2), 0));
        assert!(account.is_idle() && account.dropped_total() == 0);
        for text in [account.to_string(), format!("{account:?}")] {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                text.contains("tail_not_sampled 3") && text.contains("tail_dropped 2"),
                "{text}"
            );
        }
        let since = account.since(&account);
        assert_eq!((since.tail_not_sampled, since.tail_dropped), (0, 0));
    }

    #[test]
    fn a_difference_recovers_the_spans_that_were_on_disk_before() {
        let ledger = Ledger::new();
        ledger.started_many(9);
        ledger.tickets(9).spooled();
        ledger.recovered(2).spooled();
        let earlier = ledger.snapshot();
        ledger.unspool(6).exported();
        ledger.unspool(1).dropped(DropReason::SpoolExpired);
        ledger.started();
        ledger.tickets(1).spooled();
        let since = ledger.snapshot().since(&earlier);
        assert_eq!((since.created, since.recovered, since.spooled), (1, 11, 5));
        assert_eq!((since.exported, since.dropped_total()), (6, 1));
        since.check().unwrap();
    }

    #[test]
    fn every_name_fits_the_first_column() {
        let names = DropReason::ALL.map(DropReason::name).into_iter();
        for name in names.chain(Counter::ALL.map(Counter::name)) {
            assert!(name.len() <= INDENTED, "{name}");
        }
    }

    #[test]
    fn a_new_ledger_is_idle() {
        let snapshot = Ledger::new().snapshot();
        assert!(snapshot.is_idle());
        assert_eq!(snapshot.drops().count() + snapshot.counters().count(), 0);
    }

    #[test]
    fn check_reports_a_missing_outcome() {
        let ledger = Ledger::new();
        ledger.started();
        let imbalance = ledger.snapshot().check().unwrap_err();
        assert_eq!(imbalance.owing, 1);
        assert!(imbalance.to_string().starts_with("1 spans without an outcome:\ncreated"));
    }

    #[test]
    fn check_reports_a_surplus_outcome() {
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
    fn the_difference_of_two_idle_snapshots_balances() {
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
