//! The requests in flight: each is a production [`RequestMachine`] whose attempts the modelled network
//! ends.

use crate::answer::{Meaning, Throttled};
use crate::breaker::{BreakerModel, Health};
use crate::network::{Attempt, Fate, Network};
use crate::random::Random;
use crate::scenario::Scenario;
use crate::sender_event::{Ended, Refusal, SenderEvent, Stored};
use crate::violation::{Checked, require};
use spanwise_export::sans_io::RequestId;
use spanwise_ledger::DropReason;
use spanwise_transport::sans_io::{Admission, RequestMachine, RequestStep};
use spanwise_transport::{Delivery, FramedRequest, PREFIX};
use std::time::{Duration, Instant, SystemTime};

/// Sends requests in virtual time.
#[derive(Debug)]
pub struct Sender {
    scenario: Scenario,
    requests: Vec<InFlight>,
    admission: Admission,
    breaker: BreakerModel,
    /// The end of the throttle by the receiver's responses: no attempt may begin before.
    throttled_until: Option<Instant>,
    random: Random,
    /// Whether each response stated true counts.
    pub is_true: bool,
}

/// A request in flight.
#[derive(Debug)]
struct InFlight {
    id: RequestId,
    spans: Vec<u64>,
    request: FramedRequest,
    machine: RequestMachine,
    /// The time by which it has an outcome.
    deadline: Instant,
    /// The deadline that its machine has, whatever the clock does.
    until: Instant,
    state: State,
    /// The ends of its attempts, by the specification.
    history: Vec<Meaning>,
    /// The receiver may have its spans from an earlier request.
    was_ambiguous: bool,
    /// The attempt after which the receiver has its spans without any doubt of the sender's.
    is_stored: bool,
    /// The latest start of the next attempt.
    retry_by: Instant,
    /// The wait that the last response asked for.
    asked: Duration,
}

#[derive(Debug)]
enum State {
    Waiting(Instant),
    Attempting(Fate),
    /// The request was cancelled; its task has not noticed yet, or never does.
    Cancelled(Option<Instant>, Box<Ended>),
}

impl InFlight {
    /// Whether the receiver may have the spans although no attempt was accepted.
    fn is_ambiguous(&self) -> bool {
        self.was_ambiguous || self.history.iter().any(|end| end.is_ambiguous())
    }
}

impl Sender {
    /// A sender without requests.
    pub fn new(scenario: &Scenario, now: Instant, random: Random) -> Self {
        Self {
            scenario: scenario.clone(),
            requests: Vec::new(),
            admission: scenario.admission(),
            breaker: BreakerModel::new(scenario.breaker(), now),
            throttled_until: None,
            random,
            is_true: true,
        }
    }

    /// Begins to send `request`. `was_ambiguous`: the receiver may have its spans from an earlier request.
    pub fn send(
        &mut self,
        now: Instant,
        id: RequestId,
        request: FramedRequest,
        (spans, was_ambiguous): (Vec<u64>, bool),
    ) {
        let settings = self.scenario.request;
        self.requests.push(InFlight {
            id,
            spans,
            request,
            machine: RequestMachine::new(settings, now),
            deadline: now + settings.request_timeout,
            until: now + settings.request_timeout,
            state: State::Waiting(now),
            history: Vec::new(),
            was_ambiguous,
            is_stored: false,
            retry_by: now,
            asked: Duration::ZERO,
        });
    }

    /// Requests in flight.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request is in flight.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Spans in flight, by request.
    pub fn spans(&self) -> impl Iterator<Item = &[u64]> {
        self.requests.iter().map(|request| &*request.spans)
    }

    /// Bytes of all requests.
    pub fn bytes(&self) -> usize {
        self.requests.iter().map(|request| request.request.message().len()).sum()
    }

    /// The time of the next event.
    pub fn next_event(&self) -> Option<Instant> {
        let next = self.requests.iter().filter_map(|request| match &request.state {
            State::Waiting(at) => Some(*at),
            State::Attempting(fate) => Some(fate.ends_at),
            State::Cancelled(at, _) => *at,
        });
        next.min()
    }

    /// Processes one event that is due.
    ///
    /// # Errors
    /// A rule of the retries is broken.
    pub fn step(
        &mut self,
        now: Instant,
        wall: SystemTime,
        network: &mut Network,
    ) -> Checked<Option<SenderEvent>> {
        let is_due = |request: &InFlight| match &request.state {
            State::Waiting(at) => *at <= now,
            State::Attempting(fate) => fate.ends_at <= now,
            State::Cancelled(at, _) => at.is_some_and(|at| at <= now),
        };
        let Some(index) = self.requests.iter().position(is_due) else { return Ok(None) };
        let event = match &self.requests[index].state {
            State::Waiting(_) => self.poll(index, now, wall, network)?,
            State::Attempting(fate) if is_received(fate, now) => Some(self.store(index)?),
            State::Attempting(_) => Some(self.end_attempt(index, now, wall)?),
            State::Cancelled(..) => self.end_cancelled(index),
        };
        match event {
            // A wait that was extended is no event.
            None => self.step(now, wall, network),
            event => Ok(event),
        }
    }

