//! An exporter with several destinations in virtual time, and the requests of each of its endpoints.

use spanwise_export::sans_io::{Action, ExportMachine, QueueAction, RequestId};
use spanwise_export::{
    Destination, DynamicBatchConfig, DynamicTransport, ExportEvent, ExporterBuilder, SpanQueue,
};
use spanwise_ledger::{Ledger, Snapshot};
use spanwise_testkit::SplitMix64;
use spanwise_transport::{
    Compression, Delivery, Endpoint, Failure, FramedRequest, Outcome, RingVersion, Transport,
};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

pub const NAMES: [&str; 3] = ["collector-1:4317", "collector-2:4317", "collector-3:4317"];
pub const HOUR: Duration = Duration::from_secs(3600);

pub fn to(name: &str, compression: Compression) -> Transport {
    let endpoint = Endpoint::parse_base("endpoint", &format!("http://{name}")).unwrap();
    Transport::builder().with_endpoint(endpoint).with_compression(compression).build().unwrap()
}

pub fn plain(name: &str) -> Transport {
    to(name, Compression::None)
}

pub fn routed() -> Destination {
    let endpoints = NAMES.map(|name| (name, plain(name)));
    Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap()
}

/// An exporter, and the requests of each of its endpoints.
pub struct World {
    pub queue: SpanQueue,
    pub machine: ExportMachine,
    pub now: Instant,
    pub ledgers: Vec<Ledger>,
    pub transport: DynamicTransport,
    pub batching: DynamicBatchConfig,
    pub in_flight: Vec<(RequestId, FramedRequest)>,
    /// Spans that each endpoint received, by trace, and the requests that it received.
    pub received: HashMap<usize, (HashMap<u128, u64>, u64)>,
    /// Whether each endpoint answers at once.
    pub answers: Vec<bool>,
    /// The largest message that each endpoint accepts, in bytes, and those that it got.
    pub limits: Vec<usize>,
    pub sizes: Vec<Vec<usize>>,
    /// Destinations of reported requests, by their name.
    pub reported: HashMap<Option<String>, u64>,
    pub flushes: Vec<bool>,
    /// Trims of cached chunks that the machine asked for.
    pub trims: u64,
    pub is_finished: bool,
    pub next_trace: SplitMix64,
}

impl World {
    pub fn new(builder: ExporterBuilder) -> Self {
        let (queue, prepared) = builder.prepare().unwrap();
        let ledgers = prepared.destinations().map(|(_, ledger)| ledger.clone()).collect();
        let answers = vec![true; prepared.transports().len()];
        let now = Instant::now();
        Self {
            transport: prepared.transport().clone(),
            batching: prepared.batching().clone(),
            machine: prepared.into_machine(&queue, now),
            queue,
            now,
            ledgers,
            in_flight: Vec::new(),
            received: HashMap::new(),
            limits: vec![usize::MAX; answers.len()],
            sizes: vec![Vec::new(); answers.len()],
            answers,
            reported: HashMap::new(),
            flushes: Vec::new(),
            trims: 0,
            is_finished: false,
            next_trace: SplitMix64::new(7),
        }
    }

    /// Pushes spans of new traces, with an attribute of `bytes` bytes.
    pub fn push(&mut self, spans: usize, bytes: usize) {
        for _ in 0..spans {
            let trace_id = u128::from(self.next_trace.next_u64()) + 1;
            self.push_trace(trace_id, bytes);
        }
    }

    /// Pushes a span of this trace.
    pub fn push_trace(&mut self, trace_id: u128, bytes: usize) {
        let mut writer = SpanWriter::new();
        let trace_id = TraceId(trace_id);
        let header = SpanHeader { trace_id, span_id: SpanId(1), ..SpanHeader::default() };
        writer.begin(&SpanLimits::default(), "span");
        writer.attribute(&SpanLimits::default(), "key", "v".repeat(bytes).as_str());
        self.queue.ledger().started();
        let meta = SpanMeta { trace_id, ..SpanMeta::default() };
        self.queue.push(&writer.finish(&header), meta);
    }

    pub fn answer(&mut self, index: usize, delivery: Option<Delivery>) {
        let (id, request) = self.in_flight.remove(index);
        drop(request);
        self.machine.request_ended(self.now, id, delivery);
    }

    /// Runs turns, and answers the requests to the endpoints that answer, until none is left.
    pub fn run(&mut self) {
        loop {
            self.turn();
            let answered = |(id, _): &(RequestId, _)| self.answers[id.endpoint()];
            match self.in_flight.iter().position(answered) {
                Some(index) => {
                    let (id, request) = &self.in_flight[index];
                    let (len, limit) = (request.message().len(), self.limits[id.endpoint()]);
                    self.sizes[id.endpoint()].push(len);
                    let too_large = Delivery::from(Outcome::Failed(Failure::TooLarge));
                    self.answer(index, Some(if len > limit { too_large } else { accepted() }));
                }
                None => return,
            }
        }
    }

    /// Lets `time` pass.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = until.min(self.now + Duration::from_millis(50));
            self.run();
        }
    }

    pub fn turn(&mut self) {
        loop {
            let budget = self.queue.budget();
            assert!(budget.charged() <= budget.limit());
            match self.machine.poll(self.now, self.queue.level()) {
                Action::Queue(action) => {
                    self.trims += u64::from(matches!(action, QueueAction::Trim { .. }));
                    if let Some(drained) = self.queue.apply(action) {
                        self.machine.drained(drained);
                    }
                }
                Action::Send(id, request) => {
                    let received = self.received.entry(id.endpoint()).or_default();
                    received.1 += 1;
                    let decoded = spanwise_testkit::decode(request.message());
                    for span in spanwise_testkit::spans(&decoded) {
                        let id = TraceId::from_bytes(span.trace_id[..].try_into().unwrap());
                        *received.0.entry(id.0).or_default() += 1;
                    }
                    self.in_flight.push((id, request));
                }
                Action::Reply(reply) => self.flushes.push(reply.is_done),
                Action::Report(ExportEvent::RequestEnded { destination, .. }) => {
                    let name = destination.map(|name| name.to_string());
                    *self.reported.entry(name).or_default() += 1;
                }
                Action::WaitUntil(_) => return,
                Action::Finish => {
                    self.is_finished = true;
                    return;
                }
                _ => {}
            }
        }
    }

    pub fn flush(&mut self) {
        self.machine.flush(self.now + HOUR);
        self.run();
    }

    /// Shuts down with a timeout. Requests that were sent and have no answer end when they are cancelled.
    pub fn shut_down(&mut self, timeout: Duration) {
        self.queue.close();
        self.machine.shutdown(self.now + timeout);
        self.wait(timeout + Duration::from_millis(100));
        assert!(self.is_finished);
        for (index, ledger) in self.ledgers.iter().enumerate() {
            let account = ledger.snapshot();
            account.check().unwrap();
            assert!(account.is_idle(), "{index}: {account}");
        }
    }

    pub fn account(&self, destination: usize) -> Snapshot {
        self.ledgers[destination].snapshot()
    }

    pub fn traces(&self, endpoint: usize) -> HashMap<u128, u64> {
        self.received.get(&endpoint).map(|(traces, _)| traces.clone()).unwrap_or_default()
    }
}

pub fn accepted() -> Delivery {
    Delivery::from(Outcome::Accepted { rejected: 0, message: None })
}
