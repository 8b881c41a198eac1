//! Books the outcome of each request in the ledger.

use crate::metrics::OperationResult;
use crate::ticket_guard::TicketGuard;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_ledger::{Counter, DropReason, Ledger};
use spanwise_transport::{Delivery, Failure, Outcome};

/// Counts a request that ended. `delivery` is `None` when the task that sent it panicked.
pub(super) fn count(ledger: &Ledger, delivery: Option<&Delivery>) {
    ledger.count(Counter::Requests, 1);
    if delivery.is_none_or(|delivery| !delivery.is_accepted()) {
        ledger.count(Counter::RequestsFailed, 1);
    }
    let Some(delivery) = delivery else { return };
    if delivery.attempts > 1 {
        ledger.count(Counter::Retries, u64::from(delivery.attempts - 1));
    }
    if delivery.breaker_openings > 0 {
        let openings = u64::from(delivery.breaker_openings);
        ledger.count(Counter::BreakerOpenings, openings);
    }
    if delivery.response_undecodable {
        ledger.count(Counter::ResponseUndecodable, 1);
    }
}

/// The result of a request, as an operation of its exporter.
pub(super) fn operation(delivery: Option<&Delivery>, was_ambiguous: bool) -> OperationResult {
    let error = match delivery {
        None => Some(DropReason::ExporterPanic),
        Some(delivery) => match &delivery.outcome {
            Outcome::Accepted { .. } => None,
            Outcome::Failed(failure) => {
                Some(reason(failure, delivery.may_have_been_accepted() || was_ambiguous))
            }
        },
    };
    let status = delivery.and_then(|delivery| delivery.status);
    OperationResult { error: error.map(DropReason::name), status }
}

/// Books an outcome for every span of a request.
///
/// `delivery` is `None` when the task that sent the request panicked. `was_ambiguous`: the receiver may have
/// the spans of an earlier request.
pub(super) fn book(mut tickets: TicketGuard, delivery: Option<&Delivery>, was_ambiguous: bool) {
    let Some(delivery) = delivery else {
        tickets.dropped(DropReason::ExporterPanic);
        return;
    };
    let is_ambiguous = delivery.may_have_been_accepted() || was_ambiguous;
    match &delivery.outcome {
        #[cfg(feature = "planted-bugs")]
        Outcome::Accepted { .. } if planted(Bug::PartialSuccessIgnored) => tickets.exported(),
        Outcome::Accepted { rejected, .. } => {
            // An earlier attempt without a response may have stored the rejected spans.
            let reason = match is_ambiguous {
                true => DropReason::AmbiguousTimeout,
                false => DropReason::PartialRejected,
            };
            tickets.split(*rejected, reason).dropped(reason);
            tickets.exported();
        }
        Outcome::Failed(failure) => tickets.dropped(reason(failure, is_ambiguous)),
    }
}

/// The reason of a failure. `is_ambiguous`: an attempt got no response, so the receiver may have the
/// spans, whatever the result of the last attempt.
fn reason(failure: &Failure, is_ambiguous: bool) -> DropReason {
    match failure {
        Failure::AmbiguousTimeout => DropReason::AmbiguousTimeout,
        Failure::AmbiguousResponse => DropReason::AmbiguousResponse,
        Failure::ResponseTooLarge => DropReason::ResponseTooLarge,
        Failure::SinkPanicked => DropReason::ExporterPanic,
        Failure::Shutdown if is_ambiguous => DropReason::AmbiguousShutdown,
        Failure::Shutdown => DropReason::ShutdownDeadline,
        _ if is_ambiguous => DropReason::AmbiguousTimeout,
        Failure::RetryDeadline { .. } => DropReason::RetryDeadline,
        Failure::Rejected { .. } => DropReason::Rejected,
        Failure::Redirect { .. } => DropReason::Redirect,
        Failure::TooLarge => DropReason::TooLarge,
        Failure::Tls => DropReason::Tls,
        _ => DropReason::Transport,
    }
}
