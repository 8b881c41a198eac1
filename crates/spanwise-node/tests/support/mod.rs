//! Nodes, senders and destinations on loopback.
#![allow(dead_code, clippy::unwrap_used)]

mod client;

pub use client::Client;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use spanwise_node::settings::*;
use spanwise_node::{Account, Node};
use spanwise_receiver::{Answer, Collected, Receiver};
use spanwise_transport::{Protocol, Transport, TransportBuilder};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The time that a test waits for an event before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Settings with one receiver on a free port, and these destinations.
pub fn settings(destinations: Vec<DestinationSettings>) -> NodeSettings {
    NodeSettings {
        role: Role::Both,
        memory: MemoryLimit::Bytes(64 << 20),
        receivers: vec![receiver()],
        processors: Vec::new(),
        tail_sampling: None,
        gateway: None,
        destinations,
        admin: None,
        state_directory: None,
        shutdown_timeout: Duration::from_secs(10),
        reload_interval: None,
        logs: LogFormat::Text,
    }
}

pub fn receiver() -> ReceiverSettings {
    ReceiverSettings::new("receivers[0]", SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A destination with requests that end after a second without an answer.
pub fn destination(name: &str, endpoint: &str) -> DestinationSettings {
    let transport = Transport::builder()
        .with_protocol(Protocol::HttpProtobuf)
        .with_endpoint(endpoint.parse().unwrap())
        .with_attempt_timeout(Duration::from_millis(500))
        .with_request_timeout(Duration::from_secs(1));
    with_transport(name, transport)
}

pub fn with_transport(name: &str, transport: TransportBuilder) -> DestinationSettings {
    let batch_timeout = Duration::from_millis(20);
    let target = Target::Otlp(Box::new(transport));
    DestinationSettings { batch_timeout, ..DestinationSettings::new(name, target) }
}

pub fn collecting() -> (Receiver, Collected) {
    Receiver::collecting().unwrap()
}

/// A receiver at `address` that collects.
pub fn collecting_at(address: SocketAddr) -> (Receiver, Collected) {
    let collected = Collected::new(256 << 20);
    let receiver =
        Receiver::builder().with_address(address).with_handler(collected.handler()).start();
    (receiver.unwrap(), collected)
}

/// A receiver that answers each request by `answer`.
pub fn answering(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Receiver {
    Receiver::builder().with_handler(move |_| answer()).start().unwrap()
}

pub type Ids = ([u8; 16], [u8; 8]);

/// A span of this number: each trace has four.
pub fn span(number: u64) -> Span {
    let text = |key: &str, text: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(text)) }),
        ..Default::default()
    };
    Span {
        trace_id: trace_id(number / 4).to_vec(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        name: format!("span {number}"),
        start_time_unix_nano: 1_700_000_000_000_000_000 + number,
        end_time_unix_nano: 1_700_000_000_001_000_000 + number,
        attributes: vec![
            text("http.route", format!("/items/{}", number % 7)),
            text("user", "ann".into()),
        ],
        // Each third trace fails.
        status: (number / 4).is_multiple_of(3).then(|| Status { code: 2, ..Default::default() }),
        ..Default::default()
    }
}

/// A trace id without an order.
pub fn trace_id(number: u64) -> [u8; 16] {
    let low = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let high = low.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

pub fn ids(number: u64) -> Ids {
    (trace_id(number / 4), (number + 1).to_be_bytes())
}

/// A request of these spans.
pub fn request(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let spans = numbers.into_iter().map(span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

pub fn decoded(collected: &Collected) -> Vec<Span> {
    let requests = collected.bodies().into_iter();
    requests
        .flat_map(|body| ExportTraceServiceRequest::decode(body).unwrap().resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}

/// Asserts that exactly these spans arrived, each once.
pub fn assert_exactly(collected: &Collected, expected: impl IntoIterator<Item = u64>) {
    let arrived = collected.span_ids();
    let distinct: HashSet<Ids> = arrived.iter().copied().collect();
    assert_eq!(arrived.len(), distinct.len(), "a span arrived twice");
    let expected: HashSet<Ids> = expected.into_iter().map(ids).collect();
    assert_eq!(distinct.len(), expected.len());
    assert!(distinct == expected);
}

/// Asserts that each of these spans arrived, at least once.
pub fn assert_all(collected: &Collected, expected: impl IntoIterator<Item = u64>) {
    let distinct: HashSet<Ids> = collected.span_ids().into_iter().collect();
    let expected: HashSet<Ids> = expected.into_iter().map(ids).collect();
    assert_eq!(distinct.len(), expected.len());
    assert!(distinct == expected);
}

/// Ends a node; its account adds up and its budget was not exceeded.
pub fn end(node: Node) -> Account {
    let account = node.shutdown(PATIENCE);
    println!("{account}");
    account.destinations.iter().for_each(|it| println!("{}: {:?}", it.name, it.last_error));
    check(&account);
    account
}

pub fn check(account: &Account) {
    account.check().unwrap_or_else(|imbalance| panic!("{imbalance}\n{account}"));
    assert!(account.memory.peak_bytes <= account.memory.budget_bytes);
}

/// Waits until the account of a running node has what is expected.
pub fn wait_until(node: &Node, mut is_met: impl FnMut(&Account) -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let account = node.account();
        if is_met(&account) {
            return;
        }
        assert!(std::time::Instant::now() < until, "{account}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A directory that its drop removes.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("node-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
