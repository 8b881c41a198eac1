//! A request on its way to one destination.

use bytes::Bytes;
use spanwise_batch::Charge;
use spanwise_export::sans_io::drop_reason;
use spanwise_ledger::{DropReason, Tickets};
use spanwise_transport::{Delivery, FramedRequest, InMemoryError, Outcome};
use std::sync::Arc;

/// A request on its way to one destination. Those of other destinations share its bytes.
pub(super) struct Batch {
    /// Its memory has its charge.
    pub(super) request: FramedRequest,
    pub(super) spans: u64,
    pub(super) tickets: Tickets,
    /// An attempt before got no response: the destination may have the spans.
    pub(super) is_ambiguous: bool,
    /// The reason of the last failure.
    pub(super) on_loss: Option<DropReason>,
    /// It is what is left of a request, of which other spans have outcomes.
    pub(super) is_rest: bool,
    /// That request.
    pub(super) whole: Option<Box<FramedRequest>>,
    /// Its charge includes that of copies.
    pub(super) has_copies: bool,
}

impl Batch {
    pub(super) fn new(request: FramedRequest, spans: u64, tickets: Tickets) -> Self {
        let (is_ambiguous, is_rest, has_copies) = (false, false, false);
        let (on_loss, whole) = (None, None);
        Self { request, spans, tickets, is_ambiguous, on_loss, is_rest, whole, has_copies }
    }

    /// The request behind a failure that another attempt may not have.
    pub(super) fn unsent(mut self, delivery: &Delivery) -> Self {
        self.is_ambiguous |= delivery.may_have_been_accepted();
        if let Outcome::Failed(failure) = &delivery.outcome {
            self.on_loss = Some(drop_reason(failure, self.is_ambiguous));
        }
        self
    }

    pub(super) fn len(&self) -> usize {
        self.request.message().len()
    }

    /// The spans are lost.
    pub(super) fn dropped(self, reason: DropReason) {
        self.tickets.dropped(reason);
    }

    /// Books the outcomes of a delivery that is final.
    pub(super) fn book(self, delivery: &Delivery) {
        book(self.tickets, delivery, self.is_ambiguous);
    }
}

/// Books the outcomes of a delivery that is final.
pub(super) fn book(mut tickets: Tickets, delivery: &Delivery, was_ambiguous: bool) {
    let is_ambiguous = delivery.may_have_been_accepted() || was_ambiguous;
    match &delivery.outcome {
        Outcome::Accepted { rejected, .. } => {
            // An earlier attempt without a response may have stored the rejected spans.
            let reason = match is_ambiguous {
                true => DropReason::AmbiguousTimeout,
                false => DropReason::PartialRejected,
            };
            tickets.split(*rejected).dropped(reason);
            tickets.exported();
        }
        Outcome::Failed(failure) => {
            tickets.dropped(drop_reason(failure, is_ambiguous));
        }
    }
}

/// The memory of a request with its charge.
struct Charged<C> {
    bytes: Vec<u8>,
    // Behind the bytes: the memory is freed first.
    _charge: C,
}

impl<C> AsRef<[u8]> for Charged<C> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The charges of a request's memory.
pub(super) struct Charges {
    pub(super) own: Vec<Charge>,
    /// Of requests that other stages share.
    pub(super) shared: Vec<Arc<Charge>>,
}

/// Frames a message behind its prefix; the memory frees `charge` at its end.
pub(super) fn framed<C: Send + Sync + 'static>(
    bytes: Vec<u8>,
    charge: C,
) -> Result<FramedRequest, InMemoryError> {
    FramedRequest::in_prefixed_memory(bytes, |bytes| {
        Bytes::from_owner(Charged { bytes, _charge: charge })
    })
}

/// The most bytes that the parts of a request of `len` bytes may have together.
pub(super) fn max_copied(len: usize) -> usize {
    len.saturating_mul(2).saturating_add(1 << 20)
}
