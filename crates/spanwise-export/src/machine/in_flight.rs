//! Requests that have no outcome yet: those that wait for their endpoint, and those that were sent.

use crate::machine::action::RequestId;
use crate::machine::lane::Lane;
use crate::metrics::EndpointMetrics;
use crate::ticket_guard::TicketGuard;
use spanwise_batch::Charge;
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::FramedRequest;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// The tickets and the memory of one request.
#[derive(Debug)]
pub(super) struct InFlightRequest {
    pub(super) tickets: TicketGuard,
    /// The number of the first chunk whose spans are inside.
    pub(super) first_chunk: u64,
    /// Length of the request in bytes.
    pub(super) bytes: usize,
    /// Bytes charged for the request, which count against the share of its lane.
    pub(super) charged: usize,
    /// The time at which it was sent; before, that at which it was made.
    pub(super) sent: Instant,
    /// The request itself, for its parts if it is refused as too large.
    pub(super) request: FramedRequest,
    /// It is a part of a refused request that the receiver may have.
    pub(super) is_ambiguous: bool,
    /// Its spans are on disk too.
    pub(super) is_replay: bool,
    /// The endpoint that it is for.
    pub(super) endpoint: Option<Arc<EndpointMetrics>>,
    /// Memory besides the request itself: of its compressed copies.
    pub(super) charge: Option<Arc<Charge>>,
}

/// The requests without an outcome, each in the lane of its endpoint, of which at most `max` are in flight
/// in each lane.
///
/// Tickets stay here and not in the tasks that send: a task that panics loses no count.
#[derive(Debug)]
pub(super) struct InFlight {
    requests: HashMap<RequestId, InFlightRequest>,
    lanes: Vec<Lane>,
    /// The requests that were made before the transport of the first endpoint was replaced: those of each
    /// generation of it, the oldest first.
    retired: Vec<(u32, Lane)>,
    /// The generation of the first endpoint's transport.
    generation: u32,
    /// Bytes of requests that one lane may hold.
    share: usize,
    max: usize,
    next: u64,
    /// The next request to the first endpoint goes to the disk instead.
    is_diverted: bool,
    /// No request is being stored, whose end would free memory.
    is_disk_idle: bool,
    /// Of each lane.
    endpoints: Vec<Arc<EndpointMetrics>>,
}

impl InFlight {
    /// No requests in a lane for each of `endpoints`, each of which may hold `share` bytes.
    pub(super) fn new(endpoints: Vec<Arc<EndpointMetrics>>, share: usize, max: usize) -> Self {
        let lanes = endpoints.iter().map(|_| Lane::default()).collect();
        let retired = Vec::new();
        let requests = HashMap::new();
        Self {
            requests,
            lanes,
            retired,
            generation: 0,
            share,
            max,
            next: 0,
            is_diverted: false,
            is_disk_idle: false,
            endpoints,
        }
    }

    /// The transport of the first endpoint is replaced: later requests neither wait for those that there are, nor
    /// for the space of their share.
    pub(super) fn replace_transport(
        &mut self,
        endpoint: impl FnOnce(&EndpointMetrics) -> Arc<EndpointMetrics>,
    ) {
        if let Some(first) = self.endpoints.first_mut() {
            *first = endpoint(first);
        }
        if let Some(lane) = self.lanes.first_mut() {
            let lane = std::mem::take(lane);
            if !lane.is_idle() {
                self.retired.push((self.generation, lane));
            }
        }
        self.generation = self.generation.wrapping_add(1);
    }

    /// The generation of the first endpoint's transport.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The earlier generations of the first endpoint's transport that have requests.
    pub(super) fn retired(&self) -> impl Iterator<Item = u32> {
        self.retired.iter().map(|(generation, _)| *generation)
    }

    /// Whether a request is one to the present transport of its endpoint.
    pub(super) fn is_present(&self, id: RequestId) -> bool {
        id.lane != 0 || id.generation == self.generation
    }

