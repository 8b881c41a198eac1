//! The requests to all endpoints, and the spans that wait for them.

use super::World;
use super::endpoints::Endpoint;
use crate::violation::{Checked, require};
use spanwise_export::sans_io::RequestId;
use spanwise_ledger::DropReason;

impl World {
    /// Whether there is one endpoint: then no request waits for its endpoint.
    pub(super) fn has_one_endpoint(&self) -> bool {
        self.endpoints.len() == 1
    }

    /// Whether the endpoint gets the span.
    pub(super) fn is_for(&self, endpoint: &Endpoint, id: u64) -> bool {
        let Some(routes) = &self.destinations[endpoint.destination].routes else { return true };
        let trace = self.spans.get(id).and_then(|span| usize::try_from(span.trace).ok());
        trace.and_then(|trace| routes.get(trace)) == Some(&endpoint.index)
    }

    /// Whether requests are in flight, or have ended and the exporter does not know it yet.
    pub(super) fn is_sending(&self) -> bool {
        !self.endpoints.iter().all(|it| it.sender.is_empty()) || !self.thread.ended.is_empty()
    }

    /// Requests to an endpoint that have no outcome in the ledger.
    pub(super) fn window(&self, endpoint: usize) -> usize {
        let ended = self.thread.ended.iter().filter(|ended| ended.id.endpoint() == endpoint);
        self.endpoints[endpoint].sender.len() + ended.count()
    }

    /// Requests to the transport of `id` that have no outcome in the ledger.
    pub(super) fn window_of(&self, id: RequestId) -> usize {
        let is_its =
            |of: RequestId| (of.endpoint(), of.generation()) == (id.endpoint(), id.generation());
        let ended = self.thread.ended.iter().filter(|ended| is_its(ended.id));
        self.endpoints[id.endpoint()].sender.requests(id.generation()).count() + ended.count()
    }

    /// The spans of each request to a destination without an outcome in the ledger.
    pub(super) fn requests(&self, destination: usize) -> Vec<Vec<u64>> {
        let is_its = |endpoint: usize| self.endpoints[endpoint].destination == destination;
        let ended = self.thread.ended.iter().filter(|ended| is_its(ended.id.endpoint()));
        let endpoints = self.endpoints.iter().filter(|it| it.destination == destination);
        let sent = endpoints.flat_map(|it| it.sender.spans()).map(<[u64]>::to_vec);
        sent.chain(ended.map(|ended| ended.spans.clone())).collect()
    }

    /// Forgets all requests: the exporter has booked their spans.
    pub(super) fn abort_requests(&mut self) {
        for endpoint in &mut self.endpoints {
            endpoint.sender.abort();
            endpoint.splits.clear();
        }
        self.thread.ended.clear();
    }

    /// Bytes of requests and of their compressed copies. Destinations share the bytes of requests.
    pub(super) fn request_bytes(&self) -> usize {
        let buffers = self.endpoints.iter().flat_map(|it| it.sender.buffers());
        let mut buffers: Vec<_> = buffers.map(<[u8]>::as_ptr_range).collect();
        buffers.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        let (mut bytes, mut end) = (0, std::ptr::null());
        for range in buffers {
            if range.end > end {
                bytes += range.end as usize - (range.start.max(end)) as usize;
                end = range.end;
            }
        }
        bytes
    }

    /// The exporter has booked spans that waited for their endpoint in requests of which the world has seen
    /// none.
    pub(super) fn book_unseen(&mut self) -> Checked {
        if self.has_one_endpoint() {
            return Ok(());
        }
        let is_closing = self.thread.machine.as_ref().is_none_or(|it| it.is_closing());
        let reasons = [
            (DropReason::QueueBytes, true),
            (DropReason::Transport, self.is_closed),
            (DropReason::ShutdownDeadline, is_closing),
        ];
        for (index, destination) in self.destinations.iter().enumerate() {
            let ledger = destination.ledger.snapshot();
            for (reason, _) in reasons.iter().filter(|(_, is_possible)| *is_possible) {
                let account = self.spans.account_mut(index);
                let lost = ledger.dropped(*reason).saturating_sub(account.dropped(*reason));
                if lost == 0 {
                    continue;
                }
                account.lose_unseen(*reason, lost);
                self.trace.line(
                    self.now,
                    format_args!("destination {index} loses {lost} waiting spans: {reason}"),
                );
                let waiting = self.spans.waiting(index).len() as u64;
                let unseen = self.spans.account(index).unseen_losses();
                require(unseen <= waiting, "only waiting spans are lost unseen", || {
                    format!("{unseen} of {waiting} for {reason}")
                })?;
                let mut endpoints = self.endpoints.iter().enumerate();
                let is_busy = *reason != DropReason::QueueBytes
                    || endpoints.any(|(lane, it)| it.destination == index && self.window(lane) > 0);
                require(is_busy, "a destination without requests has space for one", || {
                    format!("destination {index} loses {lost} spans")
                })?;
            }
        }
        Ok(())
    }
}
