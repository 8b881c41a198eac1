//! Requests made of the backlog, within the memory that the budget has.

use crate::machine::backlog::Backlog;
use crate::machine::in_flight::InFlightRequest;
use crate::machine::memory::Memory;
use crate::machine::refused::Refused;
use crate::resource::SharedResource;
use crate::scopes::ScopeTable;
use spanwise_batch::{BatchLimits, ChargedChunk};
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::{FramedRequest, PREFIX};
use spanwise_wire::{Framer, RequestLimits};
use std::time::Instant;

/// Frames the chunks of the backlog as requests.
pub(super) struct Composer {
    pub(super) backlog: Backlog,
    pub(super) memory: Memory,
    limits: RequestLimits,
    /// The limits at which a request is complete; not above those of `limits`.
    batch: BatchLimits,
    resource: SharedResource,
    scopes: ScopeTable,
    /// Cached memory was freed for the next request.
    is_trimmed: bool,
}

/// The result of an attempt to make a request.
pub(super) enum Composed {
    /// A request, and the chunks whose spans are all in requests now.
    Request(FramedRequest, InFlightRequest, Vec<ChargedChunk>),
    /// Only chunks without a span, to be reused.
    Nothing(Vec<ChargedChunk>),
    /// The chunks that are cached for reuse have to be freed first.
    TrimFirst,
    /// No memory.
    NoMemory,
}

impl Composer {
    pub(super) fn new(
        backlog: Backlog,
        memory: Memory,
        resource: SharedResource,
        scopes: ScopeTable,
    ) -> Self {
        let limits = RequestLimits::default().with_prefix(PREFIX);
        let batch = BatchLimits { spans: limits.max_spans, bytes: limits.max_bytes };
        Self { backlog, memory, limits, batch, resource, scopes, is_trimmed: false }
    }

    /// Sets the limits of a request, and those at which it is complete.
    pub(super) fn set_limits(&mut self, most: BatchLimits, batch: BatchLimits) {
        #[cfg(feature = "planted-bugs")]
        let most = BatchLimits {
            spans: most.spans + usize::from(planted(Bug::RequestCutOffByOne)),
            ..most
        };
        self.limits = self.limits.with_max_bytes(most.bytes).with_max_spans(most.spans);
        self.batch = batch.min(most);
    }

    /// The most bytes of an encoded resource.
    pub(super) fn max_resource_bytes(&self) -> usize {
        self.resource.max_bytes()
    }

    /// Bytes of spans that complete a request.
    pub(super) fn complete_bytes(&self) -> usize {
        self.most_span_bytes().min(self.batch.bytes)
    }

    /// Bytes of spans that fit a request. An eighth of its memory is left for the headers of scopes.
    fn most_span_bytes(&self) -> usize {
        let bytes = self.limits.max_bytes.min(self.memory.usual());
        bytes - bytes / 8
    }

    /// The smallest limit of a request that the receiver's refusals lead to.
    pub(super) fn least_max_bytes(&self) -> usize {
        // A resource takes at most an eighth of a request.
        (8 * self.max_resource_bytes()).max(LEAST_MAX_BYTES)
    }

    /// Makes the next request of a refused one at `now`. `is_only` as for [`next_request`](Self::next_request).
    pub(super) fn next_part(
        &mut self,
        refused: &mut Refused,
        now: Instant,
        is_only: bool,
    ) -> Composed {
        let Some(front) = refused.front() else { return Composed::Nothing(Vec::new()) };
        let Some(mut part) = front.plan(self.limits) else {
            refused.pop();
            return Composed::Nothing(Vec::new());
        };
        let mut memory = self.memory.try_take(part.encoded_len());
        if memory.is_none() && !std::mem::replace(&mut self.is_trimmed, true) {
            self.memory.trim();
            return Composed::TrimFirst;
        }
        self.is_trimmed = false;
        if memory.is_none()
            && is_only
            && let Some(smaller) = front.plan(self.limits.with_max_bytes(self.memory.affordable()))
        {
            part = smaller;
            memory = self.memory.try_take(part.encoded_len());
        }
        let Some((mut memory, charge)) = memory else { return Composed::NoMemory };
        let (bytes, spans) = (part.encoded_len(), part.spans());
        let request = part.write(memory.take());
        let (first_chunk, is_ambiguous) = (front.first_chunk, front.is_ambiguous);
        let tickets = front.take(spans);
        if front.is_sent() {
            // Its memory is free for the next one.
            refused.pop();
        }
        match FramedRequest::in_memory(request, |bytes| memory.share(bytes)) {
            Ok(request) => {
                let in_flight = InFlightRequest {
                    request: request.clone(),
                    tickets,
                    first_chunk,
                    bytes,
                    sent: now,
                    charge,
                    is_ambiguous,
                };
                Composed::Request(request, in_flight, Vec::new())
            }
            Err(_) => {
                tickets.dropped(DropReason::Transport);
                Composed::Nothing(Vec::new())
            }
        }
    }