    /// The lane of a request.
    fn lane_of(&mut self, id: RequestId) -> Option<&mut Lane> {
        match id.lane {
            0 if id.generation != self.generation => {
                let mut retired = self.retired.iter_mut();
                retired.find(|(generation, _)| *generation == id.generation).map(|(_, lane)| lane)
            }
            lane => self.lanes.get_mut(lane),
        }
    }

    /// Replaces the maximum. Requests beyond it stay in flight.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Sets whether the next request to the first endpoint goes to the disk instead, for which its lane needs no space.
    pub(super) fn set_diverted(&mut self, is_diverted: bool, is_disk_idle: bool) {
        (self.is_diverted, self.is_disk_idle) = (is_diverted, is_disk_idle);
    }

    /// Whether the next request to this lane goes to the disk.
    pub(super) fn is_diverted(&self, lane: usize) -> bool {
        lane == 0 && self.is_diverted
    }

    /// The counts of the endpoint of this lane.
    pub(super) fn endpoint(&self, lane: usize) -> Option<&Arc<EndpointMetrics>> {
        self.endpoints.get(lane)
    }

    /// Whether no lane could send another request at once, and none may go to the disk.
    pub(super) fn is_full(&self) -> bool {
        !self.is_diverted && !self.lanes.iter().any(|lane| lane.is_ready(self.max()))
    }

    /// Whether a lane, or the disk that its requests go to, has no request: the end of none would free memory for its next one.
    pub(super) fn has_idle_lane(&self) -> bool {
        (self.is_diverted && self.is_disk_idle) || self.lanes.iter().any(Lane::is_idle)
    }

    /// Whether this lane has no request.
    pub(super) fn is_idle(&self, lane: usize) -> bool {
        self.lanes.get(lane).is_some_and(Lane::is_idle)
    }

    /// Whether this lane has space for a request that is charged for `bytes` bytes.
    pub(super) fn accepts(&self, lane: usize, bytes: usize) -> bool {
        self.is_diverted(lane)
            || self.lanes.get(lane).is_some_and(|lane| lane.accepts(bytes, self.share))
    }

    /// Sets the bytes of the requests to each lane that are to be sent in parts.
    pub(super) fn set_to_split(&mut self, bytes: impl Iterator<Item = usize>) {
        self.lanes.iter_mut().zip(bytes).for_each(|(lane, bytes)| lane.set_to_split(bytes));
    }

    /// These lanes have no space for the next request at `now`. Returns until when its spans wait for one of
    /// them; `None`: for none any more.
    pub(super) fn wait_for(&mut self, full: &[usize], now: Instant) -> Option<Instant> {
        let lanes = self.lanes.iter_mut().enumerate().filter(|(lane, _)| full.contains(lane));
        // Of each lane, which notes the time.
        lanes.map(|(_, lane)| lane.wait_until(now)).max().filter(|until| now < *until)
    }

    /// Whether this lane could send a request at once, or the disk store it.
    pub(super) fn is_ready(&self, lane: usize) -> bool {
        self.is_diverted(lane) || self.has_slot(lane)
    }

    /// Whether this lane could send a request at once.
    pub(super) fn has_slot(&self, lane: usize) -> bool {
        self.lanes.get(lane).is_some_and(|lane| lane.is_ready(self.max()))
    }

    /// Whether a request has spans that are on disk too.
    pub(super) fn has_replay(&self) -> bool {
        self.requests.values().any(|request| request.is_replay)
    }

    /// Requests that wait or are in flight.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Spans in all requests.
    pub(super) fn spans(&self) -> u64 {
        self.requests.values().map(|request| request.tickets.spans()).sum()
    }