    /// Cancels all requests: most tasks notice at once, some never.
    pub fn cancel(&mut self, now: Instant) -> Vec<Stored> {
        let mut stored = Vec::new();
        for request in &mut self.requests {
            self.breaker.ended(now, request.id, Health::Unknown);
            let mut is_sent = false;
            if let State::Attempting(fate) = &request.state {
                is_sent = fate.sent_at.is_some_and(|at| at <= now);
                if is_received(fate, now) {
                    stored.extend(take_stored(request));
                }
            }
            let is_ambiguous = is_sent || request.is_ambiguous();
            let reason = match is_ambiguous {
                true => DropReason::AmbiguousShutdown,
                false => DropReason::ShutdownDeadline,
            };
            let ended = Ended {
                id: request.id,
                spans: request.spans.clone(),
                delivery: Some(request.machine.cancelled(is_sent, &self.admission)),
                exported: 0,
                reasons: vec![reason],
                refused: None,
            };
            let at = (!self.random.one_in(4)).then(|| now + self.random.millis(0, 7));
            request.state = State::Cancelled(at, Box::new(ended));
        }
        stored
    }

    /// The clock jumped to `now`: until then, no task ran.
    pub fn excuse(&mut self, now: Instant) {
        self.breaker.excuse(now);
        for request in &mut self.requests {
            request.deadline = request.deadline.max(now);
            request.retry_by = request.retry_by.max(now);
        }
    }

    /// Forgets all requests: the exporter has booked their spans.
    pub fn abort(&mut self) {
        self.requests.clear();
    }

    fn poll(
        &mut self,
        index: usize,
        now: Instant,
        wall: SystemTime,
        network: &mut Network,
    ) -> Checked<Option<SenderEvent>> {
        let request = &mut self.requests[index];
        match request.machine.poll(now, &self.admission) {
            RequestStep::WaitUntil(at) => {
                require(at > now, "a wait ends later", || format!("{:?}", request.id))?;
                request.state = State::Waiting(at);
                Ok(None)
            }
            RequestStep::Attempt { until } => {
                self.check_attempt(index, now, until)?;
                self.breaker.began(now, self.requests[index].id)?;
                let request = &mut self.requests[index];
                let fate = network.attempt(Attempt {
                    now,
                    until,
                    bytes: request.request.message().len() as u64,
                    spans: request.spans.len() as u64,
                    wall,
                    protocol: self.scenario.protocol,
                });
                request.state = State::Attempting(fate);
                let number = request.history.len() as u32 + 1;
                Ok(Some(SenderEvent::Began(request.id, number)))
            }
            RequestStep::End(delivery) => Ok(Some(self.end(index, now, delivery)?)),
        }
    }

    fn check_attempt(&self, index: usize, now: Instant, until: Instant) -> Checked {
        let request = &self.requests[index];
        let last = request.history.last();
        let is_retry = last.is_none_or(|last| matches!(last, Meaning::Retry { .. }));
        require(is_retry, "no attempt follows a final response", || {
            format!("{:?} after {last:?}", request.id)
        })?;
        let is_held = self.throttled_until.is_some_and(|end| now < end);
        require(!is_held, "no attempt begins while the receiver throttles", || {
            format!("{:?}, {:?} early", request.id, self.throttled_until.map(|end| end - now))
        })?;
        let by = request.retry_by.max(self.throttled_until.unwrap_or(now));
        let by = by.max(self.breaker.latest().unwrap_or(now) + SLACK);
        require(now <= by, "a retry is not late", || {
            format!("{:?}, {:?} late", request.id, now - by)
        })?;
        let settings = self.scenario.request;
        let last = request.deadline.min(now + settings.attempt_timeout);
        require(until <= last && until > now, "an attempt ends within its timeouts", || {
            format!("{:?} ends {:?} late", request.id, until.saturating_duration_since(last))
        })
    }

    /// The receiver has the whole request of the current attempt.
    fn store(&mut self, index: usize) -> Checked<SenderEvent> {
        let request = &mut self.requests[index];
        let is_first = !request.is_stored;
        require(is_first, "no span is sent again after it was accepted", || {
            format!("{:?}", request.id)
        })?;
        let stored = take_stored(request).unwrap_or(Stored { spans: Vec::new(), may_repeat: true });
        Ok(SenderEvent::Stored(stored))
    }

