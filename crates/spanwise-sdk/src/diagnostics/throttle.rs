//! Reports of the exporter, each kind at most every half a minute.

use super::diagnostic::Diagnostic;
use super::endpoint_health::EndpointHealth;
use super::interval::REPORT_INTERVAL;
use super::losses::{LossChange, Losses};
use super::reporter::Reporter;
use super::text::sanitize;
use crate::config::shown;
use spanwise_export::SpoolReport;
use spanwise_ledger::{Counter, Ledger};
use spanwise_transport::{Delivery, Failure};
use spanwise_worker::CaughtPanic;
use std::collections::HashMap;
use std::time::Instant;

/// Limits the reports of each kind to one in half a minute.
pub(crate) struct Diagnostics {
    reporter: Reporter,
    health: EndpointHealth,
    losses: Losses,
    last: HashMap<Kind, Instant>,
    /// Whether the endpoint of remote sampling was reported and has not recovered.
    strategy_failing: bool,
}

/// The kinds of reports that are made at most every half a minute.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// A dropped request, by the name of its [`Failure`].
    Failed(&'static str),
    Rejected,
    MetricsRejected,
    Warned,
    Split,
    NotOtlp,
    NoStrategy,
    Panicked,
    SpoolFailed,
    SpoolStoring,
    SpoolDrained,
}

impl Diagnostics {
    pub(crate) fn new(reporter: Reporter, health: EndpointHealth) -> Self {
        Self {
            reporter,
            health,
            losses: Losses::default(),
            last: HashMap::new(),
            strategy_failing: false,
        }
    }

    /// Records that requests in flight have had no response since `since`; `None` without requests.
    pub(crate) fn awaiting(&self, since: Option<Instant>) {
        self.health.awaiting(since);
    }

    /// Records an accepted request.
    pub(crate) fn accepted(&self) {
        self.health.accepted();
    }

    pub(crate) fn request_failed(&mut self, spans: u64, failure: &Failure, delivery: &Delivery) {
        let Delivery { detail, cause, .. } = delivery;
        // A shutdown's own report has the number and the last failure.
        let is_known = *failure == Failure::Shutdown || self.health.has_reported(cause);
        if !is_known && self.due(Kind::Failed(failure.name())) {
            // A failure with a status does not repeat it as the cause.
            let has_status = matches!(failure, Failure::Rejected { .. } | Failure::Redirect { .. });
            let text = if detail.is_empty() && !has_status { cause } else { detail };
            let (failure, detail) = (*failure, text.clone());
            self.report(Diagnostic::RequestFailed { spans, failure, detail });
        }
    }

    pub(crate) fn rejected(&mut self, spans: u64, message: &str) {
        if self.due(Kind::Rejected) {
            self.report(Diagnostic::SpansRejected { spans, message: sanitize(message) });
        }
    }

    pub(crate) fn metrics_rejected(&mut self, points: u64, message: &str) {
        if self.due(Kind::MetricsRejected) {
            self.report(Diagnostic::MetricsRejected { points, message: sanitize(message) });
        }
    }

    pub(crate) fn receiver_warned(&mut self, message: &str) {
        if self.due(Kind::Warned) {
            self.report(Diagnostic::ReceiverWarned { message: sanitize(message) });
        }
    }

    pub(crate) fn request_split(&mut self, spans: u64, max_bytes: usize, detail: &str) {
        if self.due(Kind::Split) {
            let detail = sanitize(detail);
            self.report(Diagnostic::RequestSplit { spans, max_bytes, detail });
        }
    }

    /// Losses are reported with the others, from the ledger.
    pub(crate) fn spool(&mut self, report: SpoolReport) {
        match report {
            SpoolReport::Opened(recovery) if recovery.spans + recovery.crash.spans > 0 => {
                self.report(Diagnostic::SpoolRecovered { recovery });
            }
            SpoolReport::Unavailable { error } => {
                self.report(Diagnostic::SpoolUnavailable { error: sanitize(&error) });
            }
            SpoolReport::Failed { error } if self.due(Kind::SpoolFailed) => {
                self.report(Diagnostic::SpoolFailed { error: sanitize(&error) });
            }
            SpoolReport::Storing if self.due(Kind::SpoolStoring) => {
                self.report(Diagnostic::SpoolStoring);
            }
            SpoolReport::Drained if self.due(Kind::SpoolDrained) => {
                self.report(Diagnostic::SpoolDrained);
            }
            _ => {}
        }
    }