    /// Makes the next request at `now`. `is_only`: no request is in flight whose end would free memory.
    pub(super) fn next_request(&mut self, now: Instant, is_only: bool) -> Composed {
        let headers = self.scopes.headers();
        let scope = |index: u32| headers.get(index as usize).map_or(&[][..], |header| header);
        let (resource, limits) = (self.resource.get(), self.limits);
        let framer = |max_bytes| Framer::new(&resource, scope, limits.with_max_bytes(max_bytes));
        self.backlog.fill_batch(BatchLimits { bytes: self.complete_bytes(), ..self.batch });
        let Some(batch) = self.backlog.batch() else { return Composed::Nothing(Vec::new()) };
        let framing = framer(limits.max_bytes.min(self.memory.usual()));
        let Some(mut plan) = batch.plan(&framing) else {
            return Composed::Nothing(self.backlog.advance(None));
        };
        let is_large = batch.is_large();
        let mut memory = match is_large {
            true => self.memory.try_take_large(plan.encoded_len(), batch.bytes()),
            false => self.memory.try_take(plan.encoded_len()),
        };
        if memory.is_none() && !std::mem::replace(&mut self.is_trimmed, true) {
            // Cached memory must not keep a request from being made.
            self.memory.trim();
            return Composed::TrimFirst;
        }
        self.is_trimmed = false;
        if memory.is_none() && is_only && !is_large {
            // No end of a request will free memory: as many spans as there is memory for.
            match batch.plan(&framer(self.memory.affordable())) {
                Some(smaller) => plan = smaller,
                None => return Composed::NoMemory,
            }
            memory = self.memory.try_take(plan.encoded_len());
        }
        let Some((mut memory, mut charge)) = memory else { return Composed::NoMemory };
        let bytes = plan.encoded_len();
        let request = batch.write(&framing, &plan, memory.take());
        let first_chunk = self.backlog.framed();
        // Without an outcome of its own, a request may have reached the receiver.
        let tickets = self.backlog.take_tickets(plan.spans(), DropReason::ExporterPanic);
        let framed = match is_large {
            true => {
                let bytes = self.memory.copies() * plan.encoded_len();
                charge = self.backlog.advance_large(charge, bytes);
                Vec::new()
            }
            false => self.backlog.advance(plan.next()),
        };
        let Some(tickets) = tickets else { return Composed::Nothing(framed) };
        // Fails only if the request lost its prefix or its memory, which `write` rules out.
        match FramedRequest::in_memory(request, |bytes| memory.share(bytes)) {
            Ok(request) => {
                let (sent, is_ambiguous) = (now, false);
                let in_flight = InFlightRequest {
                    request: request.clone(),
                    tickets,
                    first_chunk,
                    bytes,
                    sent,
                    charge,
                    is_ambiguous,
                };
                Composed::Request(request, in_flight, framed)
            }
            Err(_) => {
                tickets.dropped(DropReason::Transport);
                Composed::Nothing(framed)
            }
        }
    }
}

/// A limit that every receiver accepts: the smallest one that `max_request_bytes` may have.
const LEAST_MAX_BYTES: usize = 64 << 10;
