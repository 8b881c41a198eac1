//! Requests that the receiver refused as too large: their spans are sent again, in smaller requests.

use crate::machine::in_flight::InFlightRequest;
use crate::ticket_guard::TicketGuard;
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::{Delivery, FramedRequest};
use spanwise_wire::{RequestLimits, RequestPart};
use std::collections::VecDeque;

/// The refused requests, in the order in which they are sent again.
#[derive(Default)]
pub(super) struct Refused {
    requests: VecDeque<RefusedRequest>,
    /// Requests that were refused since the receiver accepted one.
    in_a_row: u32,
    /// The last refusal.
    last: Option<Delivery>,
}

/// A refused request, and those of its spans that are in no new request yet.
pub(super) struct RefusedRequest {
    request: FramedRequest,
    tickets: TicketGuard,
    /// Spans that are in new requests.
    sent: u64,
    /// The maximum bytes of a new request.
    max_bytes: usize,
    pub(super) first_chunk: u64,
    /// The refusal.
    delivery: Delivery,
    /// An attempt before the refusal got no response: the receiver may have the spans.
    pub(super) is_ambiguous: bool,
    /// Its spans are on disk too.
    pub(super) is_replay: bool,
}

impl Refused {
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Spans that are in no new request yet.
    pub(super) fn spans(&self) -> u64 {
        self.requests.iter().map(|request| request.tickets.spans()).sum()
    }

    /// The receiver accepted a request.
    pub(super) fn accepted(&mut self) {
        self.in_a_row = 0;
    }

    /// The receiver refused `request`. Returns it if its spans are lost: it is a single span, or the receiver
    /// seems to refuse every request. `floor` is the smallest limit of a request.
    pub(super) fn push(
        &mut self,
        request: InFlightRequest,
        delivery: &Delivery,
        floor: usize,
    ) -> Option<InFlightRequest> {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = Some(delivery.clone());
        // A receiver that refuses whatever it gets would get a request for each span.
        let is_hopeless = self.in_a_row > MAX_IN_A_ROW && request.bytes <= floor;
        if request.tickets.spans() < 2 || is_hopeless {
            return Some(request);
        }
        let InFlightRequest {
            request,
            mut tickets,
            first_chunk,
            bytes,
            is_ambiguous,
            is_replay,
            ..
        } = request;
        let is_ambiguous = is_ambiguous || delivery.may_have_been_accepted();
        let on_drop = match is_ambiguous {
            true => DropReason::ExporterPanic,
            false => DropReason::WorkerUnavailable,
        };
        let refused = RefusedRequest {
            request,
            tickets: tickets.split(u64::MAX, on_drop),
            sent: 0,
            max_bytes: bytes / 2,
            first_chunk,
            delivery: delivery.clone(),
            is_ambiguous,
            is_replay,
        };
        // Its spans are older than those of the request that it was itself a part of.
        self.requests.push_front(refused);
        None
    }

    /// The request whose spans are sent next.
    pub(super) fn front(&mut self) -> Option<&mut RefusedRequest> {
        self.requests.front_mut()
    }

    /// The front request has no span left, or its bytes are no request.
    pub(super) fn pop(&mut self) {
        if let Some(RefusedRequest { tickets, .. }) = self.requests.pop_front()
            && tickets.spans() > 0
        {
            tickets.dropped(DropReason::TooLarge);
        }
    }

    /// Gives up the request that would be sent last, to free its memory for the others. Returns the number of
    /// its spans and its refusal.
    pub(super) fn give_up(&mut self) -> Option<(u64, Delivery)> {
        let RefusedRequest { tickets, delivery, is_ambiguous, .. } = self.requests.pop_back()?;
        let spans = tickets.spans();
        tickets.dropped(match is_ambiguous {
            true => DropReason::AmbiguousTimeout,
            false => DropReason::TooLarge,
        });
        Some((spans, delivery))
    }

    /// Takes a request that exceeds the `max_bytes` bytes that the receiver accepts, to be sent in parts. Returns
    /// it if it cannot be split.
    pub(super) fn push_large(
        &mut self,
        request: InFlightRequest,
        max_bytes: usize,
    ) -> Option<InFlightRequest> {
        let Some(delivery) = self.last.clone().filter(|_| request.tickets.spans() > 1) else {
            return Some(request);
        };
        let InFlightRequest { request, mut tickets, first_chunk, is_ambiguous, is_replay, .. } =
            request;
        let tickets = tickets.split(u64::MAX, DropReason::WorkerUnavailable);
        let sent = 0;
        self.requests.push_back(RefusedRequest {
            request,
            tickets,
            sent,
            max_bytes,
            first_chunk,
            delivery,
            is_ambiguous,
            is_replay,
        });
        None
    }

    /// Bytes of the requests.
    pub(super) fn bytes(&self) -> usize {
        self.requests.iter().map(|request| request.request.message().len()).sum()
    }

    /// All chunks below this number have their outcomes, as far as these requests are concerned.
    pub(super) fn settled_before(&self) -> u64 {
        self.requests.iter().map(|request| request.first_chunk).min().unwrap_or(u64::MAX)
    }

    /// Books the spans of all requests as lost: for `ambiguous` those that the receiver may have.
    pub(super) fn drop_all(&mut self, reason: DropReason, ambiguous: DropReason) {
        for RefusedRequest { tickets, is_ambiguous, .. } in self.requests.drain(..) {
            tickets.given_up(if is_ambiguous { ambiguous } else { reason });
        }
    }

    /// Whether a request has spans that are on disk too.
    pub(super) fn has_replay(&self) -> bool {
        self.requests.iter().any(|request| request.is_replay)
    }
}

impl RefusedRequest {
    /// Plans the next new request. `None`: no span is left, or the bytes are no request.
    pub(super) fn plan(&self, limits: RequestLimits) -> Option<RequestPart<'_>> {
        let limits = limits.with_max_bytes(limits.max_bytes.min(self.max_bytes));
        RequestPart::plan(self.request.message(), self.sent, limits).ok().flatten()
    }

    /// Whether all spans are in new requests.
    pub(super) fn is_sent(&self) -> bool {
        self.tickets.spans() == 0
    }

    /// Takes the tickets of the next `spans` spans, which are in a new request.
    pub(super) fn take(&mut self, spans: u64) -> TicketGuard {
        self.sent += spans;
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::SplitLosesSpan) {
            self.sent += 1;
        }
        // Without an outcome of its own, a request may have reached the receiver.
        self.tickets.split(spans, DropReason::ExporterPanic)
    }
}

/// Refusals without an acceptance in between after which small requests are not split any more. More than those
/// on the way to a single span in each of 8 requests at once.
const MAX_IN_A_ROW: u32 = 128;
