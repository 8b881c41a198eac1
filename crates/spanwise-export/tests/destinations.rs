//! Several destinations, in virtual time: the test answers, delays or drops the requests of each endpoint.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use bytes::Bytes;
use proptest::prelude::*;
use spanwise_export::sans_io::{Action, ExportMachine, RequestId};
use spanwise_export::{BuildError, Destination, ExportEvent, Exporter, ExporterBuilder, SpanQueue};
use spanwise_ledger::{DropReason, Ledger, Snapshot};
use spanwise_testkit::SplitMix64;
use spanwise_transport::{
    Compression, Delivery, Endpoint, Failure, FramedRequest, Outcome, Protocol, Ring, RingVersion,
    Sink, SinkFuture, Transport,
};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["collector-1:4317", "collector-2:4317", "collector-3:4317"];
const HOUR: Duration = Duration::from_secs(3600);

fn to(name: &str, compression: Compression) -> Transport {
    let endpoint = Endpoint::parse_base("endpoint", &format!("http://{name}")).unwrap();
    Transport::builder().with_endpoint(endpoint).with_compression(compression).build().unwrap()
}

fn plain(name: &str) -> Transport {
    to(name, Compression::None)
}

fn routed() -> Destination {
    let endpoints = NAMES.map(|name| (name, plain(name)));
    Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap()
}

/// An exporter, and the requests of each of its endpoints.
struct World {
    queue: SpanQueue,
    machine: ExportMachine,
    now: Instant,
    ledgers: Vec<Ledger>,
    in_flight: Vec<(RequestId, FramedRequest)>,
    /// Spans that each endpoint received, by trace, and the requests that it received.
    received: HashMap<usize, (HashMap<u128, u64>, u64)>,
    /// Whether each endpoint answers at once.
    answers: Vec<bool>,
    /// The largest message that each endpoint accepts, in bytes, and those that it got.
    limits: Vec<usize>,
    sizes: Vec<Vec<usize>>,
    /// Destinations of reported requests, by their name.
    reported: HashMap<Option<String>, u64>,
    flushes: Vec<bool>,
    is_finished: bool,
    next_trace: SplitMix64,
}

impl World {
    fn new(builder: ExporterBuilder) -> Self {
        let (queue, prepared) = builder.prepare().unwrap();
        let ledgers = prepared.destinations().map(|(_, ledger)| ledger.clone()).collect();
        let answers = vec![true; prepared.transports().len()];
        let now = Instant::now();
        Self {
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
            is_finished: false,
            next_trace: SplitMix64::new(7),
        }
    }

    /// Pushes spans of new traces, with an attribute of `bytes` bytes.
    fn push(&mut self, spans: usize, bytes: usize) {
        for _ in 0..spans {
            let trace_id = u128::from(self.next_trace.next_u64()) + 1;
            self.push_trace(trace_id, bytes);
        }
    }

    /// Pushes a span of this trace.
    fn push_trace(&mut self, trace_id: u128, bytes: usize) {
        let mut writer = SpanWriter::new();
        let trace_id = TraceId(trace_id);
        let header = SpanHeader { trace_id, span_id: SpanId(1), ..SpanHeader::default() };
        writer.begin(&SpanLimits::default(), "span");
        writer.attribute(&SpanLimits::default(), "key", "v".repeat(bytes).as_str());
        self.queue.ledger().started();
        let meta = SpanMeta { trace_id, ..SpanMeta::default() };
        self.queue.push(&writer.finish(&header), meta);
    }

    fn answer(&mut self, index: usize, delivery: Option<Delivery>) {
        let (id, request) = self.in_flight.remove(index);
        drop(request);
        self.machine.request_ended(self.now, id, delivery);
    }

