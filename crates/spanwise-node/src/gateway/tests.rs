//! A gateway with receivers on loopback as its peers.

mod changes;
mod own_share;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use spanwise_ledger::DropReason;
use spanwise_metrics::MetricData;
use spanwise_receiver::{Answer, Receiver};
use spanwise_transport::{
    Compression, Protocol, RetryPolicy, Ring, RingVersion, Transport, TransportBuilder,
};
use spanwise_wire::read::TraceRequest;

use super::*;
use crate::settings::Resolver;

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(60);

type SpanKey = ([u8; 16], [u8; 8]);

/// The spans of a request, as the reader of the wire format finds them.
fn spans_of(request: &[u8]) -> Vec<SpanKey> {
    let spans = TraceRequest::new(request).spans().map(|span| {
        let span = span.unwrap();
        (span.trace_id().unwrap(), span.span_id().unwrap())
    });
    spans.collect()
}

/// A peer that remembers its spans.
pub(super) struct Sampler {
    receiver: Receiver,
    spans: Arc<Mutex<Vec<SpanKey>>>,
}

impl Sampler {
    pub(super) fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), |_| Answer::Accept)
    }

    /// With a handler that decides about a request by its spans.
    fn at(
        address: SocketAddr,
        answer: impl Fn(&[SpanKey]) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let spans = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&spans);
        let receiver = Receiver::builder().with_address(address).with_handler(move |export| {
            let spans = spans_of(&export.body);
            let answer = answer(&spans);
            if matches!(answer, Answer::Accept | Answer::Partial { .. }) {
                received.lock().unwrap().extend(spans);
            }
            answer
        });
        Self { receiver: receiver.start().unwrap(), spans }
    }

    pub(super) fn name(&self) -> String {
        self.receiver.address().to_string()
    }

    pub(super) fn spans(&self) -> Vec<SpanKey> {
        self.spans.lock().unwrap().clone()
    }

    pub(super) fn traces(&self) -> HashSet<[u8; 16]> {
        self.spans().into_iter().map(|(trace, _)| trace).collect()
    }
}

/// A request with a span of each trace, and an id for each span that no other has.
pub(super) fn request(traces: impl Iterator<Item = u64>, number: u64) -> (Vec<u8>, Vec<SpanKey>) {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2];
        spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    };
    let (mut spans, mut keys) = (Vec::new(), Vec::new());
    for trace in traces {
        let trace_id = (u128::from(trace) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c5f);
        let key = (trace_id.to_be_bytes(), ((number << 32) + trace + 1).to_be_bytes());
        let span = [field(1, &key.0), field(2, &key.1), field(5, b"name")].concat();
        spans.extend(field(2, &span));
        keys.push(key);
    }
    let resource = field(1, &field(1, &field(1, b"service.name")));
    (field(1, &[resource, field(2, &spans)].concat()), keys)
}

pub(super) fn transport() -> TransportBuilder {
    let retry = RetryPolicy::default().with_initial(Duration::from_millis(5));
    Transport::builder().with_protocol(Protocol::Grpc).with_retry(retry)
}

pub(super) fn list(samplers: &[&Sampler]) -> Resolver {
    Resolver::Static(samplers.iter().map(|sampler| sampler.name()).collect())
}

/// A gateway with its clients.
pub(super) struct World {
    pub(super) gateway: Arc<Gateway>,
    pub(super) budget: Budget,
    /// The spans that the gateway accepted.
    pub(super) accepted: Vec<SpanKey>,
}

impl World {
    pub(super) fn start(settings: GatewaySettings, local: Option<Arc<dyn Stage>>) -> Self {
        let budget = Budget::new(64 << 20);
        let gateway = Gateway::start(settings, local, budget.clone(), Handle::current()).unwrap();
        Self { gateway: Arc::new(gateway), budget, accepted: Vec::new() }
    }

