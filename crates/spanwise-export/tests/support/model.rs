//! A transport that knows the outcome of every span: the oracle for the ledger.

use spanwise_export::sans_io::RequestId;
use spanwise_ledger::DropReason;
use spanwise_testkit::SplitMix64;
use spanwise_transport::{Delivery, Failure, FramedRequest, Outcome, ResponseStatus};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// Spans by id, from 1, and requests.
#[derive(Default)]
pub struct Model {
    pushed: u64,
    refused: u64,
    exported: u64,
    dropped: BTreeMap<DropReason, u64>,
    /// Spans that were in a request, each in one.
    sent: HashSet<u64>,
    /// Spans with an outcome.
    ended: HashSet<u64>,
    /// All spans up to this one have an outcome.
    ended_up_to: u64,
    requests: Vec<Request>,
    /// Spans of requests whose end was not reported yet.
    unreported: Vec<u64>,
    /// Spans of refused requests that are in no new request yet, in the order in which they are sent.
    refused_requests: VecDeque<Vec<u64>>,
    /// Spans that the receiver may have from a refused request.
    ambiguous: HashSet<u64>,
}

struct Request {
    id: RequestId,
    spans: Vec<u64>,
    request: Option<FramedRequest>,
    ends_at: Option<Instant>,
    ending: Ending,
}

/// How a request ends.
#[derive(Debug, Clone)]
pub struct Ending {
    /// `None`: the task that sends it panics.
    pub outcome: Option<Outcome>,
    pub attempts: u32,
    pub ambiguous_attempts: u32,
    /// The reason for which its spans are lost, those that are; from the ledger's documentation.
    reason: DropReason,
    rejected: u64,
}

impl Model {
    pub fn next_id(&self) -> u64 {
        self.pushed + 1
    }

    pub fn pushed(&mut self, id: u64, refused: u64) {
        assert_eq!(id, self.pushed + 1);
        assert!(refused <= 1, "a span has one outcome");
        self.pushed += 1;
        self.refused += refused;
        if refused > 0 {
            self.ended.insert(id);
        }
    }

    pub fn pushed_so_far(&self) -> u64 {
        self.pushed
    }

    pub fn exported(&self) -> u64 {
        self.exported
    }

    pub fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> {
        self.dropped.iter().map(|(reason, spans)| (*reason, *spans))
    }

    pub fn dropped_total(&self) -> u64 {
        self.refused + self.dropped.values().sum::<u64>()
    }

    /// Spans without an outcome.
    pub fn unsettled(&self) -> u64 {
        self.pushed - self.exported - self.dropped_total()
    }

    pub fn lost(&mut self, reason: DropReason, spans: u64) {
        *self.dropped.entry(reason).or_default() += spans;
    }

    /// A policy dropped spans that were in no request.
    pub fn dropped_by_policy(&mut self, reason: DropReason, spans: &[u64]) {
        for span in spans {
            assert!(!self.sent.contains(span), "a span that was dropped is not sent");
            assert!(self.ended.insert(*span), "a span is dropped once");
            self.lost(reason, 1);
        }
    }

    /// Spans that were refused count under `reason`.
    pub fn move_refused(&mut self, reason: DropReason, spans: u64) {
        self.refused -= spans;
        self.lost(reason, spans);
    }

    pub fn all_ended(&mut self, up_to: u64) -> bool {
        while self.ended.contains(&(self.ended_up_to + 1)) {
            self.ended_up_to += 1;
        }
        self.ended_up_to >= up_to
    }

    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    pub fn spans_in_flight(&self) -> u64 {
        self.requests.iter().map(|request| request.spans.len() as u64).sum()
    }

    pub fn bytes_in_flight(&self) -> usize {
        let requests = self.requests.iter().filter_map(|request| request.request.as_ref());
        requests.map(|request| request.message().len()).sum()
    }

    pub fn forget_requests(&mut self) {
        self.requests.clear();
    }

