//! The network and the conditions of the receiver: how one attempt ends, and when.

use crate::answer::{Answer, Kind, Meaning};
use crate::attempt::Attempt;
use crate::random::Random;
use spanwise_ledger::DropReason;
use spanwise_transport::sans_io::{AttemptEnd, BodyEnd, Response};
use std::time::{Duration, Instant};

/// The condition of the network and the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkCondition {
    /// Each request is accepted within 50 ms.
    Healthy,
    /// Each request is accepted, within seconds.
    Slow,
    /// The receiver reads requests and never answers.
    Hung,
    /// Connections are refused.
    Refusing,
    /// Connections are never established.
    Unreachable,
    /// Connections are reset, at any byte of the request or of the response.
    Resetting,
    /// Responses come byte by byte.
    Dripping,
    /// The peer answers with bytes that are not HTTP.
    NotHttp,
    /// There is no TLS session.
    NoTls,
    /// Responses of this kind.
    Answering(Kind),
    /// Any of these, drawn for each attempt.
    Anything,
}

/// The network between the sender and the receiver.
#[derive(Debug)]
pub struct Network {
    conditions: [NetworkCondition; 2],
    /// The time between changes from one condition to the other and back; zero for none.
    flapping: Duration,
    since: Instant,
    /// The maximum bytes of a request that the receiver reads.
    max_bytes: Option<u64>,
    random: Random,
}

/// The end of one attempt, and the times of its parts.
#[derive(Debug)]
pub struct AttemptResult {
    /// The time at which the first byte of the request is sent. `None`: no byte is.
    pub sent_at: Option<Instant>,
    /// The time at which the receiver has the whole request, and the number of spans that it then stores.
    pub received: Option<(Instant, u64)>,
    /// The time of the end.
    pub ends_at: Instant,
    /// The end, as the transport would see it.
    pub end: AttemptEnd,
    /// The meaning of the end, by the specification.
    pub meaning: Meaning,
    /// Whether the counts in the response are true.
    pub is_true: bool,
}

impl Network {
    /// A healthy network, whose receiver reads requests of at most `max_bytes` bytes.
    pub fn new(now: Instant, max_bytes: Option<u64>, random: Random) -> Self {
        Self {
            conditions: [NetworkCondition::Healthy; 2],
            flapping: Duration::ZERO,
            since: now,
            max_bytes,
            random,
        }
    }

    /// Draws another condition, and perhaps a second one between which and the first the network flaps.
    pub fn change(&mut self, now: Instant) -> String {
        let other = condition(&mut self.random);
        self.conditions =
            [other, if self.random.one_in(3) { condition(&mut self.random) } else { other }];
        self.flapping = match self.conditions[0] == self.conditions[1] {
            true => Duration::ZERO,
            false => self.random.millis(20, 5_000),
        };
        self.since = now;
        match self.flapping {
            Duration::ZERO => format!("{other:?}"),
            every => format!("{other:?}, {:?} every {every:?}", self.conditions[1]),
        }
    }

    /// Becomes healthy, for good.
    pub fn heal(&mut self) {
        self.conditions = [NetworkCondition::Healthy; 2];
        self.flapping = Duration::ZERO;
    }

    /// Decides how an attempt ends.
    pub fn attempt(&mut self, attempt: Attempt) -> AttemptResult {
        let phase = attempt.now.saturating_duration_since(self.since).as_micros()
            / self.flapping.as_micros().max(1);
        let flapped = !self.flapping.is_zero() && phase % 2 == 1;
        let now_in = self.conditions[usize::from(flapped)];
        let condition =
            if now_in == NetworkCondition::Anything { concrete(&mut self.random) } else { now_in };
        let connected = attempt.now + self.random.millis(0, 8);
        let (end, meaning, at) = match condition {
            NetworkCondition::Refusing => (AttemptEnd::NotSent, Meaning::retry(false), connected),
            NetworkCondition::Unreachable => {
                (AttemptEnd::NotSent, Meaning::retry(false), attempt.until)
            }
            NetworkCondition::NoTls => (AttemptEnd::NoTls, NO_TLS, connected),
            _ => return self.exchange(condition, connected, attempt),
        };
        let (end, meaning) = match at < attempt.until {
            true => (end, meaning),
            false => (AttemptEnd::NotSent, Meaning::retry(false)),
        };
        let ends_at = at.min(attempt.until);
        AttemptResult { sent_at: None, received: None, ends_at, end, meaning, is_true: true }
    }