    /// Sends a request as a client does, that waits while the gateway is busy.
    pub(super) async fn send(&mut self, traces: impl Iterator<Item = u64>, number: u64) {
        let (bytes, keys) = request(traces, number);
        let bytes = Bytes::from(bytes);
        while self.try_send(&bytes, keys.len() as u64).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.accepted.extend(keys);
    }

    fn try_send(&self, bytes: &Bytes, spans: u64) -> Result<(), Refusal> {
        let charge = Arc::new(self.budget.try_charge(bytes.len()).unwrap());
        self.gateway.try_accept(OwnedRequest { bytes: bytes.clone(), spans, charge })
    }

    /// Drains the gateway, and checks its account.
    pub(super) async fn drain(&self, timeout: Duration) -> GatewayAccount {
        self.gateway.drain(Instant::now() + timeout).await;
        let counts = self.gateway.account();
        counts.ledger.check().unwrap();
        assert_eq!(counts.ledger.in_flight, 0);
        assert_eq!(counts.handed, self.accepted.len() as u64);
        assert_eq!(counts.handed, counts.local + counts.without_peers + counts.ledger.created);
        assert_eq!(self.budget.charged(), 0);
        counts
    }

    /// Checks that each accepted span arrived, and that none arrived twice.
    pub(super) fn check_all(&self, samplers: &[&Sampler]) {
        let arrived = self.check_no_loss(samplers);
        assert_eq!(arrived, self.accepted.len(), "no span twice");
    }

