//! Requests made of the backlog, within the memory that the budget has.

use crate::machine::backlog::Backlog;
use crate::machine::batch::Batch;
use crate::machine::bodies::{Bodies, Taken, Target};
use crate::machine::in_flight::{InFlight, InFlightRequest};
use crate::machine::memory::{Charged, Memory, RequestMemory};
use crate::machine::patience::MayWait;
use crate::machine::refused::Refused;
use crate::machine::routes::Routes;
use crate::resource::SharedResource;
use crate::scopes::ScopeTable;
use crate::ticket_guard::TicketGuard;
use spanwise_batch::{BatchLimits, Charge, ChargedChunk};
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::{FramedRequest, PREFIX, Ring};
use spanwise_wire::{Framer, Plan, RequestLimits};
use std::sync::Arc;
use std::time::Instant;

/// Frames the chunks of the backlog as requests.
pub(super) struct Composer {
    pub(super) backlog: Backlog,
    pub(super) memory: Memory,
    pub(super) routes: Routes,
    limits: RequestLimits,
    /// The limits at which a request is complete; not above those of `limits`.
    batch: BatchLimits,
    resource: SharedResource,
    scopes: ScopeTable,
    /// Cached memory was freed for the next request.
    is_trimmed: bool,
    /// Cached memory was freed for spans that wait for a lane.
    is_trimmed_to_wait: bool,
}

/// The result of an attempt to make requests.
pub(super) enum Composed {
    /// Requests of the same spans, and the chunks whose spans are all in requests now.
    Requests(Vec<ComposedRequest>, Vec<ChargedChunk>),
    /// Only chunks without a span, to be reused.
    Nothing(Vec<ChargedChunk>),
    /// The chunks that are cached for reuse have to be freed first.
    TrimFirst,
    /// No memory.
    NoMemory,
    /// No lane could send the request at once, and one has no space for it.
    NoLane,
    /// A busy lane has no space for it: its spans may wait until then.
    LaneFull(Instant),
}

/// A request for one lane.
pub(super) struct ComposedRequest {
    pub(super) lane: usize,
    pub(super) bytes: FramedRequest,
    pub(super) request: InFlightRequest,
}

