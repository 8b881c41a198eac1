//! Requests pass through a node to its destinations.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spanwise_node::settings::*;
use spanwise_node::{ExitKind, Node};
use spanwise_receiver::{Answer, Collected, Limits, Receiver};
use spanwise_transport::{Compression, Protocol, Transport};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use support::*;

#[test]
fn each_span_reaches_each_destination_once_in_few_requests() {
    let destinations: [_; 2] = std::array::from_fn(|_| collecting());
    let settings = settings(
        ["one", "two"]
            .into_iter()
            .zip(&destinations)
            .map(|(name, (receiver, _))| destination(name, &receiver.http_endpoint()))
            .collect(),
    );
    let node = Node::start(settings).unwrap();
    let idle_bytes = node.account().memory.charged_bytes;
    let address = node.addresses()[0];
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for round in 0..50 {
                    let first = (thread * 50 + round) * 20;
                    assert_eq!(client.post(&request(first..first + 20)).status, 200);
                }
            });
        }
    });
    let account = end(node);
    for (_, collected) in &destinations {
        assert_exactly(collected, 0..4000);
        assert!(collected.bodies().len() < 100, "{} requests", collected.bodies().len());
    }
    assert_eq!((account.intake.received, account.intake.accepted), (4000, 4000));
    assert_eq!(account.memory.charged_bytes, idle_bytes);
    let text = account.to_string();
    assert!(text.contains("each span has exactly one outcome"), "{text}");
}

/// The oracle is the decoder of prost: a joined request has all groups of its parts, with their order and contents.
#[test]
fn joined_requests_are_unchanged() {
    let (receiver, collected) = collecting();
    let node = Node::start(settings(vec![destination("one", &receiver.http_endpoint())])).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    let sent: Vec<_> = (0..10).map(|number| request(number * 5..number * 5 + 5)).collect();
    sent.iter().for_each(|body| assert_eq!(client.post(body).status, 200));
    end(node);
    let groups = |bodies: Vec<Vec<u8>>| -> Vec<_> {
        let decoded = bodies.iter().map(|it| ExportTraceServiceRequest::decode(&it[..]).unwrap());
        decoded.flat_map(|request| request.resource_spans).collect()
    };
    let arrived = collected.bodies().iter().map(|body| body.to_vec()).collect();
    assert!(groups(arrived) == groups(sent));
}

#[test]
fn every_protocol_and_compression_arrives_and_leaves() {
    for (protocol, compression) in [
        (Protocol::Grpc, Compression::None),
        (Protocol::Grpc, Compression::Gzip),
        (Protocol::HttpProtobuf, Compression::Zstd),
        (Protocol::HttpJson, Compression::None),
    ] {
        let (receiver, collected) = collecting();
        let transport = |endpoint: String| {
            Transport::builder()
                .with_protocol(protocol)
                .with_endpoint(endpoint.parse().unwrap())
                .with_compression(compression)
        };
        let target = with_transport("one", transport(receiver.http_endpoint()));
        let node = Node::start(settings(vec![target])).unwrap();
        let client = transport(format!("http://{}", node.addresses()[0])).build().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for round in 0..10 {
            let delivery = runtime.block_on(client.send(request(round * 50..round * 50 + 50)));
            assert!(delivery.is_accepted(), "{delivery}");
        }
        end(node);
        assert_exactly(&collected, 0..500);
    }
}

#[test]
fn a_large_request_leaves_in_parts() {
    let (receiver, collected) = collecting();
    let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
    settings.memory = MemoryLimit::Bytes(256 << 20);
    let node = Node::start(settings).unwrap();
    let body = request(0..90_000);
    assert!(body.len() > 8 << 20, "{}", body.len());
    assert_eq!(Client::connect(node.addresses()[0]).post(&body).status, 200);
    end(node);
    assert_exactly(&collected, 0..90_000);
    assert!(collected.bodies().iter().all(|body| body.len() <= 4 << 20));
}