    /// Checks that each accepted span arrived, and no other. Returns how many arrived.
    pub(super) fn check_no_loss(&self, samplers: &[&Sampler]) -> usize {
        let arrived: Vec<SpanKey> = samplers.iter().flat_map(|sampler| sampler.spans()).collect();
        let distinct: HashSet<_> = arrived.iter().copied().collect();
        assert!(distinct == self.accepted.iter().copied().collect(), "all spans");
        arrived.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_trace_goes_to_the_peer_of_the_ring() {
    for (protocol, version) in [
        (Protocol::Grpc, RingVersion::V1),
        (Protocol::Grpc, RingVersion::V3),
        (Protocol::HttpProtobuf, RingVersion::V2),
    ] {
        let samplers = [Sampler::start(), Sampler::start(), Sampler::start()];
        let [a, b, c] = &samplers;
        let transport = transport().with_protocol(protocol).with_compression(Compression::Gzip);
        let mut settings = GatewaySettings::new(list(&[a, b, c]), transport);
        settings.ring = version;
        let mut world = World::start(settings, None);
        for number in 0..50 {
            world.send(0..200, number).await;
        }
        let counts = world.drain(LONG).await;
        assert_eq!(counts.ledger.exported, 10_000);
        world.check_all(&[a, b, c]);
        // The order of the names does not matter.
        let ring = Ring::new(version, [c, a, b].map(Sampler::name)).unwrap();
        for sampler in &samplers {
            assert!(
                sampler.spans().iter().all(|(trace, _)| ring.endpoint(*trace) == sampler.name())
            );
        }
        let sum = |of: fn(&PeerAccount) -> u64| counts.peers.iter().map(of).sum::<u64>();
        // The peers of a drained gateway are no members; their numbers are in the ledger.
        assert_eq!(sum(|peer| peer.in_flight()), 0);
        assert_eq!((counts.torn_traces, counts.rerouted, counts.ring_changes), (0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_requests_before_they_are_accepted() {
    let name = Sampler::start().name();
    // Nothing listens there any more.
    let mut settings = GatewaySettings::new(Resolver::Static(vec![name]), transport());
    settings.queue_bytes = Some(1_000);
    let mut world = World::start(settings, None);
    assert_eq!(world.gateway.busy(), None);
    // Each of four senders takes what waits, once; the rest stays.
    let mut number = 0;
    let account = loop {
        if world.gateway.busy().is_none() {
            assert!(number < 1_000);
            world.send(0..10, number).await;
            number += 1;
            continue;
        }
        let account = world.gateway.account().peers[0].clone();
        if account.queued_bytes >= 1_000 {
            break account;
        }
    };
    assert_eq!(account.in_flight(), world.accepted.len() as u64);
    // The deadline of the shutdown.
    let counts = world.drain(Duration::from_millis(50)).await;
    let lost = counts.ledger.dropped(DropReason::ShutdownDeadline);
    assert_eq!(lost, world.accepted.len() as u64, "{:?}", counts.ledger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_whose_parts_there_is_no_memory_is_refused() {
    let [a, b] = [Sampler::start(), Sampler::start()];
    let mut world = World::start(GatewaySettings::new(list(&[&a, &b]), transport()), None);
    let (bytes, keys) = request(0..1_000, 1);
    let bytes = Bytes::from(bytes);
    let rest = world.budget.limit() - world.budget.charged() - bytes.len();
    let all = world.budget.try_charge(rest).unwrap();
    let refused = world.try_send(&bytes, keys.len() as u64);
    assert_eq!(refused, Err(Refusal::Busy(Busy::Full)));
    assert_eq!(world.gateway.account().handed, 0);
    drop(all);
    world.send(0..1_000, 1).await;
    let counts = world.drain(LONG).await;
    assert_eq!((counts.undivided, counts.ledger.exported), (0, 1_000));
    world.check_all(&[&a, &b]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_refuses_large_requests_gets_smaller_ones() {
    let refuse = |spans: &[SpanKey]| {
        let spans = spans.len();
        if spans > 30 {
            let message = "request body too large".to_owned();
            return Answer::Refuse { http_status: 413, grpc_code: 8, message, retry_after: None };
        }
        Answer::Partial { rejected: i64::from(spans > 20), message: String::new() }
    };
    let sampler = Sampler::at(SocketAddr::from(([127, 0, 0, 1], 0)), refuse);
    let transport = transport().with_protocol(Protocol::HttpProtobuf);
    let mut world = World::start(GatewaySettings::new(list(&[&sampler]), transport), None);
    world.send(0..100, 1).await;
    let counts = world.drain(LONG).await;
    world.check_all(&[&sampler]);
    assert_eq!(counts.ledger.exported, 96);
    assert_eq!(counts.ledger.dropped(DropReason::PartialRejected), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_of_a_list_are_errors_of_the_start() {
    for names in [vec![], vec!["a b"], vec!["a:x"]] {
        let resolver = Resolver::Static(names.iter().map(|name| (*name).to_owned()).collect());
        let settings = GatewaySettings::new(resolver, transport());
        let started = Gateway::start(settings, None, Budget::new(1 << 20), Handle::current());
        assert!(started.is_err(), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_the_names_of_the_collector() {
    let sampler = Sampler::start();
    let mut world = World::start(GatewaySettings::new(list(&[&sampler]), transport()), None);
    world.send(0..10, 1).await;
    while world.gateway.account().ledger.in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let metrics: HashMap<String, Metric> = world
        .gateway
        .metrics()
        .into_iter()
        .map(|metric| (metric.name.to_string(), metric))
        .collect();
    let sum = |name: &str| {
        let metric = &metrics[&format!("otelcol_loadbalancer_{name}")];
        let numbers = metric.data.numbers().unwrap();
        numbers.iter().filter_map(|point| point.value.as_u64()).sum::<u64>()
    };
    assert_eq!(
        (sum("num_backends"), sum("num_resolutions"), sum("num_backend_updates")),
        (1, 1, 1)
    );
    assert!(sum("backend_outcome") >= 1);
    let MetricData::Histogram(points) = &metrics["otelcol_loadbalancer_backend_latency"].data
    else {
        panic!("no histogram")
    };
    assert!(points[0].count() >= 1);
    world.drain(LONG).await;
}
