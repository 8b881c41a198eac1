//! Requests that a node refuses before it accepts them: with the status of their reason, and at once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_node::Node;
use spanwise_node::settings::*;
use spanwise_receiver::{Answer, Receiver};
use spanwise_tail::{Policy, PolicyKind, TailSamplingConfig};
use spanwise_transport::Transport;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use support::*;

/// A node with tail sampling in little memory.
fn sampling(destination: DestinationSettings) -> NodeSettings {
    let mut settings = settings(vec![destination]);
    settings.memory = MemoryLimit::Bytes(32 << 20);
    let policy = Policy::new("all", PolicyKind::AlwaysSample);
    settings.tail_sampling = Some(
        TailSamplingConfig::default()
            .with_num_traces(1000)
            .with_decision_wait(Duration::from_millis(50))
            .with_policy(policy),
    );
    settings
}

/// The settings with the role of both, and this node as its only peer.
fn both(mut settings: NodeSettings) -> NodeSettings {
    let resolver = Resolver::Static(vec!["this-node:4317".to_owned()]);
    let mut gateway = GatewaySettings::new(resolver, Transport::builder());
    gateway.own_name = Some("this-node:4317".to_owned());
    settings.gateway = Some(gateway);
    settings
}

fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

#[test]
fn a_request_that_tail_sampling_never_takes_is_refused_without_a_delay() {
    let (receiver, collected) = collecting();
    let settings = || sampling(destination("one", &receiver.http_endpoint()));
    // Lists of their spans are larger than the whole queue.
    let large = message(1, &message(2, &message(2, &[]).repeat(100_000)));
    for settings in [settings(), both(settings())] {
        let node = Node::start(settings).unwrap();
        let mut client = Client::connect(node.addresses()[0]);
        let reply = client.post(&large);
        assert_eq!((reply.status, reply.retry_after), (413, None));
        let intake = node.account().intake;
        assert_eq!((intake.refused_malformed, intake.refused_overloaded), (100_000, 0));
        assert_eq!(intake.accepted, 0);
        end(node);
    }
    assert_eq!(collected.spans(), 0);
}

/// The queue of tail sampling fills behind a destination that is down: each request has an answer, and those that were accepted arrive.
#[test]
fn a_full_queue_of_tail_sampling_blocks_no_client() {
    let roles: [fn(NodeSettings) -> NodeSettings; 2] = [|settings| settings, both];
    for make in roles {
        let is_down = Arc::new(AtomicBool::new(true));
        let (_, collected) = collecting();
        let (store, down) = (collected.handler(), Arc::clone(&is_down));
        let receiver = Receiver::builder().with_handler(move |export| match down.load(SeqCst) {
            true => Answer::Refuse {
                http_status: 503,
                grpc_code: 14,
                message: "down".to_owned(),
                retry_after: Some(Duration::from_millis(1)),
            },
            false => store(export),
        });
        let receiver = receiver.start().unwrap();
        let transport = Transport::builder()
            .with_endpoint(receiver.http_endpoint().parse().unwrap())
            .with_request_timeout(PATIENCE * 10);
        let mut target = with_transport("one", transport);
        target.queue_bytes = Some(64 << 10);
        let node = Node::start(make(sampling(target))).unwrap();
        let mut client = Client::connect(node.addresses()[0]);
        let (mut accepted, mut refused) = (0..0, 0);
        while refused < 20 {
            // An answer within the timeout of the client, each time.
            let reply = client.post(&request(accepted.end..accepted.end + 200));
            match reply.status {
                200 => accepted.end += 200,
                503 => refused += 1,
                other => panic!("{other}"),
            }
            assert!(accepted.end < 1_000_000);
        }
        let queued = node.account().sampler.unwrap().counts.queued_bytes;
        assert!(queued > 3 << 20, "{queued} bytes of 4 MiB");
        is_down.store(false, SeqCst);
        end(node);
        assert_exactly(&collected, accepted);
    }
}