    fn end_attempt(
        &mut self,
        index: usize,
        now: Instant,
        wall: SystemTime,
    ) -> Checked<SenderEvent> {
        let protocol = self.scenario.protocol;
        let request = &mut self.requests[index];
        let placeholder = State::Waiting(now);
        let State::Attempting(fate) = std::mem::replace(&mut request.state, placeholder) else {
            return Ok(SenderEvent::Began(request.id, 0));
        };
        request.history.push(fate.meaning);
        self.is_true &= fate.is_true;
        if self.random.one_in(300) {
            // The task that sends panics.
            return Ok(self.panic(index, now));
        }
        let random = self.random.draw();
        let request = &mut self.requests[index];
        let attempted = fate.end.classify(protocol, wall);
        let end = request.machine.attempt_ended(now, attempted, &self.admission, || random);
        let health = match fate.meaning {
            Meaning::Retry { .. } if now >= request.until => Health::Unknown,
            Meaning::Retry { .. } => Health::Failed,
            _ => Health::Healthy,
        };
        self.breaker.ended(now, request.id, health);
        let asked = match fate.meaning {
            Meaning::Retry { throttle: Throttled::For(wait), .. } => wait,
            Meaning::Retry { throttle: Throttled::Until(at), .. } => {
                at.duration_since(wall).unwrap_or_default()
            }
            _ => Duration::ZERO,
        };
        // A longer wait is cut, so that an attempt follows if there is time for it.
        request.asked = asked.min(self.scenario.max_throttle());
        if !request.asked.is_zero() {
            self.throttled_until = self.throttled_until.max(Some(now + request.asked));
        }
        let own = now + request.asked.max(self.scenario.retry_cap);
        request.retry_by = own.max(self.throttled_until.unwrap_or(now)) + SLACK;
        self.poll_waiting(now);
        let request = &mut self.requests[index];
        match end {
            Some(delivery) => self.end(index, now, delivery),
            None => Ok(SenderEvent::AttemptEnded(request.id, fate.meaning)),
        }
    }

    /// A request that has an outcome.
    fn end(&mut self, index: usize, now: Instant, delivery: Delivery) -> Checked<SenderEvent> {
        let request = self.requests.remove(index);
        require(now <= request.deadline, "a request ends within its timeout", || {
            format!("{:?}, {:?} late", request.id, now - request.deadline)
        })?;
        let ambiguous = request.is_ambiguous();
        let count = request.spans.len() as u64;
        let (exported, reasons) = match request.history.last() {
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
                reasons.extend(request.history.iter().any(is_tls).then_some(DropReason::Tls));
                (0, reasons)
            }
        };
        let attempts = delivery.attempts as usize;
        require(attempts == request.history.len(), "each attempt is counted", || {
            format!("{attempts}, not {}", request.history.len())
        })?;
        let left = request.deadline.saturating_duration_since(now);
        let needed = request.asked.max(self.scenario.retry_cap);
        let may_retry = matches!(request.history.last(), Some(Meaning::Retry { .. }));
        require(!may_retry || left <= needed, "a request is retried while there is time", || {
            format!("{:?} was given up {left:?} before its deadline", request.id)
        })?;
        let is_refused = matches!(
            request.history.last(),
            Some(Meaning::Permanent { reason: DropReason::TooLarge, .. })
        );
        let bytes = request.request.message().len() + PREFIX;
        Ok(SenderEvent::Ended(Ended {
            id: request.id,
            spans: request.spans,
            delivery: Some(delivery),
            exported,
            reasons,
            refused: is_refused.then_some(Refusal { bytes, is_ambiguous: ambiguous }),
        }))
    }

    fn end_cancelled(&mut self, index: usize) -> Option<SenderEvent> {
        match self.requests.remove(index).state {
            State::Cancelled(_, ended) => Some(SenderEvent::Ended(*ended)),
            _ => None,
        }
    }

    /// The circuit breaker may admit those that wait.
    fn poll_waiting(&mut self, now: Instant) {
        if !self.breaker.is_on() {
            return;
        }
        for request in &mut self.requests {
            if let State::Waiting(at) = &mut request.state {
                *at = now.min(*at);
            }
        }
    }

    fn panic(&mut self, index: usize, now: Instant) -> SenderEvent {
        let mut request = self.requests.remove(index);
        // The drop of its future cancels it.
        let _cancelled = request.machine.cancelled(true, &self.admission);
        self.breaker.ended(now, request.id, Health::Unknown);
        self.poll_waiting(now);
        SenderEvent::Ended(Ended {
            id: request.id,
            spans: request.spans,
            delivery: None,
            exported: 0,
            reasons: vec![DropReason::ExporterPanic],
            refused: None,
        })
    }
}

/// Whether the receiver has the whole request and has not stored it yet.
fn is_received(fate: &Fate, now: Instant) -> bool {
    fate.received.is_some_and(|(at, spans)| at <= now && spans > 0)
}

/// The receiver stores the spans of the current attempt.
fn take_stored(request: &mut InFlight) -> Option<Stored> {
    let State::Attempting(fate) = &mut request.state else { return None };
    let (_, count) = fate.received.take()?;
    let may_repeat = fate.meaning.is_ambiguous();
    request.is_stored = !may_repeat;
    let spans = request.spans.iter().copied().take(count as usize).collect();
    Some(Stored { spans, may_repeat })
}

/// The retry's own wait is drawn with fractions of a nanosecond.
const SLACK: Duration = Duration::from_micros(1);
