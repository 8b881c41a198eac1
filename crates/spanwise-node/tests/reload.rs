//! Settings that a reload does not apply: each is named, and nothing changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_node::Node;
use spanwise_node::settings::*;
use spanwise_spool::SpoolSettings;
use spanwise_tail::{
    Policy, PolicyKind, ProbabilisticSamplerConfig, SpanFilter, TailSamplingConfig,
};
use spanwise_testkit::pki::{Authority, Template};
use spanwise_transport::{Endpoint, Headers, Protocol, RingVersion, Transport, TransportBuilder};
use std::fs;
use std::time::Duration;
use support::*;

/// A filter that leaves out all spans: in force, it shows.
fn filter_all() -> Processor {
    let text = "processors:\n  filter:\n    traces:\n      span: ['true']\n";
    let document = spanwise_config::Document::parse("c.yaml", text.as_bytes(), |_| None).unwrap();
    Processor::Filter(Box::new(SpanFilter::from_document(&document, None).unwrap().value))
}

/// The problems of a reload with these settings, and with a filter that must not be in force.
fn problems(node: &mut Node, mut settings: NodeSettings) -> Vec<String> {
    settings.processors.push(filter_all());
    let error = node.reload(settings).unwrap_err();
    let lines: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(error.to_string(), lines.join("; "));
    lines
}

fn restarts(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| format!("{key} has changed: restart the node to apply it")).collect()
}

fn tail() -> TailSamplingConfig {
    TailSamplingConfig::default()
        .with_num_traces(1000)
        .with_policy(Policy::new("policy", PolicyKind::AlwaysSample))
}

#[test]
fn each_key_that_needs_a_restart_is_named_and_nothing_changes() {
    let (receiver, collected) = collecting();
    let folder = TempDir::new("reload-keys");
    let make = || {
        let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
        settings.state_directory = Some(folder.0.join("state"));
        settings
    };
    let mut node = Node::start(make()).unwrap();
    let mut other = make();
    other.receivers.push(other.receivers[0].clone());
    assert_eq!(problems(&mut node, other), restarts(&["receivers"]));

    let mut other = make();
    other.role = Role::Sampler;
    other.memory = MemoryLimit::Bytes(48 << 20);
    other.receivers[0].max_connections += 1;
    other.receivers[0].max_request_bytes += 1;
    other.receivers[0].max_connection_age = Some(Duration::from_secs(60));
    other.tail_sampling = Some(tail());
    other.destinations[0].queue_bytes = Some(1);
    other.destinations[0].spool = Some(DestinationSpool {
        directory: folder.0.join("spool"),
        settings: SpoolSettings::default(),
    });
    other.admin = Some(AdminSettings::new(([127, 0, 0, 1], 0).into()));
    other.state_directory = None;
    let expected = restarts(&[
        "role",
        "memory",
        "receivers[0].max_request_mib",
        "receivers[0].max_connections",
        "receivers[0].max_connection_age",
        "tail_sampling",
        "destinations[one].queue_mib",
        "destinations[one].spool",
        "admin",
        "state",
    ]);
    assert_eq!(problems(&mut node, other), expected);

    let mut other = make();
    other.destinations[0].target = Target::Debug;
    let expected = restarts(&["destinations[one].otlp, file or debug"]);
    assert_eq!(problems(&mut node, other), expected);
    let mut other = make();
    other.destinations[0].name = "two".to_owned();
    assert_eq!(problems(&mut node, other), restarts(&["destinations"]));

    assert_eq!(Client::connect(node.addresses()[0]).post(&request(0..10)).status, 200);
    end(node);
    assert_exactly(&collected, 0..10);
}

#[test]
fn settings_that_are_not_valid_are_reported_with_the_keys() {
    let (receiver, collected) = collecting();
    let make = || settings(vec![destination("one", &receiver.http_endpoint())]);
    let mut node = Node::start(make()).unwrap();
    let mut other = make();
    other.memory = MemoryLimit::Bytes(48 << 20);
    let config = ProbabilisticSamplerConfig::default().with_sampling_percentage(-1.0);
    other.processors.push(Processor::Probabilistic(config));
    let https = Transport::builder().with_endpoint("https://localhost".parse().unwrap());
    let https = https.with_certificate_file("/nonexistent/ca.pem");
    other.destinations[0].target = Target::Otlp(Box::new(https));
    let found = problems(&mut node, other);
    let [memory, sampler, transport] = &*found else { panic!("{found:#?}") };
    assert!(memory.starts_with("memory has changed"), "{memory}");
    assert!(sampler.starts_with("probabilistic_sampler: "), "{sampler}");
    let expected = "destination one: tls.ca_file: /nonexistent/ca.pem cannot be used: ";
    assert!(transport.starts_with(expected), "{transport}");
    assert_eq!(Client::connect(node.addresses()[0]).post(&request(0..10)).status, 200);
    end(node);
    assert_exactly(&collected, 0..10);
}

