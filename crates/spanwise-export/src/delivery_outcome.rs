//! The end of a request in the terms of the ledger.

use spanwise_ledger::{Counter, DropReason, Ledger};
use spanwise_transport::{Delivery, Failure, Outcome};

/// Counts a request that ended in the event counters of `ledger`, and no span. `delivery` is `None` when the task that sent it panicked.
pub fn count_request(ledger: &Ledger, delivery: Option<&Delivery>) {
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

/// The reason for which the spans of a request that failed are lost. `is_ambiguous`: an attempt got no response, so the receiver may have
/// the spans, whatever the result of the last attempt.
pub fn drop_reason(failure: &Failure, is_ambiguous: bool) -> DropReason {
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

/// Whether a request that ended like this is worth storing: another attempt, later, may succeed.
pub fn is_retryable(delivery: &Delivery) -> bool {
    matches!(
        delivery.outcome,
        Outcome::Failed(
            Failure::RetryDeadline { .. }
                | Failure::AmbiguousTimeout
                | Failure::AmbiguousResponse
                | Failure::Tls
                | Failure::Shutdown
        )
    )
}

/// Whether the receiver refused the size of a request.
pub fn is_too_large(delivery: &Delivery) -> bool {
    delivery.outcome == Outcome::Failed(Failure::TooLarge)
}
