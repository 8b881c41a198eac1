//! The export in virtual time: the queue and the state machine are those that run in production.
//!
//! Two parts are models: the receiver, and the wake-up of the exporter's thread, which is a call here
//! because no thread sleeps.

use super::contestant::Contestant;
use super::judge::{Record, Tally};
use super::receiver::{Receiver, ReceiverModel};
use spanwise::export::sans_io::{Action, ExportMachine, RequestId};
use spanwise::export::{Exporter, SpanQueue};
use spanwise::transport::{Outcome, Transport};
use spanwise::wire::read::TraceRequest;
use spanwise::wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise::wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A service, its exporter and a receiver.
pub(super) struct World {
    queue: SpanQueue,
    machine: ExportMachine,
    receiver: Receiver<RequestId>,
    start: Instant,
    /// Seconds since the start.
    now: f64,
    /// The time at which the machine asks for its next poll.
    wait_until: f64,
    scope: u32,
    writer: SpanWriter,
    header: SpanHeader,
    /// The ends of the spans that are stored and in no request, in order: one thread fills one slot, so
    /// that spans leave as they came.
    waiting: VecDeque<f64>,
    tally: Tally,
    is_finished: bool,
}

impl World {
    /// Runs `arrivals` and returns the record of what became of them.
    pub(super) fn run(
        contestant: Contestant,
        receiver: ReceiverModel,
        arrivals: &[f64],
        seconds: f64,
    ) -> Result<Record, String> {
        let mut world = Self::new(contestant, receiver, seconds)?;
        for &time in arrivals {
            world.advance(time);
            world.push();
        }
        world.finish(seconds);
        let snapshot = world.queue.ledger().snapshot();
        snapshot.check().map_err(|imbalance| imbalance.to_string())?;
        Ok(world.tally.record(arrivals.len(), world.receiver.attempts))
    }

    fn new(contestant: Contestant, model: ReceiverModel, seconds: f64) -> Result<Self, String> {
        let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
        let transport = Transport::builder().with_sink(sink).build();
        let transport = transport.map_err(|error| error.to_string())?;
        let builder = Exporter::builder(transport)
            .with_resource(encode_resource([("service.name", "lab")], ""));
        let (queue, prepared) =
            contestant.configure(builder).prepare().map_err(|error| error.to_string())?;
        let scope = encode_scope("lab", "1.0", [("", 0); 0], "");
        let scope = prepared.scopes().index(&scope).unwrap_or(0);
        let start = Instant::now();
        Ok(Self {
            machine: prepared.into_machine(&queue, start),
            queue,
            receiver: Receiver::new(model),
            start,
            now: 0.0,
            wait_until: 0.0,
            scope,
            writer: span(),
            header: SpanHeader {
                trace_id: TraceId(7),
                span_id: SpanId(9),
                ..SpanHeader::default()
            },
            waiting: VecDeque::new(),
            tally: Tally::new(seconds),
            is_finished: false,
        })
    }

    /// Ends a span now.
    fn push(&mut self) {
        if self.queue.is_refusing() {
            return self.queue.count_refused();
        }
        self.queue.ledger().started();
        let meta = SpanMeta { scope: self.scope, ..SpanMeta::default() };
        let span = self.writer.finish(&self.header);
        if self.queue.try_push_local(&span, || meta) {
            return self.waiting.push_back(self.now);
        }
        // Once in a chunk: the snapshot may cost.
        let before = self.queue.ledger().snapshot().dropped_total();
        self.queue.push(&span, meta);
        if self.queue.ledger().snapshot().dropped_total() == before {
            self.waiting.push_back(self.now);
        }
        let level = self.queue.level();
        let is_batch = level.batch_spans.is_some_and(|spans| level.ready_spans >= spans);
        if is_batch || level.ready >= WAKE_AT || level.is_starved {
            self.tally.woken();
            self.machine.notified();
            self.turn();
        }
    }

    /// Lets time pass until `time`.
    fn advance(&mut self, time: f64) {
        while !self.is_finished {
            let end = self.receiver.next_end().unwrap_or(f64::INFINITY);
            let next = end.min(self.wait_until);
            if next > time {
                break;
            }
            self.now = self.now.max(next);
            while let Some(request) = self.receiver.pop_ended(self.now) {
                let delivery = self.tally.ended(&request);
                self.machine.request_ended(self.instant(self.now), request.id, Some(delivery));
            }
            self.turn();
        }
        self.now = self.now.max(time);
    }

    /// Waits for the last requests, for as long as their timeouts allow.
    fn finish(&mut self, seconds: f64) {
        self.advance(seconds);
        self.queue.close();
        let deadline = self.instant(self.now + LONGEST_END);
        let _shutdown = self.machine.shutdown(deadline);
        self.turn();
        self.advance(self.now + 2.0 * LONGEST_END);
    }

    /// One turn of the exporter's thread.
    fn turn(&mut self) {
        let now = self.instant(self.now);
        loop {
            match self.machine.poll(now, self.queue.level()) {
                Action::Queue(action) => {
                    if let Some(drained) = self.queue.apply(action) {
                        self.machine.drained(drained);
                    }
                }
                Action::Send(id, request) => {
                    let spans =
                        TraceRequest::new(request.message()).count_spans().unwrap_or(0) as usize;
                    let ends: Vec<f64> =
                        self.waiting.drain(..spans.min(self.waiting.len())).collect();
                    let bytes = request.message().len();
                    self.tally.sent(self.now, ends.len());
                    self.receiver.send(self.now, id, bytes, ends);
                }
                Action::WaitUntil(until) => {
                    // A poll that is due at once is one of the next event, a moment later.
                    let until = until.saturating_duration_since(self.start).as_secs_f64();
                    self.wait_until = until.max(self.now + MOMENT);
                    return;
                }
                Action::Finish => {
                    self.is_finished = true;
                    return;
                }
                Action::CancelRequests
                | Action::Reply(_)
                | Action::Report(_)
                | Action::Spool(_) => {}
            }
        }
    }

    fn instant(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }
}

/// The span that ends again and again: some 250 bytes, with the attributes of a request.
pub(super) fn span() -> SpanWriter {
    let limits = SpanLimits::default();
    let mut span = SpanWriter::new();
    span.begin(&limits, "GET /users/{id}");
    span.attribute(&limits, "http.request.method", "GET");
    span.attribute(&limits, "http.route", "/users/{id}");
    span.attribute(&limits, "http.response.status_code", &200);
    span.attribute(&limits, "server.address", "users.example.org");
    span.attribute(&limits, "network.protocol.version", "1.1");
    span
}

/// Full chunks at which a push wakes the exporter's thread: the default of `ShardedBufferConfig`.
const WAKE_AT: usize = 32;
/// Seconds that pass when the machine wants to be polled again at once.
const MOMENT: f64 = 1e-6;
/// Seconds after which the last request has ended: its timeout and the queue before it.
const LONGEST_END: f64 = 200.0;