impl Composer {
    pub(super) fn new(
        backlog: Backlog,
        memory: Memory,
        routes: Routes,
        resource: SharedResource,
        scopes: ScopeTable,
    ) -> Self {
        let limits = RequestLimits::default().with_prefix(PREFIX);
        let batch = BatchLimits { spans: limits.max_spans, bytes: limits.max_bytes };
        Self {
            backlog,
            memory,
            routes,
            limits,
            batch,
            resource,
            scopes,
            is_trimmed: false,
            is_trimmed_to_wait: false,
        }
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

    /// Makes the next request of a refused one at `now`, for the same lane, whose endpoint accepts `max_bytes`
    /// bytes. `is_idle`: the lane has no
    /// request whose end would free memory.
    pub(super) fn next_part(
        &mut self,
        refused: &mut Refused,
        (lane, max_bytes): (usize, usize),
        now: Instant,
        is_idle: bool,
    ) -> Composed {
        let Some(front) = refused.front() else { return Composed::Nothing(Vec::new()) };
        let limits = self.limits.with_max_bytes(max_bytes.min(self.limits.max_bytes));
        let Some(mut part) = front.plan(limits) else {
            refused.pop();
            return Composed::Nothing(Vec::new());
        };
        let copies = self.routes.copies_of(std::iter::once(lane));
        // Half of a request is none of the usual length, whose JSON is in memory that is reused.
        let mut memory = self.memory.try_take(part.encoded_len(), copies, false);
        if memory.is_none() && !std::mem::replace(&mut self.is_trimmed, true) {
            self.memory.trim();
            return Composed::TrimFirst;
        }
        self.is_trimmed = false;
        if memory.is_none()
            && is_idle
            && let Some(smaller) =
                front.plan(limits.with_max_bytes(self.memory.affordable().min(limits.max_bytes)))
        {
            part = smaller;
            memory = self.memory.try_take(part.encoded_len(), copies, false);
        }
        let Some(Charged { request: mut memory, copies: charge, .. }) = memory else {
            return Composed::NoMemory;
        };
        let (bytes, spans) = (part.encoded_len(), part.spans());
        let request = part.write(memory.take());
        let (first_chunk, is_ambiguous) = (front.first_chunk, front.is_ambiguous);
        let is_replay = front.is_replay;
        let tickets = front.take(spans);
        if front.is_sent() {
            // Its memory is free for the next one.
            refused.pop();
        }
        let Ok(request) = FramedRequest::in_memory(request, |bytes| memory.share(bytes)) else {
            tickets.dropped(DropReason::Transport);
            return Composed::Nothing(Vec::new());
        };
        let in_flight = InFlightRequest {
            tickets,
            first_chunk,
            bytes,
            charged: self.memory.charge_of(bytes, copies, false),
            sent: now,
            request: request.clone(),
            is_ambiguous,
            is_replay,
            endpoint: None,
            charge: charge.map(Arc::new),
        };
        let part = ComposedRequest { lane, bytes: request, request: in_flight };
        Composed::Requests(vec![part], Vec::new())
    }

    /// Makes the next requests at `now`: one for all destinations that take all spans, and one for each
    /// endpoint of the others. `may_wait`: they may wait for an endpoint that has no space.
    pub(super) fn next_requests(
        &mut self,
        now: Instant,
        in_flight: &mut InFlight,
        may_wait: MayWait,
    ) -> Composed {
        let headers = self.scopes.headers();
        let scope = |index: u32| headers.get(index as usize).map_or(&[][..], |header| header);
        let (resource, limits) = (self.resource.get(), self.limits);
        // Grouped traces compress better by more than they cost; without compression they only cost.
        let groups_traces = self.routes.compress();
        let framer = |max_bytes| {
            Framer::new(&resource, scope, limits.with_max_bytes(max_bytes))
                .with_grouped_traces(groups_traces)
        };
        self.backlog.fill_batch(BatchLimits { bytes: self.complete_bytes(), ..self.batch });
        let Some(batch) = self.backlog.batch() else { return Composed::Nothing(Vec::new()) };
        let framing = framer(limits.max_bytes.min(self.memory.usual()));
        let Some(mut plan) = batch.plan(&framing) else {
            return Composed::Nothing(self.backlog.advance(None));
        };
        let is_large = batch.is_large();
        let endpoints = Endpoints { routes: &self.routes, memory: &self.memory };
        let mut bodies = endpoints.bodies(batch, &framing, &plan, in_flight);
        if !bodies.are_due(in_flight) {
            return Composed::NoLane;
        }
        let full = bodies.full_lanes();
        if !full.is_empty() && may_wait.has_time {
            if !may_wait.has_space && !std::mem::replace(&mut self.is_trimmed_to_wait, true) {
                self.memory.trim();
                return Composed::TrimFirst;
            }
            if may_wait.has_space
                && let Some(until) = in_flight.wait_for(&full, now)
            {
                return Composed::LaneFull(until);
            }
        }
        self.is_trimmed_to_wait = false;
        let mut taken = bodies.take(&self.memory, &plan, batch.bytes());
        if taken.is_none() && !std::mem::replace(&mut self.is_trimmed, true) {
            // Cached memory must not keep a request from being made.
            self.memory.trim();
            return Composed::TrimFirst;
        }
        self.is_trimmed = false;
        if taken.is_none() && in_flight.has_idle_lane() && !is_large {
            // No end of a request will free memory: as many spans as there is memory for.
            match batch.plan(&framer(self.memory.affordable())) {
                Some(smaller) => plan = smaller,
                None => return Composed::NoMemory,
            }
            bodies = endpoints.bodies(batch, &framing, &plan, in_flight);
            if !bodies.are_due(in_flight) {
                return Composed::NoLane;
            }
            taken = bodies.take(&self.memory, &plan, batch.bytes());
        }
        let Some(Taken { mut memory, json, mut charges }) = taken else {
            let bytes = bodies.charged(&plan) + batch.bytes();
            if is_large && bytes > self.memory.most_of_one_span() {
                // It was recorded for a transport that made fewer copies, and no end of a request will free
                // enough for those of this one.
                let lost = self.backlog.take_tickets(plan.spans(), DropReason::QueueBytes);
                lost.into_iter().for_each(|lost| lost.dropped(DropReason::QueueBytes));
                let _charge = self.backlog.advance_large(None, 0);
                return Composed::Nothing(Vec::new());
            }
            return Composed::NoMemory;
        };
        let written: Vec<_> = bodies
            .plans(&plan)
            .zip(&mut memory)
            .map(|(plan, memory)| batch.write(&framing, plan, memory.take()))
            .collect();
        let (spans, next, large_bytes) = (plan.spans(), plan.next(), bodies.charged(&plan));
        let targets = bodies.into_targets();
        let first_chunk = self.backlog.framed();
        let tickets = self.backlog.take_tickets(spans, DropReason::WorkerUnavailable);
        let framed = match is_large {
            true => {
                let more = charges.pop().flatten();
                charges = vec![self.backlog.advance_large(more, large_bytes)];
                Vec::new()
            }
            false => self.backlog.advance(next),
        };
        let Some(tickets) = tickets else { return Composed::Nothing(framed) };
        let requests = written.into_iter().zip(memory).map(|(request, memory)| {
            let bytes = request.message().len() + PREFIX;
            // Fails only if the request lost its prefix or its memory, which `write` rules out.
            let framed = FramedRequest::in_memory(request, |bytes| memory.share(bytes));
            (bytes, framed.ok())
        });
        let shared_by = |body| targets.iter().filter(|target| target.body == Some(body)).count();
        let json = json.into_iter().chain(std::iter::repeat_with(|| None));
        let requests = requests.zip(json).enumerate().map(|(body, ((bytes, request), json))| {
            (bytes, request.map(|request| SharedRequest::new(request, shared_by(body), json)))
        });
        let sharing = Sharing { requests: requests.collect(), charges: shared(charges) };
        Composed::Requests(sharing.compose(targets, tickets, first_chunk, now), framed)
    }
}

/// The lanes of all endpoints, and the memory for their requests.
struct Endpoints<'a> {
    routes: &'a Routes,
    memory: &'a Memory,
}

