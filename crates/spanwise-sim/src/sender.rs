//! The requests in flight: each is a production [`RequestMachine`] whose attempts the modelled network
//! ends.

use crate::answer::{Meaning, Throttled};
use crate::attempt::Attempt;
use crate::breaker::{BreakerModel, Health};
use crate::endpoint_settings::EndpointSettings;
use crate::in_flight::{InFlight, State, is_received};
use crate::network::Network;
use crate::random::Random;
use crate::sender_event::{Ended, Refusal, SenderEvent, SentSpans, Stored};
use crate::violation::{Checked, Violation, require};
use flate2::read::GzDecoder;
use spanwise_export::sans_io::RequestId;
use spanwise_ledger::DropReason;
use spanwise_transport::sans_io::{Admission, RequestBody, RequestStep};
use spanwise_transport::{Delivery, FramedRequest, PREFIX, Protocol, Transport};
use std::io::Read;
use std::time::{Duration, Instant, SystemTime};

/// Sends requests in virtual time.
#[derive(Debug)]
pub struct Sender {
    settings: EndpointSettings,
    pub(crate) transport: Transport,
    requests: Vec<InFlight>,
    admission: Admission,
    breaker: BreakerModel,
    /// The end of the throttle by the receiver's responses: no attempt may begin before.
    throttled_until: Option<Instant>,
    /// The receiver accepted a request after it had refused its encoding.
    is_encoding_refused: bool,
    random: Random,
    /// Whether each response stated true counts.
    pub is_true: bool,
}

impl Sender {
    /// A sender without requests.
    pub fn new(
        settings: &EndpointSettings,
        transport: Transport,
        now: Instant,
        random: Random,
    ) -> Self {
        Self {
            settings: settings.clone(),
            transport,
            requests: Vec::new(),
            admission: settings.admission(),
            breaker: BreakerModel::new(settings.breaker(), now),
            throttled_until: None,
            is_encoding_refused: false,
            random,
            is_true: true,
        }
    }

