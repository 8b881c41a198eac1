//! The requests to one endpoint: those that wait, and those that were sent.

use crate::machine::action::RequestId;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::FramedRequest;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
    /// Bytes of the requests that are to be sent in parts.
    to_split: usize,
    /// The time at which a request ended last, or the first one was added to the idle lane.
    progress: Option<Instant>,
    /// The time since which requests have exceeded the share. `None` once the lane has caught up.
    full_since: Option<Instant>,
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
        let charged = self.bytes.saturating_add(self.to_split);
        (self.is_idle() && self.to_split == 0) || charged.saturating_add(bytes) <= share
    }

    /// Sets the bytes of the requests that are to be sent in parts.
    pub(super) fn set_to_split(&mut self, bytes: usize) {
        self.to_split = bytes;
    }

    /// The requests exceed the share at `now`. Returns until when spans wait for space, before they are lost
    /// for this endpoint: it is busy while requests end, and slow after that.
    pub(super) fn wait_until(&mut self, now: Instant) -> Instant {
        let full_since = *self.full_since.get_or_insert(now);
        let progress = self.progress.unwrap_or(full_since);
        (progress + MAX_WAIT_FOR_PROGRESS).min(full_since + MAX_WAIT)
    }

    pub(super) fn push(
        &mut self,
        now: Instant,
        id: RequestId,
        request: FramedRequest,
        bytes: usize,
    ) {
        if self.is_idle() {
            self.progress = Some(now);
        }
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

    /// A request that was charged for `bytes` bytes has ended at `now`.
    pub(super) fn ended(&mut self, now: Instant, bytes: usize, share: usize) {
        self.sent = self.sent.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.progress = Some(now);
        if self.is_idle() || self.bytes < share / 4 {
            self.full_since = None;
        }
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

/// The maximum time for which spans wait for an endpoint whose requests do not end.
const MAX_WAIT_FOR_PROGRESS: Duration = Duration::from_millis(500);
/// The maximum time for which spans wait for an endpoint until it has caught up: one that is always slower than
/// the others must not set their pace.
const MAX_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_in_the_order_in_which_they_came() {
        let mut lane = Lane::default();
        for number in 1..4 {
            let request = FramedRequest::from_message(b"message");
            lane.push(Instant::now(), RequestId { number, lane: 0, generation: 0 }, request, 1);
        }
        let sent = std::iter::from_fn(|| lane.pop(2)).map(|(id, _)| id.number);
        assert_eq!(sent.collect::<Vec<_>>(), [1, 2], "at most two are in flight");
    }

    #[test]
    fn an_idle_lane_accepts_a_request_that_exceeds_its_share() {
        let mut lane = Lane::default();
        assert!(lane.is_idle() && lane.accepts(100, 10));
        let (now, id) = (Instant::now(), RequestId { number: 1, lane: 0, generation: 0 });
        lane.push(now, id, FramedRequest::from_message(b"message"), 100);
        assert!(!lane.is_idle() && !lane.accepts(1, 10), "one waits");
        assert!(lane.pop(1).is_some());
        assert!(!lane.is_idle() && !lane.accepts(1, 10), "one is in flight");
        lane.ended(now, 100, 10);
        assert!(lane.is_idle() && lane.accepts(100, 10));
    }

    #[test]
    fn spans_wait_for_progress_and_not_for_an_endpoint_that_stays_behind() {
        let (mut lane, start) = (Lane::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let push = |lane: &mut Lane, millis| {
            let id = RequestId { number: millis, lane: 0, generation: 0 };
            lane.push(at(millis), id, FramedRequest::from_message(b"message"), 100);
        };
        push(&mut lane, 0);
        push(&mut lane, 10);
        assert_eq!(lane.wait_until(at(100)), at(500));
        for millis in (400..=2_000).step_by(400) {
            lane.pop(1);
            lane.ended(at(millis), 100, 200);
            push(&mut lane, millis);
            assert_eq!(lane.wait_until(at(millis)), at((millis + 500).min(2_100)));
        }
        // It has caught up.
        for _ in 0..2 {
            lane.pop(1);
            lane.ended(at(2_200), 100, 200);
        }
        push(&mut lane, 3_000);
        assert_eq!(lane.wait_until(at(3_100)), at(3_500));
    }
}