impl Endpoints<'_> {
    /// The bodies of the requests for a planned one.
    fn bodies<S, B>(
        &self,
        batch: &Batch,
        framer: &Framer<'_, S>,
        plan: &Plan<B>,
        in_flight: &InFlight,
    ) -> Bodies<B>
    where
        S: Fn(u32) -> B,
        B: AsRef<[u8]>,
    {
        let split = |ring: &Ring| batch.split(framer, plan, ring);
        let Self { routes, memory } = self;
        Bodies::new((routes, memory, in_flight), plan, batch.is_large(), split)
    }
}

/// The requests that lanes share, and the charges of their compressed copies.
struct Sharing {
    /// Each with its length in bytes.
    requests: Vec<(usize, Option<SharedRequest>)>,
    /// Of each request; one for all requests of a large span.
    charges: Vec<Option<Arc<Charge>>>,
}

/// A request that lanes share.
struct SharedRequest {
    /// For the parts of a refused request, which outlive the charge of the copies.
    own: FramedRequest,
    /// The same bytes. Its clones share the copies that transports make.
    sent: FramedRequest,
}

impl SharedRequest {
    /// A request that `lanes` lanes share, with memory for its JSON.
    fn new(own: FramedRequest, lanes: usize, json: Option<RequestMemory>) -> Self {
        let mut sent = own.clone();
        if let Some(mut json) = json {
            sent = sent.with_json_memory(json.take(), |bytes| json.share(bytes));
        }
        Self { own, sent: if lanes > 1 { sent.with_shared_bodies() } else { sent } }
    }
}

impl Sharing {
    /// The requests for `targets`, whose spans have `tickets`. Spans for a lane without space are lost.
    fn compose(
        &self,
        targets: Vec<Target>,
        tickets: TicketGuard,
        first_chunk: u64,
        now: Instant,
    ) -> Vec<ComposedRequest> {
        let mut tickets: Vec<_> = tickets.into_destinations().collect();
        let compose = |target: Target| {
            let tickets = tickets.get_mut(target.destination)?;
            let tickets = tickets.split(target.spans, DropReason::WorkerUnavailable);
            let Some(body) = target.body else {
                tickets.dropped(DropReason::QueueBytes);
                return None;
            };
            let Some((bytes, Some(request))) = self.requests.get(body) else {
                tickets.dropped(DropReason::Transport);
                return None;
            };
            let charge = self.charges.get(body).or(self.charges.last()).cloned().flatten();
            let Target { lane, charged, .. } = target;
            let (bytes, sent) = (*bytes, now);
            let in_flight = InFlightRequest {
                tickets,
                first_chunk,
                bytes,
                charged,
                sent,
                request: request.own.clone(),
                is_ambiguous: false,
                is_replay: false,
                endpoint: None,
                charge,
            };
            Some(ComposedRequest { lane, bytes: request.sent.clone(), request: in_flight })
        };
        targets.into_iter().filter_map(compose).collect()
    }
}

fn shared(charges: Vec<Option<Charge>>) -> Vec<Option<Arc<Charge>>> {
    charges.into_iter().map(|charge| charge.map(Arc::new)).collect()
}

/// A limit that every receiver accepts: the smallest one that `max_request_bytes` may have.
const LEAST_MAX_BYTES: usize = 64 << 10;
