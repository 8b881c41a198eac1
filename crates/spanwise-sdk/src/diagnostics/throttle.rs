//! Reports of the exporter, each kind at most every half a minute.

use super::diagnostic::Diagnostic;
use super::endpoint_health::EndpointHealth;
use super::interval::REPORT_INTERVAL;
use super::reporter::Reporter;
use super::text::sanitize;
use crate::config::shown;
use spanwise_ledger::{Ledger, Snapshot};
use spanwise_transport::{Delivery, Failure};
use spanwise_worker::CaughtPanic;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Limits the reports of each kind to one in half a minute.
pub(crate) struct Diagnostics {
    reporter: Reporter,
    health: EndpointHealth,
    next_look: Option<Instant>,
    /// The ledger's counts at the last report of losses.
    reported: Option<(Instant, Snapshot)>,
    losing: bool,
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
    Warned,
    NotOtlp,
    NoStrategy,
    Panicked,
}

impl Diagnostics {
    pub(crate) fn new(reporter: Reporter, health: EndpointHealth) -> Self {
        Self {
            reporter,
            health,
            next_look: None,
            reported: None,
            losing: false,
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

    pub(crate) fn receiver_warned(&mut self, message: &str) {
        if self.due(Kind::Warned) {
            self.report(Diagnostic::ReceiverWarned { message: sanitize(message) });
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

    /// Checks for losses once a second. Reports the first at once, and later ones as a sum.
    pub(crate) fn report_losses(&mut self, now: Instant, ledger: &Ledger) {
        if self.next_look.is_some_and(|next| now < next) {
            return;
        }
        self.next_look = Some(now + LOOK_EVERY);
        let is_recent = self.reported.as_ref().is_some_and(|(at, _)| now < *at + REPORT_INTERVAL);
        if !is_recent {
            self.report_losses_since(now, ledger);
        }
    }

    /// Reports the losses since the last report, regardless of the interval.
    pub(crate) fn report_last_losses(&mut self, ledger: &Ledger) {
        self.losing = false;
        self.report_losses_since(Instant::now(), ledger);
    }

    fn report_losses_since(&mut self, now: Instant, ledger: &Ledger) {
        let account = ledger.snapshot();
        let lost = match &self.reported {
            Some((_, reported)) => account.since(reported),
            None => account.clone(),
        };
        if lost.dropped_total() > 0 {
            self.losing = true;
            self.reported = Some((now, account));
            let last_failure = self.health.last_failure();
            self.report(Diagnostic::SpansLost { lost: Box::new(lost), last_failure });
        } else if self.losing {
            self.losing = false;
            self.report(Diagnostic::LossEnded);
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

    fn report(&self, diagnostic: Diagnostic) {
        self.reporter.report(diagnostic);
    }
}

/// The printed form of `url`, without the query, which has the service's name.
fn without_query(url: &str) -> String {
    shown(url.split('?').next().unwrap_or_default())
}

/// The interval between two checks of the ledger.
const LOOK_EVERY: Duration = Duration::from_secs(1);