#[test]
fn the_shards_and_the_memory_of_tail_sampling_need_a_restart() {
    let (receiver, _) = collecting();
    let make = |tail| {
        let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
        settings.tail_sampling = Some(tail);
        settings
    };
    let mut node = Node::start(make(tail())).unwrap();
    let other = tail().with_num_shards(7).with_max_memory_bytes(3 << 20);
    let keys = ["tail_sampling.num_shards", "tail_sampling.max_memory_bytes"];
    assert_eq!(problems(&mut node, make(other)), restarts(&keys));
    node.reload(make(tail().with_decision_wait(Duration::from_secs(7)))).unwrap();
    end(node);
}

#[test]
fn settings_of_peers_are_compared_with_their_secrets() {
    let transport = |token: &str, pem: &str| {
        let headers = Headers::parse(&format!("authorization={token}")).unwrap();
        Transport::builder()
            .with_protocol(Protocol::Grpc)
            .with_headers(headers)
            .with_certificate_pem(pem)
    };
    let make = |transport: TransportBuilder| {
        let mut settings = settings(Vec::new());
        settings.role = Role::Gateway;
        let resolver = Resolver::Static(vec!["127.0.0.1:9".to_owned()]);
        settings.gateway = Some(GatewaySettings::new(resolver, transport));
        settings
    };
    let mut node = Node::start(make(transport("one", "pem-1"))).unwrap();
    // All of the same length: their masks are the same.
    let keys = ["gateway.protocol.headers", "gateway.protocol.tls.ca_file"];
    let found = problems(&mut node, make(transport("two", "pem-2")));
    assert_eq!(found, restarts(&keys));
    let mut other = make(transport("one", "pem-1").with_attempt_timeout(Duration::from_secs(3)));
    let gateway = other.gateway.as_mut().unwrap();
    gateway.ring = RingVersion::V1;
    gateway.queue_bytes = Some(1 << 20);
    let keys = ["gateway.ring", "gateway.protocol.timeout", "gateway.queue_mib"];
    assert_eq!(problems(&mut node, other), restarts(&keys));
    let mut waiting = make(transport("one", "pem-1"));
    waiting.gateway.as_mut().unwrap().decision_wait = Duration::from_secs(1);
    node.reload(waiting).unwrap();
    node.reload(make(transport("one", "pem-1"))).unwrap();
    node.shutdown(Duration::ZERO);
}

#[test]
fn a_renewed_certificate_of_a_receiver_is_used_by_the_next_connections() {
    let (receiver, _) = collecting();
    let folder = TempDir::new("reload-certificate");
    let [first, second] = ["first", "second"].map(|name| Authority::new(name).unwrap());
    let write = |authority: &Authority| {
        let certificate = authority.issue(&Template::default()).unwrap();
        fs::write(folder.0.join("cert.pem"), certificate.certificate).unwrap();
        fs::write(folder.0.join("key.pem"), certificate.key).unwrap();
    };
    write(&first);
    let make = || {
        let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
        settings.receivers[0].tls = Some(ReceiverTls {
            cert_file: folder.0.join("cert.pem"),
            key_file: folder.0.join("key.pem"),
            client_ca_file: None,
        });
        settings
    };
    let mut node = Node::start(make()).unwrap();
    let url = format!("https://localhost:{}", node.addresses()[0].port());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Whether a client that trusts this authority alone is served on a connection of its own.
    let serves = |authority: &Authority| {
        let transport = Transport::builder()
            .with_protocol(Protocol::Grpc)
            .with_endpoint(Endpoint::parse_grpc("test", &url, false).unwrap())
            .with_certificate_pem(authority.certificate.clone())
            .with_request_timeout(Duration::from_millis(500))
            .build()
            .unwrap();
        runtime.block_on(transport.send(Vec::new())).is_accepted()
    };
    assert!(serves(&first) && !serves(&second));
    write(&second);
    assert!(serves(&first), "not yet");
    node.reload(make()).unwrap();
    assert!(serves(&second) && !serves(&first));
    // Half of a renewal: the key of another certificate.
    let other = second.issue(&Template::default()).unwrap();
    fs::write(folder.0.join("key.pem"), other.key).unwrap();
    let found = problems(&mut node, make());
    assert!(found[0].contains("the key does not belong to the certificate"), "{found:?}");
    assert!(serves(&second));
    end(node);
}
