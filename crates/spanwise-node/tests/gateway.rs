//! Nodes that route traces to each other, as one process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on must fail"
)]

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use spanwise_node::Node;
use spanwise_node::settings::{
    DestinationSettings, GatewaySettings, LogFormat, MemoryLimit, NodeSettings, ReceiverSettings,
    Resolver, Role, Target,
};
use spanwise_receiver::{Collected, Receiver};
use spanwise_transport::{Endpoint, Protocol, Ring, RingVersion, Transport, TransportBuilder};
use spanwise_wire::read::TraceRequest;

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];
const TRACES: u64 = 200;
const REQUESTS: u64 = 30;

fn receiver(address: SocketAddr, is_for_peers: bool) -> ReceiverSettings {
    ReceiverSettings {
        name: "receiver".to_owned(),
        is_for_peers,
        address,
        unix_socket: None,
        tls: None,
        bearer_token: None,
        max_request_bytes: 16 << 20,
        max_connections: 100,
        max_concurrent_streams: 100,
        max_connection_age: None,
    }
}

fn otlp(endpoint: &str) -> TransportBuilder {
    let endpoint = Endpoint::parse_grpc("test", endpoint, true).unwrap();
    Transport::builder().with_protocol(Protocol::Grpc).with_endpoint(endpoint)
}

fn settings(role: Role, receivers: Vec<ReceiverSettings>) -> NodeSettings {
    NodeSettings {
        role,
        memory: MemoryLimit::Bytes(64 << 20),
        receivers,
        processors: Vec::new(),
        tail_sampling: None,
        gateway: None,
        destinations: Vec::new(),
        admin: None,
        state_directory: None,
        shutdown_timeout: Duration::from_secs(30),
        reload_interval: None,
        logs: LogFormat::Text,
    }
}

fn destination(backend: &Receiver) -> DestinationSettings {
    DestinationSettings {
        name: "backend".to_owned(),
        target: Target::Otlp(Box::new(otlp(&backend.http_endpoint()))),
        queue_bytes: None,
        max_concurrent_requests: 4,
        max_batch_spans: 8_192,
        max_batch_bytes: 2 << 20,
        batch_timeout: Duration::from_millis(10),
        spool: None,
    }
}

fn gateway(peers: &[SocketAddr], own: Option<SocketAddr>) -> GatewaySettings {
    let names = peers.iter().map(SocketAddr::to_string).collect();
    let transport = Transport::builder().with_protocol(Protocol::Grpc);
    let mut settings = GatewaySettings::new(Resolver::Static(names), transport);
    settings.own_name = own.map(|own| own.to_string());
    settings
}

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    TcpListener::bind(SocketAddr::from((LOOPBACK, 0))).unwrap().local_addr().unwrap()
}

fn trace_id(trace: u64) -> [u8; 16] {
    (u128::from(trace) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c5f).to_be_bytes()
}

/// Sends requests with a span of each trace to each node in turn.
fn send(nodes: &[SocketAddr]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let transports = nodes.iter().map(|node| otlp(&format!("http://{node}")).build().unwrap());
    let transports: Vec<Transport> = transports.collect();
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2];
        spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    };
    for (number, transport) in (1..=REQUESTS).zip(transports.iter().cycle()) {
        let spans = (0..TRACES).flat_map(|trace| {
            let id = (number * TRACES + trace).to_be_bytes();
            field(2, &[field(1, &trace_id(trace)), field(2, &id)].concat())
        });
        let request = field(1, &field(2, &spans.collect::<Vec<u8>>()));
        assert!(runtime.block_on(transport.send(request)).is_accepted());
    }
}

/// The traces of a backend, and the number of its spans.
fn traces(collected: &Collected) -> (HashSet<[u8; 16]>, u64) {
    let (mut traces, mut spans) = (HashSet::new(), HashSet::new());
    for body in collected.bodies() {
        for span in TraceRequest::new(&body).spans() {
            let span = span.unwrap();
            traces.insert(span.trace_id().unwrap());
            assert!(spans.insert(span.span_id().unwrap()), "no span twice");
        }
    }
    (traces, spans.len() as u64)
}

fn shutdown(node: Node) -> spanwise_node::Account {
    let account = node.shutdown(Duration::from_secs(30));
    account.check().unwrap_or_else(|imbalance| panic!("{imbalance}\n{account}"));
    account
}

/// Checks that each backend has whole traces, those of its node's share.
fn check(collected: &[Collected], peers: &[SocketAddr]) {
    let ring = Ring::new(RingVersion::V3, peers.iter().map(SocketAddr::to_string)).unwrap();
    let mut shares: HashMap<usize, HashSet<[u8; 16]>> = HashMap::new();
    for trace in 0..TRACES {
        shares.entry(ring.index(trace_id(trace))).or_default().insert(trace_id(trace));
    }
    for (index, collected) in collected.iter().enumerate() {
        let (traces, spans) = traces(collected);
        assert_eq!(traces, shares[&index]);
        assert_eq!(spans, traces.len() as u64 * REQUESTS);
    }
}