    /// An attempt that has a connection.
    fn exchange(
        &mut self,
        condition: NetworkCondition,
        connected: Instant,
        attempt: Attempt,
    ) -> AttemptResult {
        let random = &mut self.random;
        let kind = match condition {
            _ if self.max_bytes.is_some_and(|max| attempt.bytes > max) => Kind::TooLarge,
            NetworkCondition::Answering(kind) => kind,
            _ => Kind::Accept,
        };
        let spans = attempt.spans;
        let answer = Answer::draw(kind, &attempt, random);
        let received_at = connected + Duration::from_micros(1 + attempt.bytes / 100);
        let think = match condition {
            NetworkCondition::Slow => random.millis(10, 8_000),
            _ => random.millis(0, 40),
        };
        let head_at = received_at + think;
        let cut = (condition == NetworkCondition::Resetting)
            .then(|| Cut::draw(&answer, attempt.bytes, random));
        let body_at = match condition {
            NetworkCondition::Dripping => {
                head_at + Duration::from_millis(200) * answer.body.len().max(9) as u32
            }
            _ => head_at,
        };
        let received = (received_at, answer.stored);
        let timeline = Timeline { connected, head_at, body_at };
        let (end, meaning, ends_at, received) = match (condition, cut) {
            (NetworkCondition::Hung, _) => {
                let stored = spans * random.below(2);
                (AttemptEnd::Unanswered, LOST, attempt.until, Some((received_at, stored)))
            }
            (NetworkCondition::NotHttp, _) => {
                let stored = spans * random.below(2);
                (AttemptEnd::NotHttp, NOT_HTTP, head_at, Some((received_at, stored)))
            }
            (_, Some(Cut::Request)) => (AttemptEnd::Unanswered, LOST, received_at, None),
            (_, Some(Cut::Body(len))) if head_at < attempt.until => {
                let (end, meaning) = broken_off(&answer, len);
                (end, meaning, head_at, Some(received))
            }
            (_, Some(Cut::Head | Cut::Body(_))) => {
                (AttemptEnd::Unanswered, LOST, head_at, Some(received))
            }
            (_, None) => {
                let (end, meaning, at) = timeline.end(&answer, attempt.until);
                (end, meaning, at, Some(received))
            }
        };
        let mut result = AttemptResult {
            sent_at: Some(connected),
            received: received.filter(|(at, _)| *at <= attempt.until),
            ends_at,
            end,
            meaning,
            is_true: answer.is_true,
        };
        result.cut_off(attempt.until);
        result
    }
}

impl AttemptResult {
    /// Ends the attempt at its deadline, if it has not ended before.
    fn cut_off(&mut self, until: Instant) {
        if self.ends_at < until {
            return;
        }
        // At the deadline itself, the timer comes first.
        self.ends_at = until;
        let is_sent = self.sent_at.is_some_and(|at| at < until);
        if !is_sent {
            self.sent_at = None;
            self.received = None;
            (self.end, self.meaning) = (AttemptEnd::NotSent, Meaning::retry(false));
        } else if !matches!(self.end, AttemptEnd::Response(_)) {
            (self.end, self.meaning) = (AttemptEnd::Unanswered, LOST);
        }
    }
}

/// The times at which the parts of a response arrive.
struct Timeline {
    connected: Instant,
    head_at: Instant,
    body_at: Instant,
}

impl Timeline {
    /// The end of an attempt whose connection is not reset, its meaning and its time.
    fn end(&self, answer: &Answer, until: Instant) -> (AttemptEnd, Meaning, Instant) {
        if self.connected >= until || self.head_at >= until {
            return (AttemptEnd::Unanswered, LOST, until);
        }
        if self.body_at < until && is_success(answer) {
            return (response(answer, complete(answer)), answer.meaning, self.body_at);
        }
        if is_success(answer) {
            let (end, meaning) = broken_off(answer, 0);
            return (end, meaning, until);
        }
        // The status alone classifies a failure: its body is read for a second at most.
        let read_until = self.head_at + Duration::from_secs(1);
        let at = self.body_at.min(read_until).min(until);
        let (body, meaning) = match self.body_at < read_until.min(until) {
            true => (complete(answer), answer.meaning),
            false => (BodyEnd::Lost, answer.meaning_of_head()),
        };
        // Just before the deadline, or the cut at it would take the response away.
        (response(answer, body), meaning, at.min(until - Duration::from_nanos(1)))
    }
}

