//! Books the outcome of each request in the ledger.

use crate::delivery_outcome::drop_reason;
use crate::metrics::OperationResult;
use crate::ticket_guard::TicketGuard;
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::{Delivery, Outcome};

/// The result of a request, as an operation of its exporter.
pub(super) fn operation(delivery: Option<&Delivery>, was_ambiguous: bool) -> OperationResult {
    let error = match delivery {
        None => Some(DropReason::ExporterPanic),
        Some(delivery) => match &delivery.outcome {
            Outcome::Accepted { .. } => None,
            Outcome::Failed(failure) => {
                Some(drop_reason(failure, delivery.may_have_been_accepted() || was_ambiguous))
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
        Outcome::Failed(failure) => tickets.dropped(drop_reason(failure, is_ambiguous)),
    }
}