#[test]
fn a_destination_that_refuses_large_requests_gets_smaller_ones() {
    let collected = Collected::new(256 << 20);
    let limits = Limits::default().with_body_bytes(20_000);
    let receiver = Receiver::builder().with_limits(limits).with_handler(collected.handler());
    let receiver = receiver.start().unwrap();
    let node = Node::start(settings(vec![destination("one", &receiver.http_endpoint())])).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..5 {
        assert_eq!(client.post(&request(round * 1000..round * 1000 + 1000)).status, 200);
    }
    let account = end(node);
    assert_exactly(&collected, 0..5000);
    assert_eq!(account.destinations[0].ledger.exported, 5000);
}

#[test]
fn rejected_spans_have_their_reason() {
    let receiver = answering(|| Answer::Partial { rejected: 3, message: "no".to_owned() });
    let other = answering(|| Answer::Refuse {
        http_status: 400,
        grpc_code: 3,
        message: "no".to_owned(),
        retry_after: None,
    });
    let node = Node::start(settings(vec![
        destination("one", &receiver.http_endpoint()),
        destination("two", &other.http_endpoint()),
    ]));
    let node = node.unwrap();
    assert_eq!(Client::connect(node.addresses()[0]).post(&request(0..10)).status, 200);
    let account = end(node);
    let [one, two] = &account.destinations[..] else { panic!() };
    assert_eq!((one.ledger.exported, one.ledger.dropped_total()), (7, 3));
    assert_eq!((two.ledger.exported, two.ledger.dropped_total()), (0, 10));
    assert!(two.last_error.as_ref().unwrap().contains("400"));
}

#[test]
fn a_file_has_every_span() {
    let directory = TempDir::new("file");
    let path = directory.0.join("spans.jsonl");
    let target = Target::File { path: path.clone(), max_bytes: None };
    let file = DestinationSettings { target, ..destination("file", "http://127.0.0.1:1") };
    let node = Node::start(settings(vec![file])).unwrap();
    assert_eq!(Client::connect(node.addresses()[0]).post(&request(0..100)).status, 200);
    end(node);
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.matches("\"spanId\"").count(), 100);
}

#[test]
fn requests_without_the_token_are_refused_unread() {
    let (receiver, collected) = collecting();
    let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
    settings.receivers[0].bearer_token = Some(Secret(Arc::from("secret-7")));
    assert!(!format!("{settings:?}").contains("secret-7"));
    let node = Node::start(settings).unwrap();
    let client = || Client::connect(node.addresses()[0]);
    let body = request(0..10);
    for token in ["", "secret", "secret-8", "secret-7secret-7"] {
        assert_eq!(client().with_token(token).post(&body).status, 401);
    }
    assert_eq!(client().post(&body).status, 401);
    assert_eq!(client().with_token("secret-7").post(&body).status, 200);
    let account = end(node);
    assert_eq!((account.intake.unauthorized_requests, account.intake.received), (5, 10));
    assert_exactly(&collected, 0..10);
}

#[test]
fn an_address_in_use_is_an_error_of_its_kind_and_nothing_runs() {
    let (receiver, _) = collecting();
    let start = |address| {
        let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
        settings.receivers[0].address = address;
        Node::start(settings)
    };
    let error = start(receiver.address()).map(drop).unwrap_err();
    assert_eq!(error.kind, ExitKind::Address);
    let text = error.to_string();
    assert!(text.contains(&receiver.address().to_string()) && !text.contains('\n'), "{text}");
}

#[test]
fn a_shutdown_ends_by_its_deadline_with_a_destination_that_hangs() {
    let hanging = answering(|| Answer::Accept.after(Duration::from_secs(60)));
    let transport = Transport::builder().with_endpoint(hanging.http_endpoint().parse().unwrap());
    let node = Node::start(settings(vec![with_transport("one", transport)])).unwrap();
    assert_eq!(Client::connect(node.addresses()[0]).post(&request(0..100)).status, 200);
    wait_until(&node, |account| account.destinations[0].ledger.ticketed == 100);
    let begun = Instant::now();
    let account = node.shutdown(Duration::from_secs(1));
    let elapsed = begun.elapsed();
    assert!(elapsed < Duration::from_millis(1050), "{elapsed:?}");
    check(&account);
    let lost: Vec<_> = account.destinations[0].ledger.drops().collect();
    assert_eq!(lost.iter().map(|(_, spans)| spans).sum::<u64>(), 100, "{lost:?}");
}
