//! A request in flight, and the outcomes of its spans that the specification allows.

use crate::answer::Meaning;
use crate::network::AttemptResult;
use crate::sender_event::{Ended, Stored};
use spanwise_export::sans_io::RequestId;
use spanwise_ledger::DropReason;
use spanwise_transport::FramedRequest;
use spanwise_transport::sans_io::{RequestBody, RequestMachine};
use std::time::{Duration, Instant};

/// A request in flight.
#[derive(Debug)]
pub struct InFlight {
    pub id: RequestId,
    pub spans: Vec<u64>,
    pub request: FramedRequest,
    pub body: RequestBody,
    /// Whether its first attempt sends a compressed body.
    pub was_compressed: bool,
    pub machine: RequestMachine,
    /// The time by which it has an outcome.
    pub deadline: Instant,
    /// The deadline that its machine has, whatever the clock does.
    pub until: Instant,
    pub state: State,
    /// The ends of its attempts, by the specification.
    pub history: Vec<Meaning>,
    /// The receiver may have its spans from an earlier request.
    pub was_ambiguous: bool,
    /// The attempt after which the receiver has its spans without any doubt of the sender's.
    pub is_stored: bool,
    /// The latest start of the next attempt.
    pub retry_by: Instant,
    /// The wait that the last response asked for.
    pub asked: Duration,
    /// Whether its spans are those of a request that was refused as too large.
    pub is_part: bool,
}

/// The state of a request.
#[derive(Debug)]
pub enum State {
    /// It waits for its next attempt.
    Waiting(Instant),
    /// An attempt is in flight.
    Attempting(AttemptResult),
    /// The request was cancelled; its task has not noticed yet, or never does.
    Cancelled(Option<Instant>, Box<Ended>),
}

impl InFlight {
    /// Whether the receiver may have the spans although no attempt was accepted.
    pub fn is_ambiguous(&self) -> bool {
        self.was_ambiguous || self.history.iter().any(|end| end.is_ambiguous())
    }

    /// Whether an attempt was refused for its encoding.
    pub fn fell_back(&self) -> bool {
        self.history.contains(&Meaning::RefusedEncoding)
    }

    /// Whether the last attempt is followed by another one, while there is time.
    pub fn may_retry(&self) -> bool {
        matches!(self.history.last(), None | Some(Meaning::Retry { .. } | Meaning::RefusedEncoding))
    }

    /// The memory of the request and of its body, which may be one.
    pub fn buffers(&self) -> [&[u8]; 2] {
        [self.request.message(), self.body.bytes()]
    }

    /// The number of spans that count as exported, and the reasons for which the others may count as lost.
    pub fn outcome(&self) -> (u64, Vec<DropReason>) {
        let ambiguous = self.is_ambiguous();
        let count = self.spans.len() as u64;
        match self.history.last() {
            Some(Meaning::Accepted { rejected }) => {
                let reason = match ambiguous {
                    true => DropReason::AmbiguousTimeout,
                    false => DropReason::PartialRejected,
                };
                (count - (*rejected).min(count), vec![reason])
            }
            Some(Meaning::Permanent { reason, is_ambiguous: true }) => (0, vec![*reason]),
            _ if ambiguous => (0, vec![DropReason::AmbiguousTimeout]),
            Some(Meaning::Permanent { reason, .. }) => (0, vec![*reason]),
            _ => {
                let mut reasons = vec![DropReason::RetryDeadline];
                let is_tls = |end: &Meaning| matches!(end, Meaning::Retry { is_tls: true, .. });
                reasons.extend(self.history.iter().any(is_tls).then_some(DropReason::Tls));
                (0, reasons)
            }
        }
    }

    /// The receiver stores the spans of the current attempt.
    pub fn take_stored(&mut self) -> Option<Stored> {
        let State::Attempting(result) = &mut self.state else { return None };
        let (_, count) = result.received.take()?;
        let may_repeat = result.meaning.is_ambiguous();
        self.is_stored = !may_repeat;
        let spans = self.spans.iter().copied().take(count as usize).collect();
        Some(Stored { spans, may_repeat })
    }
}

/// Whether the receiver has the whole request and has not stored it yet.
pub fn is_received(result: &AttemptResult, now: Instant) -> bool {
    result.received.is_some_and(|(at, spans)| at <= now && spans > 0)
}
