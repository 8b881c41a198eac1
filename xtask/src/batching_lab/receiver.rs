//! A receiver and the way to it, in virtual time.
//!
//! A model, because a socket has no virtual time. The attempts of a request are those of the transport's own
//! state machine, with its defaults.

use spanwise::Protocol;
use spanwise::transport::sans_io::{
    Admission, AttemptEnd, BodyEnd, RequestMachine, RequestSettings, RequestStep, Response,
};
use spanwise::transport::{Delivery, RetryPolicy};
use spanwise_testkit::SplitMix64;
use std::time::{Duration, Instant, SystemTime};

/// The times of a receiver, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReceiverModel {
    /// From the exporter to the receiver and back, without any work.
    pub(super) round_trip: f64,
    /// Work for each request, whatever its size.
    pub(super) per_request: f64,
    /// Work for each byte.
    pub(super) per_byte: f64,
    /// Requests that it works on at once.
    pub(super) workers: usize,
    /// It refuses connections for the first part of each period: the part and the period.
    pub(super) refuses: Option<(f64, f64)>,
}

/// The receiver, and the requests on their way.
pub(super) struct Receiver<I> {
    model: ReceiverModel,
    /// The time at which each worker is idle again.
    idle_at: Vec<f64>,
    requests: Vec<InFlight<I>>,
    /// The start, at 0 seconds.
    start: Instant,
    /// Admits each attempt: no response requires a wait.
    admission: Admission,
    random: SplitMix64,
    /// Attempts to send a request.
    pub(super) attempts: u64,
}

/// A request on its way.
pub(super) struct InFlight<I> {
    pub(super) id: I,
    /// The times at which its spans ended.
    pub(super) spans: Vec<f64>,
    /// The time at which the receiver has it; `None` if it never does.
    pub(super) arrives: Option<f64>,
    /// The time at which the exporter gets the response or gives up.
    pub(super) ends: f64,
    /// The outcome for the exporter.
    pub(super) delivery: Delivery,
}

impl<I> Receiver<I> {
    pub(super) fn new(model: ReceiverModel) -> Self {
        Self {
            idle_at: vec![0.0; model.workers],
            model,
            requests: Vec::new(),
            start: Instant::now(),
            admission: Admission::new(Duration::ZERO, None),
            random: SplitMix64::new(11),
            attempts: 0,
        }
    }

    /// Sends a request. Its end is known at once: it depends on no later request.
    pub(super) fn send(&mut self, now: f64, id: I, bytes: usize, spans: Vec<f64>) {
        let mut machine = RequestMachine::new(settings(), self.instant(now));
        let (mut at, mut arrives) = (now, None);
        let delivery = loop {
            let until = match machine.poll(self.instant(at), &self.admission) {
                RequestStep::WaitUntil(until) => {
                    at = self.seconds(until);
                    continue;
                }
                RequestStep::End(delivery) => break delivery,
                RequestStep::Attempt { until } => self.seconds(until),
            };
            let mut end = AttemptEnd::NotSent;
            if !self.refuses(at) {
                let done = self.work(at + self.model.round_trip / 2.0, bytes);
                // The receiver has the spans even if the exporter has given up the attempt.
                arrives = arrives.or(Some(done));
                let response = done + self.model.round_trip / 2.0;
                at = response.min(until);
                end = if response <= until { accepted() } else { AttemptEnd::Unanswered };
            }
            let end = end.classify(Protocol::HttpProtobuf, SystemTime::UNIX_EPOCH);
            let now = self.instant(at);
            let ended = machine.attempt_ended(now, end, &self.admission, || self.random.next_u64());
            if let Some(delivery) = ended {
                break delivery;
            }
        };
        self.attempts += u64::from(delivery.attempts);
        self.requests.push(InFlight { id, spans, arrives, ends: at, delivery });
    }

    fn instant(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.start).as_secs_f64()
    }

    pub(super) fn next_end(&self) -> Option<f64> {
        self.requests.iter().map(|request| request.ends).reduce(f64::min)
    }

    /// A request that has ended by `now`.
    pub(super) fn pop_ended(&mut self, now: f64) -> Option<InFlight<I>> {
        let index = self.requests.iter().position(|request| request.ends <= now)?;
        Some(self.requests.swap_remove(index))
    }

    fn refuses(&self, at: f64) -> bool {
        self.model.refuses.is_some_and(|(part, period)| at % period < part)
    }

    /// Works on a request that arrives at `at`; returns the time at which it is done.
    fn work(&mut self, at: f64, bytes: usize) -> f64 {
        let seconds = self.model.per_request + self.model.per_byte * bytes as f64;
        let Some(first) = self.idle_at.iter_mut().min_by(|one, other| one.total_cmp(other)) else {
            return at + seconds;
        };
        *first = first.max(at) + seconds;
        *first
    }
}

/// The transport's defaults.
fn settings() -> RequestSettings {
    RequestSettings {
        attempt_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(60),
        retry: RetryPolicy::default(),
    }
}

/// An empty `ExportTraceServiceResponse`.
fn accepted() -> AttemptEnd {
    AttemptEnd::Response(Response {
        status: 200,
        headers: vec![("content-type", "application/x-protobuf".to_owned())],
        body: BodyEnd::Complete(Vec::new()),
        trailers: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDEAL: ReceiverModel = ReceiverModel {
        round_trip: 0.1,
        per_request: 0.2,
        per_byte: 0.001,
        workers: 1,
        refuses: None,
    };

    #[test]
    fn one_worker_takes_requests_one_after_the_other() {
        let mut receiver = Receiver::new(IDEAL);
        for id in 0..2 {
            receiver.send(1.0, id, 100, vec![0.5]);
        }
        // 1.0 + 0.05 to get there + 0.3 of work + 0.05 back.
        let first = receiver.next_end().unwrap();
        assert!((first - 1.4).abs() < 1e-9, "{first}");
        let first = receiver.pop_ended(first).unwrap();
        assert!((first.arrives.unwrap() - 1.35).abs() < 1e-9);
        let second = receiver.next_end().unwrap();
        assert!((second - 1.7).abs() < 1e-9, "{second}");
        assert!(receiver.pop_ended(1.6).is_none());
    }

    #[test]
    fn a_refused_request_is_retried_until_the_receiver_is_back() {
        let mut receiver = Receiver::new(ReceiverModel { refuses: Some((5.0, 100.0)), ..IDEAL });
        receiver.send(0.0, 0, 0, Vec::new());
        let ends = receiver.next_end().unwrap();
        assert!((5.0..15.0).contains(&ends) && receiver.attempts > 3, "{ends}");
        let mut never = Receiver::new(ReceiverModel { refuses: Some((90.0, 100.0)), ..IDEAL });
        never.send(0.0, 0, 0, Vec::new());
        let ends = never.next_end().unwrap();
        assert!(ends <= 60.0 && never.pop_ended(ends).unwrap().arrives.is_none());
    }

    #[test]
    fn a_response_after_the_timeout_is_ambiguous_and_the_spans_arrive() {
        let mut receiver = Receiver::new(ReceiverModel { per_request: 100.0, ..IDEAL });
        receiver.send(0.0, 0, 0, Vec::new());
        let ended = receiver.pop_ended(61.0).unwrap();
        assert!(ended.delivery.may_have_been_accepted());
        assert!(ended.arrives.unwrap() > ended.ends);
    }
}
