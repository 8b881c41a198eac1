//! Each request's end, booked in the ledger and reported.

use crate::diagnostics::Diagnostics;
use spanwise_ledger::{Counter, DropReason, Ledger, Tickets};
use spanwise_transport::{Delivery, Failure, Outcome};
use spanwise_worker::CaughtPanic;
use std::time::Instant;

/// Turns deliveries into outcomes.
pub(super) struct Account {
    ledger: Ledger,
    diagnostics: Diagnostics,
}

impl Account {
    pub(super) fn new(ledger: Ledger, diagnostics: Diagnostics) -> Self {
        Self { ledger, diagnostics }
    }

    /// Requests are on their way, and have had no answer since `since`; `None`: none is.
    pub(super) fn awaiting(&self, since: Option<Instant>) {
        self.diagnostics.awaiting(since);
    }

    /// Gives every span of a request its outcome.
    ///
    /// Returns whether the receiver took it.
    pub(super) fn book(&mut self, mut tickets: Tickets, delivery: Option<Delivery>) -> bool {
        self.ledger.count(Counter::Requests, 1);
        let Some(delivery) = delivery else {
            self.ledger.count(Counter::RequestsFailed, 1);
            tickets.dropped(DropReason::ExporterPanic);
            return false;
        };
        let ambiguous = delivery.may_have_been_accepted();
        if delivery.attempts > 1 {
            self.ledger.count(Counter::Retries, u64::from(delivery.attempts - 1));
        }
        if delivery.response_undecodable {
            self.ledger.count(Counter::ResponseUndecodable, 1);
            self.diagnostics.answer_not_otlp(&delivery.cause);
        }
        let accepted = delivery.is_accepted();
        if accepted {
            self.diagnostics.accepted();
        }
        match &delivery.outcome {
            Outcome::Accepted { rejected, message } => {
                let rejected = (*rejected).min(tickets.len());
                if rejected > 0 {
                    // An earlier attempt without an answer may have stored these spans.
                    let reason = match ambiguous {
                        true => DropReason::AmbiguousTimeout,
                        false => DropReason::PartialRejected,
                    };
                    tickets.split(rejected).dropped(reason);
                    self.diagnostics.rejected(rejected, message.as_deref().unwrap_or_default());
                } else if let Some(message) = message.as_ref().filter(|message| !message.is_empty())
                {
                    self.diagnostics.receiver_warned(message);
                }
                tickets.exported();
            }
            Outcome::Failed(failure) => {
                self.ledger.count(Counter::RequestsFailed, 1);
                self.diagnostics.request_failed(tickets.len(), failure, &delivery);
                tickets.dropped(reason(failure, ambiguous));
            }
        }
        accepted
    }

    /// No strategy for the sampler came, or none that can be used.
    pub(super) fn no_strategy(&mut self, url: &str, problem: &str) {
        self.diagnostics.no_strategy(url, problem);
    }

    /// A strategy for the sampler came.
    pub(super) fn strategy(&mut self, url: &str) {
        self.diagnostics.strategy(url);
    }

    /// Code of the user's panicked on this thread.
    pub(super) fn user_code_panicked(&mut self, code: &'static str, panic: &CaughtPanic) {
        self.diagnostics.user_code_panicked(code, panic);
    }

    /// No report comes after those that wait.
    pub(super) fn close(&self) {
        self.diagnostics.close();
    }

    /// The worker dies.
    pub(super) fn worker_died(&self) {
        self.diagnostics.worker_died();
    }

    /// Reports losses since the last report, at most every half a minute.
    pub(super) fn report_losses(&mut self, now: Instant) {
        self.diagnostics.report_losses(now, &self.ledger);
    }

    /// Reports all losses that were not reported yet.
    pub(super) fn report_last_losses(&mut self) {
        self.diagnostics.report_last_losses(&self.ledger);
    }
}

/// One failure, one reason. `ambiguous`: the receiver may have the spans all the same, from an
/// attempt that was not answered, whatever the last one came to.
fn reason(failure: &Failure, ambiguous: bool) -> DropReason {
    match failure {
        Failure::AmbiguousTimeout => DropReason::AmbiguousTimeout,
        Failure::AmbiguousResponse => DropReason::AmbiguousResponse,
        Failure::ResponseTooLarge => DropReason::ResponseTooLarge,
        Failure::SinkPanicked => DropReason::ExporterPanic,
        Failure::Shutdown if ambiguous => DropReason::AmbiguousShutdown,
        Failure::Shutdown => DropReason::ShutdownDeadline,
        _ if ambiguous => DropReason::AmbiguousTimeout,
        Failure::RetryDeadline { .. } => DropReason::RetryDeadline,
        Failure::Rejected { .. } => DropReason::Rejected,
        Failure::Redirect { .. } => DropReason::Redirect,
        Failure::TooLarge => DropReason::TooLarge,
        Failure::Tls => DropReason::Tls,
        _ => DropReason::Transport,
    }
}
