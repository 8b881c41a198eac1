//! The requests to one endpoint: those that wait, and those that were sent.

use crate::machine::action::RequestId;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::FramedRequest;
use std::collections::VecDeque;

/// The requests to one endpoint.
///
/// Each lane has a share of the budget, which requests that wait or are in flight do not exceed. A lane
/// without one takes as many as may be in flight.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: VecDeque<(RequestId, FramedRequest)>,
    /// Requests in flight.
    sent: usize,
    /// Bytes charged for the requests that wait or are in flight.
    bytes: usize,
}

impl Lane {
    /// Whether no request waits or is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.sent == 0 && self.waiting.is_empty()
    }

    /// Whether a request could be sent at once, of at most `max` in flight.
    pub(super) fn is_ready(&self, max: usize) -> bool {
        self.sent < max && self.waiting.is_empty()
    }

    /// Whether there is space for a request that is charged for `bytes` bytes, within `share`.
    pub(super) fn accepts(&self, bytes: usize, share: usize) -> bool {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::EndpointShareIgnored) {
            return true;
        }
        self.is_idle() || self.bytes.saturating_add(bytes) <= share
    }

    pub(super) fn push(&mut self, id: RequestId, request: FramedRequest, bytes: usize) {
        self.bytes += bytes;
        self.waiting.push_back((id, request));
    }

    /// The next request to send, of at most `max` in flight.
    pub(super) fn pop(&mut self, max: usize) -> Option<(RequestId, FramedRequest)> {
        if self.sent >= max {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.sent += 1;
        Some(next)
    }

    /// A request that was charged for `bytes` bytes has ended.
    pub(super) fn ended(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Removes the requests that wait.
    pub(super) fn take_waiting(&mut self) -> impl Iterator<Item = RequestId> {
        self.waiting.drain(..).map(|(id, _)| id)
    }

    /// A request that was [taken](Self::take_waiting) was charged for `bytes` bytes.
    pub(super) fn removed(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_lane_accepts_a_request_that_exceeds_its_share() {
        let mut lane = Lane::default();
        assert!(lane.is_idle() && lane.accepts(100, 10));
        lane.push(RequestId { number: 1, lane: 0 }, FramedRequest::from_message(b"message"), 100);
        assert!(!lane.is_idle() && !lane.accepts(1, 10), "one waits");
        assert!(lane.pop(1).is_some());
        assert!(!lane.is_idle() && !lane.accepts(1, 10), "one is in flight");
        lane.ended(100);
        assert!(lane.is_idle() && lane.accepts(100, 10));
    }
}