#[test]
fn a_gateway_routes_each_trace_to_one_sampler() {
    let (backends, collected): (Vec<_>, Vec<_>) =
        (0..3).map(|_| Receiver::collecting().unwrap()).unzip();
    let any = SocketAddr::from((LOOPBACK, 0));
    let samplers: Vec<Node> = backends
        .iter()
        .map(|backend| {
            let mut settings = settings(Role::Sampler, vec![receiver(any, true)]);
            settings.destinations = vec![destination(backend)];
            Node::start(settings).unwrap()
        })
        .collect();
    let peers: Vec<SocketAddr> = samplers.iter().map(|node| node.addresses()[0]).collect();
    let mut settings = settings(Role::Gateway, vec![receiver(any, false)]);
    settings.gateway = Some(gateway(&peers, None));
    let router = Node::start(settings).unwrap();
    send(&router.addresses());
    assert!(!router.view().gateway_metrics().is_empty());
    let account = shutdown(router);
    let routed = account.gateway.unwrap();
    assert_eq!((routed.handed, routed.ledger.exported), (TRACES * REQUESTS, TRACES * REQUESTS));
    for sampler in samplers {
        let account = shutdown(sampler);
        assert_eq!(account.intake.passed_from_peers, account.destinations[0].ledger.exported);
    }
    check(&collected, &peers);
}

#[test]
fn nodes_with_both_roles_retain_their_share_and_route_the_rest() {
    let (backends, collected): (Vec<_>, Vec<_>) =
        (0..2).map(|_| Receiver::collecting().unwrap()).unzip();
    let any = SocketAddr::from((LOOPBACK, 0));
    let peers = [free_port(), free_port()];
    let nodes: Vec<Node> = backends
        .iter()
        .zip(peers)
        .map(|(backend, own)| {
            let receivers = vec![receiver(any, false), receiver(own, true)];
            let mut settings = settings(Role::Both, receivers);
            settings.destinations = vec![destination(backend)];
            settings.gateway = Some(gateway(&peers, Some(own)));
            Node::start(settings).unwrap()
        })
        .collect();
    let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.addresses()[0]).collect();
    send(&addresses);
    // Spans on their way to a node that ends would be refused there.
    let in_flight = |node: &Node| node.account().gateway.unwrap().ledger.in_flight;
    while nodes.iter().map(in_flight).sum::<u64>() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    for node in nodes {
        let account = shutdown(node);
        let gateway = account.gateway.unwrap();
        assert!(gateway.local > 0 && gateway.ledger.exported > 0);
        assert!(account.intake.passed_from_peers > 0);
    }
    check(&collected, &peers);
}

#[test]
fn a_role_without_its_settings_is_an_error_with_the_key() {
    let any = SocketAddr::from((LOOPBACK, 0));
    let error = Node::start(settings(Role::Gateway, vec![receiver(any, false)])).err().unwrap();
    assert!(error.to_string().contains("gateway.resolver"), "{error}");
    let mut both = settings(Role::Both, vec![receiver(any, false)]);
    both.gateway = Some(gateway(&[any], None));
    let error = Node::start(both).err().unwrap();
    assert!(error.to_string().contains("gateway.own_name"), "{error}");
}

#[test]
fn a_certificate_that_cannot_be_read_is_an_error_of_its_kind() {
    let any = SocketAddr::from((LOOPBACK, 0));
    let https = |builder: TransportBuilder| {
        let endpoint = Endpoint::parse_grpc("test", "https://localhost:9", false).unwrap();
        builder.with_endpoint(endpoint).with_certificate_file("/nonexistent/ca.pem")
    };
    let mut router = settings(Role::Gateway, vec![receiver(any, false)]);
    let mut peers = gateway(&[any], None);
    (peers.transport, peers.uses_tls) = (https(peers.transport), true);
    // Without any peer yet.
    let path = std::env::temp_dir().join("no-peers-of-any-gateway");
    peers.resolver = Resolver::File { path, interval: Duration::from_secs(60) };
    router.gateway = Some(peers);
    let mut sampler = settings(Role::Sampler, vec![receiver(any, false)]);
    let target = Target::Otlp(Box::new(https(Transport::builder())));
    sampler.destinations = vec![DestinationSettings::new("backend", target)];
    for (settings, place) in [
        (router, "gateway: protocol: tls.ca_file: "),
        (sampler, "destination backend: tls.ca_file: "),
    ] {
        let error = Node::start(settings).err().unwrap();
        assert_eq!(error.kind, spanwise_node::ExitKind::Key, "{error}");
        assert!(error.to_string().starts_with(&format!("{place}/nonexistent/ca.pem ")), "{error}");
    }
}