    /// Adds a request to a lane, where it waits until [`next_to_send`](Self::next_to_send) returns it.
    pub(super) fn insert(
        &mut self,
        lane: usize,
        bytes: FramedRequest,
        mut request: InFlightRequest,
    ) {
        request.endpoint = self.endpoints.get(lane).cloned();
        let generation = if lane == 0 { self.generation } else { 0 };
        let id = RequestId { number: self.next, lane, generation };
        self.next += 1;
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.push(request.sent, id, bytes, request.charged);
            self.requests.insert(id, request);
        }
    }

    /// The next request that may be sent, which counts as sent at `now`.
    pub(super) fn next_to_send(&mut self, now: Instant) -> Option<(RequestId, FramedRequest)> {
        let max = self.max();
        // Older spans first.
        let retired = self.retired.iter_mut().map(|(_, lane)| lane);
        let mut lanes = retired.chain(&mut self.lanes);
        let (id, request) = lanes.find_map(|lane| lane.pop(max))?;
        if let Some(sent) = self.requests.get_mut(&id) {
            sent.sent = now;
            if let Some(endpoint) = &sent.endpoint {
                sent.tickets.pass_to(endpoint);
            }
            // Without an outcome of its own, a request may have reached the receiver.
            sent.tickets.set_on_drop(DropReason::ExporterPanic);
        }
        Some((id, request))
    }

    fn max(&self) -> usize {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::WindowOffByOne) {
            return self.max + 1;
        }
        self.max
    }

    /// The request that ended at `now`; `None` for one that is not in flight.
    pub(super) fn remove(&mut self, id: RequestId, now: Instant) -> Option<InFlightRequest> {
        let request = self.requests.remove(&id)?;
        let share = self.share;
        if let Some(lane) = self.lane_of(id) {
            lane.ended(now, request.charged, share);
        }
        self.retired.retain(|(_, lane)| !lane.is_idle());
        Some(request)
    }

    /// All chunks below this number have their outcomes; those below `framed` are in requests.
    pub(super) fn settled_before(&self, framed: u64) -> u64 {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::EarlyFlush) {
            return framed;
        }
        let first = self.requests.values().map(|request| request.first_chunk).min();
        // Spans that are on disk too are in no chunk.
        first.map_or(framed, |first| first.min(framed))
    }

    /// Books the spans of all requests that were not sent as lost for `reason`.
    pub(super) fn drop_waiting(&mut self, reason: DropReason) {
        for lane in self.retired.iter_mut().map(|(_, lane)| lane).chain(&mut self.lanes) {
            let waiting: Vec<_> = lane.take_waiting().collect();
            for request in waiting.iter().filter_map(|id| self.requests.remove(id)) {
                lane.removed(request.charged);
                request.tickets.given_up(reason);
            }
        }
        self.retired.retain(|(_, lane)| !lane.is_idle());
    }

    /// Takes the requests to the first endpoint that were not sent.
    pub(super) fn take_waiting_of_first(&mut self) -> Vec<InFlightRequest> {
        let mut taken = Vec::new();
        let retired = self.retired.iter_mut().map(|(_, lane)| lane);
        for lane in retired.chain(self.lanes.first_mut()) {
            let waiting: Vec<_> = lane.take_waiting().collect();
            for request in waiting.iter().filter_map(|id| self.requests.remove(id)) {
                lane.removed(request.charged);
                taken.push(request);
            }
        }
        self.retired.retain(|(_, lane)| !lane.is_idle());
        taken
    }

    /// Takes all requests to the first endpoint. Those that were sent end without an outcome.
    pub(super) fn take_all_of_first(&mut self) -> Vec<InFlightRequest> {
        let mut taken: Vec<_> = self.requests.extract_if(|id, _| id.lane == 0).collect();
        taken.sort_by_key(|(id, _)| *id);
        self.lanes.iter_mut().take(1).for_each(|lane| *lane = Lane::default());
        self.retired.clear();
        taken.into_iter().map(|(_, request)| request).collect()
    }

    /// Books the spans of all requests as lost for `reason`.
    pub(super) fn drop_all(&mut self, reason: DropReason) {
        self.lanes.iter_mut().for_each(|lane| *lane = Lane::default());
        self.retired.clear();
        for (_, request) in self.requests.drain() {
            request.tickets.given_up(reason);
        }
    }
}