    pub fn sent(&mut self, now: Instant, id: RequestId, request: FramedRequest, moods: &mut Moods) {
        let decoded = spanwise_testkit::decode(request.message());
        let spans: Vec<u64> = spanwise_testkit::spans(&decoded)
            .map(|span| u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap()))
            .collect();
        assert!(!spans.is_empty());
        if let Some(refused) = self.refused_requests.front_mut() {
            assert!(refused.starts_with(&spans), "the spans of a refused request come first");
            refused.drain(..spans.len());
        }
        self.refused_requests.retain(|refused| !refused.is_empty());
        let was_ambiguous = spans.iter().any(|span| self.ambiguous.contains(span));
        for span in &spans {
            assert!(self.sent.insert(*span), "a span is sent once");
            assert!(!self.ended.contains(span), "a span with an outcome is not sent");
        }
        let (ending, after) = moods.ending(spans.len() as u64, was_ambiguous);
        let ends_at = after.map(|after| now + after);
        self.requests.push(Request { id, spans, request: Some(request), ends_at, ending });
    }

    /// Most requests end soon after they are cancelled, some never.
    pub fn cancel(&mut self, now: Instant, moods: &mut Moods) {
        for request in &mut self.requests {
            request.ends_at = (!moods.one_in(4)).then(|| now + moods.millis(8));
            let ambiguous = u32::from(moods.one_in(2));
            let was_ambiguous = request.spans.iter().any(|span| self.ambiguous.contains(span));
            request.ending = Ending {
                outcome: Some(Outcome::Failed(Failure::Shutdown)),
                attempts: 1,
                ambiguous_attempts: ambiguous,
                reason: match ambiguous > 0 || was_ambiguous {
                    false => DropReason::ShutdownDeadline,
                    true => DropReason::AmbiguousShutdown,
                },
                rejected: request.spans.len() as u64,
            };
        }
    }

    /// Requests without an answer are answered.
    pub fn recover(&mut self, now: Instant) {
        for request in &mut self.requests {
            request.ends_at = Some(request.ends_at.map_or(now, |at| at.min(now)));
        }
    }

    pub fn next_end(&self) -> Option<Instant> {
        self.requests.iter().filter_map(|request| request.ends_at).min()
    }

    /// A request that ends by `now`; its outcome counts from here on.
    pub fn pop_ended(&mut self, now: Instant) -> Option<(RequestId, Option<Delivery>)> {
        let is_due = |request: &Request| request.ends_at.is_some_and(|at| at <= now);
        let index = self.requests.iter().position(is_due)?;
        let Request { id, spans, ending, .. } = self.requests.remove(index);
        if ending.outcome == Some(Outcome::Failed(Failure::TooLarge)) && spans.len() > 1 {
            // They are sent again.
            self.sent.retain(|span| !spans.contains(span));
            if ending.ambiguous_attempts > 0 {
                self.ambiguous.extend(&spans);
            }
            self.refused_requests.push_front(spans);
            return Some((id, ending.delivery()));
        }
        let rejected = ending.rejected.min(spans.len() as u64);
        self.exported += spans.len() as u64 - rejected;
        if rejected > 0 {
            self.lost(ending.reason, rejected);
        }
        self.unreported.push(spans.len() as u64);
        self.ended.extend(spans);
        Some((id, ending.delivery()))
    }

    /// Spans without an outcome that the receiver may have from a refused request, and that are in no other.
    pub fn ambiguous_waiting(&self) -> u64 {
        let waiting = self.refused_requests.iter().flatten();
        waiting.filter(|span| self.ambiguous.contains(span)).count() as u64
    }

    /// The exporter gave up the last of the refused requests, for lack of memory.
    fn given_up(&mut self, spans: u64) {
        assert!(self.requests.is_empty(), "no request will end and free memory");
        let given_up = self.refused_requests.pop_back().unwrap();
        assert_eq!(given_up.len() as u64, spans);
        for span in &given_up {
            let reason = match self.ambiguous.contains(span) {
                true => DropReason::AmbiguousTimeout,
                false => DropReason::TooLarge,
            };
            self.lost(reason, 1);
        }
        self.ended.extend(given_up);
    }

    pub fn reported(&mut self, spans: u64, delivery: Option<Delivery>) {
        if self.unreported.is_empty() {
            return self.given_up(spans);
        }
        assert_eq!(self.unreported.remove(0), spans);
        assert!(delivery.is_none_or(|delivery| delivery.attempts > 0));
    }
}

/// The moods of the receiver, from a seed.
pub struct Moods {
    random: SplitMix64,
    pub is_healthy: bool,
}

impl Moods {
    pub fn new(seed: u64) -> Self {
        Self { random: SplitMix64::new(seed), is_healthy: false }
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.draw().is_multiple_of(count)
    }

    pub fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.draw() % below)
    }

    /// The ending of a request of `spans` spans, and the time until it; `None` is never.
    fn ending(&mut self, spans: u64, was_ambiguous: bool) -> (Ending, Option<Duration>) {
        let ambiguous = u32::from(self.one_in(3));
        let accepted = |rejected| Some(Outcome::Accepted { rejected, message: None });
        let failed = |failure| Some(Outcome::Failed(failure));
        let partial = self.draw() % (spans + 3);
        let (outcome, reason, rejected) = match self.draw() % 12 {
            0 => (failed(Failure::TooLarge), DropReason::TooLarge, spans),
            1 => {
                let status = ResponseStatus::Http(400);
                (failed(Failure::Rejected { status }), DropReason::Rejected, spans)
            }
            2 => {
                let last = Some(ResponseStatus::Http(503));
                (failed(Failure::RetryDeadline { last }), DropReason::RetryDeadline, spans)
            }
            3 => (accepted(partial), DropReason::PartialRejected, partial),
            4 => (None, DropReason::ExporterPanic, spans),
            5 => (failed(Failure::SinkPanicked), DropReason::ExporterPanic, spans),
            6 => (failed(Failure::Tls), DropReason::Tls, spans),
            _ => (accepted(0), DropReason::PartialRejected, 0),
        };
        // An attempt without an answer may have been accepted.
        let reason = match reason {
            DropReason::ExporterPanic => reason,
            _ if ambiguous > 0 || was_ambiguous => DropReason::AmbiguousTimeout,
            _ => reason,
        };
        let attempts = 1 + ambiguous;
        let ending = Ending { outcome, attempts, ambiguous_attempts: ambiguous, reason, rejected };
        let after = match self.draw() % 8 {
            0 if !self.is_healthy => None,
            1 | 2 if !self.is_healthy => Some(self.millis(5_000)),
            3 => Some(Duration::ZERO),
            _ => Some(self.millis(50)),
        };
        (ending, after)
    }

    fn draw(&mut self) -> u64 {
        self.random.next_u64()
    }
}