    /// Runs turns, and answers the requests to the endpoints that answer, until none is left.
    fn run(&mut self) {
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
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = until.min(self.now + Duration::from_millis(50));
            self.run();
        }
    }

    fn turn(&mut self) {
        loop {
            let budget = self.queue.budget();
            assert!(budget.charged() <= budget.limit());
            match self.machine.poll(self.now, self.queue.level()) {
                Action::Queue(action) => {
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

    fn flush(&mut self) {
        self.machine.flush(self.now + HOUR);
        self.run();
    }

    /// Shuts down with a timeout. Requests that were sent and have no answer end when they are cancelled.
    fn shut_down(&mut self, timeout: Duration) {
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

    fn account(&self, destination: usize) -> Snapshot {
        self.ledgers[destination].snapshot()
    }

    fn traces(&self, endpoint: usize) -> HashMap<u128, u64> {
        self.received.get(&endpoint).map(|(traces, _)| traces.clone()).unwrap_or_default()
    }
}

fn accepted() -> Delivery {
    Delivery::from(Outcome::Accepted { rejected: 0, message: None })
}

#[test]
fn every_destination_gets_every_span_and_the_same_bytes() {
    let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
    let builder = builder.with_destination(Destination::new(plain("c:3")).with_name("archive"));
    let mut world = World::new(builder);
    world.answers = vec![false; 3];
    world.push(1_000, 10);
    world.machine.flush(world.now + HOUR);
    world.turn();
    let sent: Vec<_> =
        world.in_flight.iter().map(|(_, request)| request.message().as_ptr()).collect();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|memory| *memory == sent[0]));
    let debug =
        |request: &FramedRequest| format!("{request:?}").contains("has_shared_bodies: true");
    assert!(world.in_flight.iter().all(|(_, request)| debug(request)));
    // The flush waits for the last of them.
    world.answer(0, Some(accepted()));
    world.answer(0, Some(accepted()));
    world.turn();
    assert!(world.flushes.is_empty());
    world.answer(0, Some(accepted()));
    world.turn();
    assert_eq!(world.flushes, [true]);
    for destination in 0..3 {
        let account = world.account(destination);
        assert_eq!((account.created, account.exported), (1_000, 1_000));
        assert_eq!(world.traces(destination).len(), 1_000);
    }
    let names = [None, Some("b:2".to_owned()), Some("archive".to_owned())];
    assert_eq!(world.reported, names.map(|name| (name, 1)).into());
    world.shut_down(HOUR);
}

/// Bytes charged while requests of 1,000 spans are in flight to two destinations, and after each of them ended.
fn charged(destinations: [Transport; 2], last: usize) -> [usize; 3] {
    let [first, second] = destinations;
    let mut world = World::new(Exporter::builder(first).with_destination(second));
    world.answers = vec![false; 2];
    world.push(1_000, 100);
    world.machine.flush(world.now + HOUR);
    world.turn();
    let mut measured = [world.queue.budget().charged(), 0, 0];
    for (after, endpoint) in measured[1..].iter_mut().zip([1 - last, last]) {
        let ended = world.in_flight.iter().position(|(id, _)| id.endpoint() == endpoint);
        world.answer(ended.unwrap(), Some(accepted()));
        world.turn();
        *after = world.queue.budget().charged();
    }
    world.shut_down(HOUR);
    measured
}

#[test]
fn destinations_that_share_compressed_bytes_are_charged_for_them_once_until_the_last_one_ends() {
    let gzip = |name| to(name, Compression::Gzip);
    let one = charged([plain("a:1"), gzip("b:2")], 0);
    let copies = one[0] - one[2];
    for last in 0..2 {
        let same = charged([gzip("a:1"), gzip("b:2")], last);
        assert_eq!((same[0] - same[2], same[0] - same[1]), (copies, 0), "{last}");
    }
}

/// Whichever of them never answers.
/// Later there may be no memory for its request, and no end of another request would free any.
#[test]
fn a_large_span_is_charged_for_its_request_when_it_ends() {
    let mut world = World::new(Exporter::builder(plain("a")));
    world.push(1, 1 << 16);
    let charged = world.queue.budget().charged();
    assert!((2 << 16..5 << 15).contains(&charged), "{charged}");
    world.flush();
    assert_eq!(world.account(0).exported, 1);
}

#[test]
fn a_dead_destination_delays_and_loses_no_span_of_another() {
    for dead in 0..2 {
        let budget = 4 << 20;
        let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
        let mut world = World::new(builder.with_budget_bytes(budget));
        world.answers[dead] = false;
        // Five times the budget, a hundredth of it at a time.
        for _ in 0..500 {
            world.push(40, 1_000);
            world.wait(Duration::from_millis(50));
        }
        world.wait(Duration::from_secs(2));
        let alive = world.account(1 - dead);
        assert_eq!(alive.exported, 20_000, "{alive}");
        let lost = world.account(dead);
        assert_eq!(lost.exported, 0);
        assert_eq!(lost.created, 20_000);
        let held = lost.in_flight;
        assert_eq!(lost.dropped(DropReason::QueueBytes), 20_000 - held, "{lost}");
        // Its share is three sixteenths of the budget.
        let bytes = held as usize * 1_060;
        assert!((budget / 12..budget * 3 / 16).contains(&bytes), "{bytes}");
        world.shut_down(Duration::from_secs(1));
        let lost = world.account(dead);
        assert!(lost.dropped(DropReason::ShutdownDeadline) > 0, "{lost}");
        assert!(lost.dropped(DropReason::AmbiguousShutdown) > 0, "{lost}");
    }
}

/// Lets `endpoint` answer one of its requests every 20 ms, and the others at once, until all have ended.
fn answer_slowly(world: &mut World, endpoint: usize) {
    for _ in 0..200 {
        world.wait(Duration::from_millis(20));
        if let Some(index) = world.in_flight.iter().position(|(id, _)| id.endpoint() == endpoint) {
            world.answer(index, Some(accepted()));
        }
    }
    world.run();
}

#[test]
fn a_burst_waits_for_an_endpoint_that_is_busy_and_loses_no_span() {
    let json = || Transport::builder().with_protocol(Protocol::HttpJson).build().unwrap();
    let gzip = |name| to(name, Compression::Gzip);
    let cases = [(json(), plain("b:2"), 8_000), (gzip("a:1"), gzip("b:2"), 20_000)];
    for (slower, other, spans) in cases {
        let mut world = World::new(Exporter::builder(slower).with_destination(other));
        world.answers[0] = false;
        world.push(spans, 10);
        let is_flushed = world.machine.flush(world.now + Duration::from_secs(5));
        answer_slowly(&mut world, 0);
        let exported = [0, 1].map(|destination| world.account(destination).exported);
        assert_eq!(exported, [spans as u64; 2], "{is_flushed:?}");
        assert_eq!(world.flushes, [true]);
        world.shut_down(HOUR);
    }
}

#[test]
fn a_dead_endpoint_delays_the_others_once_and_leaves_them_time_to_shut_down() {
    for (timeout, spans) in [(None, 2_000), (Some(Duration::from_millis(400)), 2_000)] {
        let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
        let mut world = World::new(builder.with_budget_bytes(8 << 20));
        world.answers[1] = false;
        // More than its share.
        world.push(spans, 1_000);
        match timeout {
            Some(timeout) => world.shut_down(timeout),
            None => {
                world.flush();
                world.wait(Duration::from_millis(600));
                assert_eq!(world.account(0).exported, 2_000);
                assert!(world.account(1).dropped(DropReason::QueueBytes) > 0);
                world.push(100, 1_000);
                world.flush();
                assert_eq!(world.account(0).exported, 2_100, "without another delay");
                world.shut_down(Duration::from_secs(1));
            }
        }
        assert_eq!(world.account(0).dropped_total(), 0);
    }
}

#[test]
fn a_burst_waits_in_the_queue_while_all_destinations_are_busy() {
    let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
    let mut world = World::new(builder.with_max_in_flight(1));
    world.answers = vec![false; 2];
    // More than the share of a destination, less than the budget.
    world.push(4_500, 1_000);
    world.wait(Duration::from_millis(200));
    world.answers = vec![true; 2];
    world.flush();
    assert_eq!([0, 1].map(|it| world.account(it).exported), [4_500, 4_500]);
    world.shut_down(HOUR);
}

#[test]
fn a_routed_destination_gets_each_trace_at_the_endpoint_of_the_ring() {
    let builder = Exporter::builder(routed()).with_destination(plain("archive:4318"));
    let mut world = World::new(builder);
    for _ in 0..5 {
        world.push(1_000, 10);
        world.flush();
    }
    let ring = Ring::new(RingVersion::V3, NAMES).unwrap();
    let mut all = 0;
    for endpoint in 0..3 {
        let traces = world.traces(endpoint);
        assert!(traces.len() > 500, "{}", traces.len());
        all += traces.len();
        for (trace_id, spans) in traces {
            assert_eq!((ring.index(trace_id.to_be_bytes()), spans), (endpoint, 1));
        }
    }
    assert_eq!((all, world.traces(3).len()), (5_000, 5_000));
    for destination in 0..2 {
        assert_eq!(world.account(destination).exported, 5_000);
    }
    world.shut_down(HOUR);
}

#[test]
fn a_dead_endpoint_of_a_routed_destination_loses_its_own_traces_alone() {
    let mut world = World::new(Exporter::builder(routed()).with_budget_bytes(4 << 20));
    world.answers[1] = false;
    for _ in 0..500 {
        world.push(40, 1_000);
        world.wait(Duration::from_millis(50));
    }
    world.wait(Duration::from_secs(2));
    let account = world.account(0);
    let alive = world.traces(0).len() + world.traces(2).len();
    assert_eq!(account.exported, alive as u64, "{account}");
    assert!(account.dropped(DropReason::QueueBytes) > 1_000, "{account}");
    let ring = Ring::new(RingVersion::V3, NAMES).unwrap();
    let mut ids = SplitMix64::new(7);
    let its_own = (0..20_000)
        .filter(|_| ring.index((u128::from(ids.next_u64()) + 1).to_be_bytes()) == 1)
        .count();
    assert_eq!(alive, 20_000 - its_own);
    world.shut_down(Duration::from_secs(1));
}

/// The open chunks are drained although a part of a refused request waits for its turn.
#[test]
fn a_request_that_is_split_delays_no_span_for_another_destination() {
    let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
    let mut world = World::new(builder.with_max_in_flight(1));
    world.answers[0] = false;
    world.push(10, 1_000);
    world.wait(Duration::from_millis(1_200));
    world.answer(0, Some(Delivery::from(Outcome::Failed(Failure::TooLarge))));
    world.push(5, 10);
    world.wait(Duration::from_millis(1_200));
    assert_eq!(world.in_flight.len(), 1);
    assert_eq!(world.account(1).exported, 15);
    world.answers[0] = true;
    world.run();
    assert_eq!(world.account(0).exported, 15);
    world.shut_down(HOUR);
}

/// Also if a whole batch is for the endpoint that is busy.
#[test]
fn a_trace_of_a_busy_endpoint_delays_no_trace_of_another() {
    let builder = Exporter::builder(routed()).with_max_in_flight(1);
    let mut world = World::new(builder.with_max_export_batch_size(1));
    world.answers[1] = false;
    let ring = Ring::new(RingVersion::V3, NAMES).unwrap();
    let of = |endpoint| (1_u128..).filter(move |id| ring.index(id.to_be_bytes()) == endpoint);
    for trace_id in of.clone()(1).take(3).chain(of(0).take(1)) {
        world.push_trace(trace_id, 10);
        world.wait(Duration::from_millis(1_200));
    }
    assert_eq!((world.traces(0).len(), world.traces(1).len()), (1, 1));
    world.answers[1] = true;
    world.run();
    assert_eq!((world.traces(1).len(), world.account(0).exported), (3, 4));
    world.shut_down(HOUR);
}

#[test]
fn a_budget_that_is_too_small_for_the_endpoints_is_an_error() {
    let names: Vec<_> = (0..60).map(|i| format!("collector-{i}:4317")).collect();
    let endpoints = names.iter().map(|name| (name.as_str(), plain(name)));
    let routed = Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap();
    let builder = |bytes| Exporter::builder(routed.clone()).with_budget_bytes(bytes);
    let error = builder(1 << 20).prepare().unwrap_err().to_string();
    let least = error.split("accepted is ").nth(1).and_then(|rest| rest.split(' ').next());
    let least: usize = least.unwrap().parse().unwrap();
    assert!(error.contains("with_budget_bytes is 1048576"), "{error}");
    assert!(builder(least).prepare().is_ok());
    let with_thresholds = |threshold: fn(usize) -> usize| {
        (0..64).fold(Exporter::builder(plain("a:1")), |builder, i| {
            let gzip = Transport::builder().with_compression(Compression::Gzip);
            builder.with_destination(gzip.with_compression_threshold(threshold(i)).build().unwrap())
        })
    };
    let error = with_thresholds(|i| i).prepare().unwrap_err().to_string();
    assert!(error.contains("with_destination"), "{error}");
    // They share the copy.
    assert!(with_thresholds(|_| 0).with_budget_bytes(64 << 20).prepare().is_ok());
}

#[test]
fn a_size_that_one_endpoint_refuses_is_its_limit_alone_and_may_rise_again() {
    const LIMIT: usize = 70_000;
    for routed in [false, true] {
        let other = || match routed {
            true => self::routed(),
            false => Destination::new(plain("b:2")),
        };
        let builder = Exporter::builder(plain("a:1")).with_destination(other());
        let mut world = World::new(builder.with_max_in_flight(2));
        world.limits[0] = LIMIT;
        for _ in 0..10 {
            world.push(5_000, 100);
            world.flush();
        }
        assert_eq!([0, 1].map(|it| world.account(it).exported), [50_000; 2]);
        let refused = world.sizes[0].iter().filter(|size| **size > LIMIT).count();
        assert!((1..8).contains(&refused), "{refused} of {:?}", world.sizes[0]);
        let requests = world.sizes[1].len();
        assert!(requests < 30, "{requests}");
        // All but the last of each flush.
        let large = world.sizes[1].iter().filter(|size| **size > LIMIT).count();
        assert!(routed || large == 10, "{:?}", world.sizes[1]);
        world.limits[0] = usize::MAX;
        for _ in 0..80 {
            world.push(5_000, 100);
            world.flush();
        }
        assert!(world.sizes[0].iter().rev().take(5).any(|size| *size > 3 * LIMIT / 2));
        assert_eq!([0, 1].map(|it| world.account(it).exported), [450_000; 2]);
        world.shut_down(HOUR);
    }
}

#[test]
fn an_endpoint_that_refuses_every_size_loses_its_own_spans_alone() {
    let mut world = World::new(Exporter::builder(plain("a:1")).with_destination(plain("b:2")));
    world.limits[0] = 0;
    for _ in 0..20 {
        world.push(5_000, 100);
        world.flush();
    }
    let [refused, other] = [0, 1].map(|destination| world.account(destination));
    assert_eq!(other.exported, 100_000);
    assert_eq!(refused.dropped(DropReason::TooLarge), 100_000, "{refused}");
    assert!(world.sizes[1].len() < 60, "{}", world.sizes[1].len());
    assert!(world.sizes[0].len() < 1_000, "{}", world.sizes[0].len());
    world.shut_down(HOUR);
}

/// `error` is about the budget of `bytes` bytes, and `build` accepts the one that it names.
fn least_budget<T>(bytes: usize, build: impl Fn(usize) -> Result<T, BuildError>) -> usize {
    let error = build(bytes).err().unwrap().to_string();
    assert!(error.starts_with(&format!("with_budget_bytes is {bytes}; ")), "{error}");
    let least = error.split("accepted is ").nth(1).and_then(|rest| rest.split(' ').next());
    let least = least.unwrap().parse().unwrap();
    assert!(build(least).is_ok(), "{error}");
    least
}

#[test]
fn a_budget_for_a_ring_grows_with_its_endpoints_and_no_faster() {
    let ring = |endpoints: usize| {
        let endpoints = (0..endpoints).map(|i| (format!("c{i}:1"), plain("c:1")));
        Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap()
    };
    for endpoints in [15, 50, 100] {
        assert!(Exporter::builder(ring(endpoints)).prepare().is_ok(), "{endpoints}");
    }
    let least = [200, 400].map(|endpoints| {
        let ring = ring(endpoints);
        least_budget(1 << 20, |bytes| {
            Exporter::builder(ring.clone()).with_budget_bytes(bytes).prepare()
        })
    });
    assert!(least[1] < 9 * least[0] / 4 && least[1] < 80 << 20, "{least:?}");
}

#[test]
fn a_ring_of_many_endpoints_delivers_with_its_smallest_budget() {
    let endpoints = (0..100).map(|i| (format!("c{i}:1"), plain("c:1")));
    let ring = Destination::routed_by_trace_id(RingVersion::V3, endpoints).unwrap();
    let mut world = World::new(Exporter::builder(ring));
    for _ in 0..5 {
        world.push(5_000, 100);
        world.flush();
    }
    assert_eq!(world.account(0).exported, 25_000, "{}", world.account(0));
    world.shut_down(HOUR);
}

#[test]
fn a_budget_with_which_no_span_can_be_sent_is_an_error() {
    let json = |compression, level| {
        let json = Transport::builder().with_protocol(Protocol::HttpJson);
        json.with_compression(compression).with_compression_level(level).build().unwrap()
    };
    for compression in [Compression::Gzip, Compression::Zstd] {
        for level in [1, 9] {
            if compression == Compression::Zstd && !cfg!(feature = "zstd") {
                continue;
            }
            let build = |bytes| {
                let builder = Exporter::builder(json(compression, level)).with_budget_bytes(bytes);
                builder.prepare()
            };
            let least = least_budget(1 << 20, build);
            let builder = Exporter::builder(json(compression, level)).with_budget_bytes(least);
            let mut world = World::new(builder);
            for _ in 0..50 {
                world.push(1, 16_000);
                world.flush();
            }
            assert_eq!(world.account(0).exported, 50, "{}", world.account(0));
            world.shut_down(HOUR);
        }
    }
}

#[test]
fn destinations_whose_bodies_differ_are_limited_by_the_budget() {
    let json = |compression| {
        let json = Transport::builder().with_protocol(Protocol::HttpJson);
        json.with_compression(compression).build().unwrap()
    };
    let json = [json(Compression::None), json(Compression::Gzip)];
    let builder = Exporter::builder(json[0].clone()).with_destination(json[1].clone());
    let mut world = World::new(builder.with_destination(to("c:3", Compression::Gzip)));
    world.push(1_000, 10);
    world.flush();
    assert_eq!([0, 1, 2].map(|it| world.account(it).exported), [1_000; 3]);
    world.shut_down(HOUR);
}

/// A sink that states this bound for its copies.
struct Copying(usize);

impl Sink for Copying {
    fn take(&self, _: Bytes) -> SinkFuture<'_> {
        Box::pin(async { Outcome::Accepted { rejected: 0, message: None } })
    }

    fn copy_bound(&self, _: usize) -> usize {
        self.0
    }
}

#[test]
fn a_sink_that_states_an_absurd_bound_for_its_copies_is_an_error() {
    for bound in [usize::MAX, usize::MAX / 2, 16 << 30] {
        let to_sink = || Transport::builder().with_sink(Copying(bound)).build().unwrap();
        let alone = Exporter::builder(to_sink());
        for builder in [alone, Exporter::builder(to_sink()).with_destination(to_sink())] {
            let error = builder.prepare().unwrap_err().to_string();
            assert!(error.starts_with(&format!("Sink::copy_bound is {bound} bytes")), "{error}");
        }
    }
    let to_sink = || Transport::builder().with_sink(Copying(8 << 20)).build().unwrap();
    least_budget(1 << 20, |bytes| {
        Exporter::builder(to_sink()).with_destination(to_sink()).with_budget_bytes(bytes).prepare()
    });
}

#[test]
fn the_name_of_a_destination_has_no_secret_and_no_control_character() {
    let ring = |name: &str| {
        Destination::routed_by_trace_id(RingVersion::V3, [(name, plain("a:1"))]).unwrap()
    };
    for name in [
        "https://user:hunter2@collector:4317/path?key=hunter2\u{1b}[31m\n",
        "user:p/hunter2@collector:4317#hunter2",
        "collector:4317?key=hunter2",
    ] {
        let destination = ring(name);
        let shown = format!("{} {destination:?}", destination.name());
        assert!(!shown.contains("hunter2") && !shown.contains(['\u{1b}', '\n']), "{shown}");
    }
    assert_eq!(&*routed().name(), NAMES.join(", "));
    let named = routed().with_name("archive\u{1b}[31m\nof all");
    assert!(!named.name().contains(['\u{1b}', '\n']), "{:?}", named.name());
    let sink = Transport::builder().with_sink(Copying(0)).build().unwrap();
    assert_eq!(&*Destination::new(sink).name(), "the sink");
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize, usize),
    /// Answers the request in flight with this index, modulo their number, by an outcome.
    Answer(usize, u8),
    Wait(u16),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..200, 0usize..300).prop_map(|(spans, bytes)| Step::Push(spans, bytes)),
        1 => (1usize..20, 10_000usize..150_000).prop_map(|(spans, bytes)| Step::Push(spans, bytes)),
        6 => (any::<usize>(), 0u8..5).prop_map(|(index, outcome)| Step::Answer(index, outcome)),
        3 => (0u16..1_500).prop_map(Step::Wait),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For any answers of the endpoints: each span has one outcome at each destination, no endpoint gets a span
    /// twice or one of another's traces, and the budget is never exceeded.
    #[test]
    fn each_span_has_one_outcome_at_each_destination(
        steps in steps(),
        kinds in prop::collection::vec(0u8..3, 1..4),
        max_in_flight in 1usize..4,
        timeout in prop_oneof![Just(0u64), 0u64..5_000],
    ) {
        let destination = |index: usize, kind: u8| match kind {
            0 => Destination::new(plain(&format!("d-{index}:1"))),
            1 => Destination::new(to(&format!("d-{index}:1"), Compression::Gzip)),
            _ => routed(),
        };
        let mut kinds = kinds.into_iter().enumerate();
        let (_, first) = kinds.next().unwrap();
        let mut builder = Exporter::builder(destination(0, first));
        for (index, kind) in kinds {
            builder = builder.with_destination(destination(index, kind));
        }
        let mut world =
            World::new(builder.with_budget_bytes(6 << 20).with_max_in_flight(max_in_flight));
        let (mut random, lanes) = (SplitMix64::new(3), world.answers.len());
        let mut is_split = false;
        world.answers = (0..lanes).map(|_| random.below(2) == 0).collect();
        for step in steps {
            match step {
                Step::Push(spans, bytes) => world.push(spans, bytes),
                Step::Answer(index, outcome) if !world.in_flight.is_empty() => {
                    let failed = |failure| Delivery::from(Outcome::Failed(failure));
                    let delivery = match outcome {
                        0 => Some(accepted()),
                        1 => Some(failed(Failure::Redirect { status: 302 })),
                        2 => Some(Delivery::from(Outcome::Accepted { rejected: 3, message: None })),
                        3 => {
                            // Its spans are sent again.
                            is_split = true;
                            Some(failed(Failure::TooLarge))
                        }
                        _ => None,
                    };
                    let index = index % world.in_flight.len();
                    world.answer(index, delivery);
                }
                Step::Answer(..) => {}
                Step::Wait(millis) => world.wait(Duration::from_millis(millis.into())),
                Step::Flush => world.flush(),
            }
        }
        world.shut_down(Duration::from_millis(timeout));
        let first = world.account(0);
        // Spans that the queue refused reach no destination.
        let refused = first.created - world.account(world.ledgers.len() - 1).created;
        prop_assert!(refused <= first.dropped_total());
        for destination in 1..world.ledgers.len() {
            prop_assert_eq!(world.account(destination).created, first.created - refused);
        }
        for endpoint in 0..lanes {
            prop_assert!(is_split || world.traces(endpoint).values().all(|spans| *spans == 1));
        }
    }
}