    pub(crate) fn answer_not_otlp(&mut self, problem: &str) {
        if self.due(Kind::NotOtlp) {
            self.report(Diagnostic::AnswerNotOtlp { problem: sanitize(problem) });
        }
    }

    pub(crate) fn no_strategy(&mut self, url: &str, problem: &str) {
        if self.due(Kind::NoStrategy) {
            self.strategy_failing = true;
            let url = without_query(url);
            self.report(Diagnostic::NoSamplingStrategy { url, problem: sanitize(problem) });
        }
    }

    pub(crate) fn strategy(&mut self, url: &str) {
        if std::mem::take(&mut self.strategy_failing) {
            self.report(Diagnostic::SamplingStrategyRecovered { url: without_query(url) });
        }
    }

    /// Checks for losses once a second. Reports the first at once, later ones as a sum, and their end.
    pub(crate) fn report_losses(&mut self, now: Instant, ledger: &Ledger) {
        let change = self.losses.check(now, ledger);
        self.report_change(change, ledger);
    }

    /// Reports the losses since the last report, regardless of the interval.
    pub(crate) fn report_last_losses(&mut self, ledger: &Ledger) {
        let change = self.losses.last(Instant::now(), ledger);
        self.report_change(change, ledger);
    }

    fn report_change(&self, change: Option<LossChange>, ledger: &Ledger) {
        match change {
            None => {}
            Some(LossChange::Lost(lost)) => {
                let last_failure = self.health.last_failure();
                self.report(Diagnostic::SpansLost { lost, last_failure });
            }
            Some(LossChange::Ended { spans, lasted }) => {
                ledger.count(Counter::LossRecoveries, 1);
                self.report(Diagnostic::LossEnded { spans, lasted });
            }
        }
    }

    /// Reports a panic of user code on the worker thread.
    pub(crate) fn user_code_panicked(&mut self, code: &'static str, panic: &CaughtPanic) {
        if self.due(Kind::Panicked) {
            self.report(Diagnostic::UserCodePanicked { code, message: panic.to_string() });
        }
    }

    pub(crate) fn close(&self) {
        self.reporter.close();
    }

    pub(crate) fn worker_died(&self) {
        self.report(Diagnostic::WorkerDied);
    }

    fn due(&mut self, kind: Kind) -> bool {
        let now = Instant::now();
        let due = self.last.get(&kind).is_none_or(|last| now >= *last + REPORT_INTERVAL);
        if due {
            self.last.insert(kind, now);
        }
        due
    }

    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        self.reporter.report(diagnostic);
    }
}

/// The printed form of `url`, without the query, which has the service's name.
fn without_query(url: &str) -> String {
    shown(url.split('?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_ledger::DropReason;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[test]
    fn the_end_of_a_loss_is_reported_and_counted_once() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let received = lines.clone();
        let reporter = Reporter::new(Arc::new(move |diagnostic: &Diagnostic| {
            received.lock().unwrap().push(diagnostic.to_string());
        }));
        let health = EndpointHealth::new(reporter.clone());
        let mut diagnostics = Diagnostics::new(reporter.clone(), health);
        let (ledger, start) = (Ledger::new(), Instant::now());
        (0..7).for_each(|_| ledger.started());
        for second in 0..120 {
            if (3..6).contains(&second) {
                ledger.dropped(DropReason::QueueBytes, 2);
            }
            diagnostics.report_losses(start + Duration::from_secs(second), &ledger);
        }
        assert_eq!(ledger.snapshot().counter(Counter::LossRecoveries), 1);
        reporter.flush(Duration::from_secs(60));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("2 spans lost: queue_bytes 2"), "{lines:?}");
        assert!(lines[1].starts_with("4 spans lost: queue_bytes 4"), "{lines:?}");
        assert_eq!(lines[2], "no spans lost for 30s: 6 spans were lost in the 3.0s before");
    }
}
