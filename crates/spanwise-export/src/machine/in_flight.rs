//! Requests that were sent and have no outcome yet.

use crate::machine::action::RequestId;
use crate::ticket_guard::TicketGuard;
use spanwise_batch::Charge;
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::FramedRequest;
use std::collections::HashMap;
use std::time::Instant;

/// The tickets and the memory of one request.
#[derive(Debug)]
pub(super) struct InFlightRequest {
    pub(super) tickets: TicketGuard,
    /// The number of the first chunk whose spans are inside.
    pub(super) first_chunk: u64,
    /// Length of the request in bytes, and the time at which it was sent.
    pub(super) bytes: usize,
    pub(super) sent: Instant,
    /// The request itself, for its parts if it is refused as too large.
    pub(super) request: FramedRequest,
    /// It is a part of a refused request that the receiver may have.
    pub(super) is_ambiguous: bool,
    /// Memory besides the request itself: of its compressed copy.
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) charge: Option<Charge>,
}

/// The requests in flight, at most `max`.
///
/// Tickets stay here and not in the tasks that send: a task that panics loses no count.
#[derive(Debug)]
pub(super) struct InFlight {
    requests: HashMap<RequestId, InFlightRequest>,
    max: usize,
    next: u64,
}

impl InFlight {
    pub(super) fn new(max: usize) -> Self {
        Self { requests: HashMap::new(), max, next: 0 }
    }

    /// Replaces the maximum. Requests beyond it stay in flight.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::WindowOffByOne) {
            return self.requests.len() > self.max;
        }
        self.requests.len() >= self.max
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Spans in all requests.
    pub(super) fn spans(&self) -> u64 {
        self.requests.values().map(|request| request.tickets.spans()).sum()
    }

    pub(super) fn insert(&mut self, request: InFlightRequest) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        self.requests.insert(id, request);
        id
    }

    /// The request that ended; `None` for one that is not in flight.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<InFlightRequest> {
        self.requests.remove(&id)
    }

    /// All chunks below this number have their outcomes; those below `framed` are in requests.
    pub(super) fn settled_before(&self, framed: u64) -> u64 {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::EarlyFlush) {
            return framed;
        }
        self.requests.values().map(|request| request.first_chunk).min().unwrap_or(framed)
    }

    /// Books the spans of all requests as lost for `reason`.
    pub(super) fn drop_all(&mut self, reason: DropReason) {
        for (_, request) in self.requests.drain() {
            request.tickets.dropped(reason);
        }
    }
}
