//! The beginning, the sum and the end of losses, as the ledger counts them.

use super::interval::REPORT_INTERVAL;
use spanwise_ledger::{Ledger, Snapshot};
use std::time::{Duration, Instant};

/// Checks the ledger for lost spans once a second.
#[derive(Default)]
pub(super) struct Losses {
    checked: Option<Instant>,
    /// Spans that were lost up to the last check.
    dropped: u64,
    /// The losses since the last that ended.
    present: Option<Loss>,
    /// The ledger's counts at the last report of losses.
    reported: Option<(Instant, Snapshot)>,
}

struct Loss {
    /// The last check before the first loss.
    since: Instant,
    /// The check that found the last loss.
    until: Instant,
    spans: u64,
}

/// A change to report.
#[derive(Debug)]
pub(super) enum LossChange {
    /// Spans were lost since the last report: the ledger's counts for that time.
    Lost(Box<Snapshot>),
    /// No span was lost for half a minute.
    Ended {
        /// Spans that were lost before.
        spans: u64,
        /// The time between the first and the last loss.
        lasted: Duration,
    },
}

impl Losses {
    /// Returns the first loss at once, later ones at most every half a minute, and their end. Reads the
    /// ledger at most once a second.
    pub(super) fn check(&mut self, now: Instant, ledger: &Ledger) -> Option<LossChange> {
        if self.checked.is_some_and(|checked| now < checked + CHECK_INTERVAL) {
            return None;
        }
        let account = ledger.snapshot();
        self.record(now, account.dropped_total());
        let is_recent = self.reported.as_ref().is_some_and(|(at, _)| now < *at + REPORT_INTERVAL);
        if !is_recent && let Some(lost) = self.unreported(now, account) {
            return Some(lost);
        }
        // All losses are reported by now: the last one is older than the interval.
        let is_over = |loss: &mut Loss| now >= loss.until + REPORT_INTERVAL;
        let Loss { since, until, spans } = self.present.take_if(is_over)?;
        Some(LossChange::Ended { spans, lasted: until.saturating_duration_since(since) })
    }

    /// Returns the losses since the last report, regardless of the interval: for a shutdown, at which no
    /// loss ends.
    pub(super) fn last(&mut self, now: Instant, ledger: &Ledger) -> Option<LossChange> {
        self.unreported(now, ledger.snapshot())
    }

    fn record(&mut self, now: Instant, dropped: u64) {
        let before = self.checked.replace(now).unwrap_or(now);
        let spans = dropped.saturating_sub(std::mem::replace(&mut self.dropped, dropped));
        if spans > 0 {
            let loss = self.present.get_or_insert(Loss { since: before, until: now, spans: 0 });
            loss.until = now;
            loss.spans += spans;
        }
    }

    fn unreported(&mut self, now: Instant, account: Snapshot) -> Option<LossChange> {
        let lost = match &self.reported {
            Some((_, reported)) => account.since(reported),
            None => account.clone(),
        };
        if lost.dropped_total() == 0 {
            return None;
        }
        self.reported = Some((now, account));
        Some(LossChange::Lost(Box::new(lost)))
    }
}

/// The interval between two checks of the ledger.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_ledger::DropReason;

    const SECOND: Duration = Duration::from_secs(1);

    /// Loses spans at the seconds of `lost`, and returns the second and the text of each change.
    fn changes(lost: &[(u32, u64)], until: u32) -> Vec<(u32, String)> {
        let (ledger, start) = (Ledger::new(), Instant::now());
        let mut losses = Losses::default();
        let mut changes = Vec::new();
        for second in 0..until {
            for (_, spans) in lost.iter().filter(|(at, _)| *at == second) {
                (0..*spans).for_each(|_| ledger.started());
                ledger.dropped(DropReason::QueueBytes, *spans);
            }
            // Two turns a second: the second one reads no ledger.
            for now in [start + second * SECOND, start + second * SECOND + SECOND / 2] {
                let text = match losses.check(now, &ledger) {
                    None => continue,
                    Some(LossChange::Lost(lost)) => format!("lost {}", lost.dropped_total()),
                    Some(LossChange::Ended { spans, lasted }) => format!("{spans} in {lasted:?}"),
                };
                changes.push((second, text));
            }
        }
        changes
    }

    #[test]
    fn the_end_of_a_loss_has_its_sum_and_its_time() {
        let expected = |changes: &[(u32, &str)]| -> Vec<(u32, String)> {
            changes.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
        };
        assert_eq!(changes(&[], 200), []);
        assert_eq!(changes(&[(5, 3)], 200), expected(&[(5, "lost 3"), (35, "3 in 1s")]));
        // Later losses are reported as a sum; the end counts from the last loss.
        let lost = [(5, 3), (6, 4), (16, 5)];
        let ended = [(5, "lost 3"), (35, "lost 9"), (46, "12 in 12s")];
        assert_eq!(changes(&lost, 200), expected(&ended));
        // A new loss begins a new sum.
        let lost = [(5, 3), (100, 1)];
        let ended = [(5, "lost 3"), (35, "3 in 1s"), (100, "lost 1"), (130, "1 in 1s")];
        assert_eq!(changes(&lost, 200), expected(&ended));
        // A loss that goes on does not end.
        let always: Vec<_> = (10..100).map(|second| (second, 1)).collect();
        let texts = changes(&always, 100);
        assert!(texts.iter().all(|(_, text)| text.starts_with("lost")), "{texts:?}");
        assert_eq!(texts.len(), 3);
    }

    #[test]
    fn a_shutdown_reports_what_is_left_at_once() {
        let (ledger, now) = (Ledger::new(), Instant::now());
        let mut losses = Losses::default();
        (0..2).for_each(|_| ledger.started());
        ledger.dropped(DropReason::QueueBytes, 1);
        assert!(matches!(losses.check(now, &ledger), Some(LossChange::Lost(_))));
        ledger.dropped(DropReason::ShutdownDeadline, 1);
        let Some(LossChange::Lost(lost)) = losses.last(now, &ledger) else {
            panic!("not reported")
        };
        assert_eq!(lost.dropped(DropReason::ShutdownDeadline), 1);
        assert!(losses.last(now, &ledger).is_none());
    }
}
