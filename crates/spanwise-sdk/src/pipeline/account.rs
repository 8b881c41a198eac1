//! Each request's end, booked in the ledger and told to the operator.

use crate::diagnostics::Diagnostics;
use spanwise_ledger::{DropReason, Ledger, Note, Tickets};
use spanwise_transport::{Delivery, Failure, Outcome};
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

    /// Gives every span of a request its outcome.
    pub(super) fn book(&mut self, mut tickets: Tickets, delivery: Option<Delivery>) {
        self.ledger.note(Note::Requests, 1);
        let Some(delivery) = delivery else {
            self.ledger.note(Note::RequestsFailed, 1);
            return tickets.dropped(DropReason::ExporterPanic);
        };
        if delivery.attempts > 1 {
            self.ledger.note(Note::Retries, u64::from(delivery.attempts - 1));
        }
        if delivery.response_undecodable {
            self.ledger.note(Note::ResponseUndecodable, 1);
        }
        match delivery.outcome {
            Outcome::Accepted { rejected, message } => {
                let rejected = rejected.min(tickets.len());
                if rejected > 0 {
                    tickets.split(rejected).dropped(DropReason::PartialRejected);
                    self.diagnostics.rejected(rejected, message.as_deref().unwrap_or_default());
                }
                tickets.exported();
            }
            Outcome::Failed(failure) => {
                self.ledger.note(Note::RequestsFailed, 1);
                self.diagnostics.request_failed(tickets.len(), &failure, &delivery.detail);
                tickets.dropped(reason(&failure));
            }
        }
    }

    /// No strategy for the sampler came, or none that can be used.
    pub(super) fn no_strategy(&mut self, url: &str, problem: &str) {
        self.diagnostics.no_strategy(url, problem);
    }

    /// Tells of losses since the last time, at most every so often.
    pub(super) fn tell(&mut self, now: Instant) {
        self.diagnostics.tell(now, &self.ledger);
    }

    /// Tells of all that was not told yet.
    pub(super) fn tell_rest(&mut self) {
        self.diagnostics.tell_rest(&self.ledger);
    }
}

/// One failure, one reason.
fn reason(failure: &Failure) -> DropReason {
    match failure {
        Failure::RetryDeadline { .. } => DropReason::RetryDeadline,
        Failure::Rejected { .. } => DropReason::Rejected,
        Failure::Redirect { .. } => DropReason::Redirect,
        Failure::TooLarge => DropReason::TooLarge,
        Failure::AmbiguousTimeout => DropReason::AmbiguousTimeout,
        Failure::AmbiguousResponse => DropReason::AmbiguousResponse,
        Failure::ResponseTooLarge => DropReason::ResponseTooLarge,
        Failure::Tls => DropReason::Tls,
        Failure::Shutdown => DropReason::ShutdownDeadline,
        Failure::SinkPanicked => DropReason::ExporterPanic,
        _ => DropReason::Transport,
    }
}