/// The place in the exchange at which a connection is reset.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// Within the request.
    Request,
    /// After the request, before the end of the response's headers.
    Head,
    /// After this number of bytes of the response's body.
    Body(usize),
}

impl Cut {
    /// Any byte of the request and of the response is as probable.
    fn draw(answer: &Answer, request: u64, random: &mut Random) -> Self {
        // Of a large request hardly any reset would leave the response in reach.
        let at = random.below(request.min(300) + HEAD_BYTES + answer.body.len() as u64 + 1);
        match at.checked_sub(request.min(300)) {
            None => Self::Request,
            Some(at) => match at.checked_sub(HEAD_BYTES) {
                None => Self::Head,
                Some(at) => Self::Body(at as usize),
            },
        }
    }
}

/// A response whose body ends after `len` bytes, without its trailers.
fn broken_off(answer: &Answer, len: usize) -> (AttemptEnd, Meaning) {
    let end = response(answer, BodyEnd::Lost);
    // A body of no byte is complete with the headers, in HTTP/1.1.
    let is_complete = len >= answer.body.len() && answer.trailers.is_empty();
    if is_complete {
        return (response(answer, complete(answer)), answer.meaning);
    }
    if is_success(answer) { (end, LOST) } else { (end, answer.meaning_of_head()) }
}

/// Whether the response states success before its body is read.
fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

fn complete(answer: &Answer) -> BodyEnd {
    match answer.body.len() {
        len if len > crate::answer::MAX_RESPONSE_BYTES => BodyEnd::TooLarge,
        _ => BodyEnd::Complete(answer.body.clone()),
    }
}

fn response(answer: &Answer, body: BodyEnd) -> AttemptEnd {
    let trailers = match body {
        BodyEnd::Complete(_) => answer.trailers.clone(),
        _ => Vec::new(),
    };
    AttemptEnd::Response(Response {
        status: answer.status,
        headers: answer.headers.clone(),
        body,
        trailers,
    })
}

fn condition(random: &mut Random) -> NetworkCondition {
    let other = concrete(random);
    random.pick(&[(3, NetworkCondition::Healthy), (4, NetworkCondition::Anything), (12, other)])
}

/// Any condition but `Anything`.
fn concrete(random: &mut Random) -> NetworkCondition {
    let kind = random.pick(&[
        (2, Kind::Accept),
        (3, Kind::Partial),
        (2, Kind::Lie),
        (1, Kind::Garbled),
        (1, Kind::Oversized),
        (4, Kind::Overloaded),
        (2, Kind::Gateway),
        (2, Kind::Reject),
        (1, Kind::TooLarge),
        (1, Kind::Redirect),
        (3, Kind::RefuseEncoding),
    ]);
    random.pick(&[
        (1, NetworkCondition::Healthy),
        (2, NetworkCondition::Slow),
        (2, NetworkCondition::Hung),
        (2, NetworkCondition::Refusing),
        (1, NetworkCondition::Unreachable),
        (3, NetworkCondition::Resetting),
        (1, NetworkCondition::Dripping),
        (1, NetworkCondition::NotHttp),
        (1, NetworkCondition::NoTls),
        (8, NetworkCondition::Answering(kind)),
    ])
}

/// Bytes of a response's status line and headers.
const HEAD_BYTES: u64 = 120;
/// No conclusive response came.
const LOST: Meaning = Meaning::retry(true);
const NOT_HTTP: Meaning =
    Meaning::Permanent { reason: DropReason::AmbiguousResponse, is_ambiguous: true };
const NO_TLS: Meaning =
    Meaning::Retry { is_ambiguous: false, is_tls: true, throttle: crate::answer::Throttled::No };