    /// Begins to send `request`.
    ///
    /// # Errors
    /// A rule of its body is broken.
    pub fn send(
        &mut self,
        now: Instant,
        id: RequestId,
        request: FramedRequest,
        sent: SentSpans,
    ) -> Checked {
        let settings = self.settings.request;
        let body = RequestBody::new(&self.transport, request.clone());
        let body = body.map_err(|failure| Violation {
            rule: "a request can be sent",
            details: failure.to_string(),
        })?;
        let was_compressed = body.is_compressed();
        let rule = "no request is compressed after the receiver refused it";
        require(!was_compressed || !self.is_encoding_refused, rule, || format!("{id:?}"))?;
        // Each compressed byte costs more than all else in a world.
        if !was_compressed || self.random.one_in(8) {
            check_body(&body, request.message(), self.settings.protocol)?;
        }
        let SentSpans { spans, was_ambiguous, is_part } = sent;
        self.requests.push(InFlight {
            id,
            spans,
            machine: body.machine(settings, now),
            request,
            body,
            was_compressed,
            deadline: now + settings.request_timeout,
            until: now + settings.request_timeout,
            state: State::Waiting(now),
            history: Vec::new(),
            was_ambiguous,
            is_stored: false,
            retry_by: now,
            asked: Duration::ZERO,
            is_part,
        });
        Ok(())
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

    /// The memory of all requests and their bodies.
    pub fn buffers(&self) -> impl Iterator<Item = &[u8]> {
        self.requests.iter().flat_map(InFlight::buffers)
    }

    /// The requests of this generation.
    pub fn requests(&self, generation: u32) -> impl Iterator<Item = &InFlight> {
        self.requests.iter().filter(move |request| request.id.generation() == generation)
    }

    /// The time of the next event.
    pub fn next_event(&self) -> Option<Instant> {
        let next = self.requests.iter().filter_map(|request| match &request.state {
            State::Waiting(at) => Some(*at),
            State::Attempting(result) => Some(result.ends_at),
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
            State::Attempting(result) => result.ends_at <= now,
            State::Cancelled(at, _) => at.is_some_and(|at| at <= now),
        };
        let Some(index) = self.requests.iter().position(is_due) else { return Ok(None) };
        let event = match &self.requests[index].state {
            State::Waiting(_) => self.poll(index, now, wall, network)?,
            State::Attempting(result) if is_received(result, now) => Some(self.store(index)?),
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
            if let State::Attempting(result) = &request.state {
                is_sent = result.sent_at.is_some_and(|at| at <= now);
                if is_received(result, now) {
                    stored.extend(request.take_stored());
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
                bytes: request.request.message().len() + PREFIX,
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
                let result = network.attempt(Attempt {
                    now,
                    until,
                    bytes: request.request.message().len() as u64,
                    spans: request.spans.len() as u64,
                    is_compressed: request.body.is_compressed(),
                    wall,
                    protocol: self.settings.protocol,
                });
                request.state = State::Attempting(result);
                let number = request.history.len() as u32 + 1;
                Ok(Some(SenderEvent::Began(request.id, number)))
            }
            RequestStep::End(delivery) => Ok(Some(self.end(index, now, delivery)?)),
        }
    }

    fn check_attempt(&self, index: usize, now: Instant, until: Instant) -> Checked {
        let request = &self.requests[index];
        let last = request.history.last();
        let is_compressed = request.was_compressed && !request.fell_back();
        let rule = "a body is compressed until its encoding is refused";
        require(request.body.is_compressed() == is_compressed, rule, || {
            format!("{:?} after {:?}", request.id, request.history)
        })?;
        require(request.may_retry(), "no attempt follows a final response", || {
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
        let settings = self.settings.request;
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
        let stored =
            request.take_stored().unwrap_or(Stored { spans: Vec::new(), may_repeat: true });
        Ok(SenderEvent::Stored(stored))
    }

    fn end_attempt(
        &mut self,
        index: usize,
        now: Instant,
        wall: SystemTime,
    ) -> Checked<SenderEvent> {
        let protocol = self.settings.protocol;
        let request = &mut self.requests[index];
        let placeholder = State::Waiting(now);
        let State::Attempting(result) = std::mem::replace(&mut request.state, placeholder) else {
            return Ok(SenderEvent::Began(request.id, 0));
        };
        request.history.push(result.meaning);
        self.is_true &= result.is_true;
        if self.random.one_in(300) {
            // The task that sends panics.
            return Ok(self.panic(index, now));
        }
        let random = self.random.draw();
        let request = &mut self.requests[index];
        let attempted = result.end.classify(protocol, wall);
        let end = request.machine.attempt_ended(now, attempted, &self.admission, || random);
        let is_accepted = end.as_ref().is_some_and(Delivery::is_accepted);
        if request.body.attempt_ended(&request.machine, is_accepted).is_err() {
            let rule = "a refused encoding leaves the request itself";
            return Err(Violation { rule, details: format!("{:?}", request.id) });
        }
        if request.fell_back() {
            self.is_encoding_refused |= is_accepted;
            check_body(&request.body, request.request.message(), protocol)?;
        }
        let health = match result.meaning {
            Meaning::Retry { .. } if now >= request.until => Health::Unknown,
            Meaning::Retry { .. } => Health::Failed,
            _ => Health::Healthy,
        };
        self.breaker.ended(now, request.id, health);
        let asked = match result.meaning {
            Meaning::Retry { throttle: Throttled::For(wait), .. } => wait,
            Meaning::Retry { throttle: Throttled::Until(at), .. } => {
                at.duration_since(wall).unwrap_or_default()
            }
            _ => Duration::ZERO,
        };
        // A longer wait is cut, so that an attempt follows if there is time for it.
        request.asked = asked.min(self.settings.max_throttle());
        if !request.asked.is_zero() {
            self.throttled_until = self.throttled_until.max(Some(now + request.asked));
        }
        let own = match result.meaning {
            Meaning::RefusedEncoding => now,
            _ => now + request.asked.max(self.settings.retry_cap),
        };
        request.retry_by = own.max(self.throttled_until.unwrap_or(now)) + SLACK;
        self.poll_waiting(now);
        let request = &mut self.requests[index];
        match end {
            Some(delivery) => self.end(index, now, delivery),
            None => Ok(SenderEvent::AttemptEnded(request.id, result.meaning)),
        }
    }

    /// A request that has an outcome.
    fn end(&mut self, index: usize, now: Instant, delivery: Delivery) -> Checked<SenderEvent> {
        let request = self.requests.remove(index);
        require(now <= request.deadline, "a request ends within its timeout", || {
            format!("{:?}, {:?} late", request.id, now - request.deadline)
        })?;
        let ambiguous = request.is_ambiguous();
        let (exported, reasons) = request.outcome();
        let attempts = delivery.attempts as usize;
        require(attempts == request.history.len(), "each attempt is counted", || {
            format!("{attempts}, not {}", request.history.len())
        })?;
        let left = request.deadline.saturating_duration_since(now);
        let needed = request.asked.max(self.settings.retry_cap);
        let needed = match request.history.last() {
            // The uncompressed attempt follows at once.
            Some(Meaning::RefusedEncoding) => Duration::ZERO,
            _ => needed,
        };
        let is_retried = request.may_retry() && !request.history.is_empty();
        require(!is_retried || left <= needed, "a request is retried while there is time", || {
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
            bytes,
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
            bytes: request.request.message().len() + PREFIX,
            delivery: None,
            exported: 0,
            reasons: vec![DropReason::ExporterPanic],
            refused: None,
        })
    }
}

/// The body decodes to the message.
fn check_body(body: &RequestBody, message: &[u8], protocol: Protocol) -> Checked {
    let bytes: &[u8] = body.bytes();
    let (prefix, sent) = match protocol {
        Protocol::Grpc => bytes.split_at(PREFIX.min(bytes.len())),
        _ => (&[][..], bytes),
    };
    let flag = u8::from(body.is_compressed());
    let is_framed = protocol != Protocol::Grpc || prefix.first() == Some(&flag);
    let is_same = match body.is_compressed() {
        true => {
            let mut original = Vec::with_capacity(message.len());
            let read = GzDecoder::new(sent).read_to_end(&mut original);
            read.is_ok() && original == message
        }
        false => sent == message,
    };
    require(is_framed && is_same, "a body has the bytes of its request", || {
        format!("{} bytes for {}", bytes.len(), message.len())
    })
}

/// The retry's own wait is drawn with fractions of a nanosecond.
const SLACK: Duration = Duration::from_micros(1);
