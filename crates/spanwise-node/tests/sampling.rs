//! Processors and tail sampling in a node, and their replacement while requests arrive.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_config::Document;
use spanwise_node::Node;
use spanwise_node::settings::*;
use spanwise_receiver::Answer;
use spanwise_redact::{Redactor, Rule};
use spanwise_tail::{
    Policy, PolicyKind, ProbabilisticSamplerConfig, SpanFilter, TailSamplingConfig,
};
use spanwise_wire::StatusCode;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use support::*;

fn tail(wait: Duration, policy: PolicyKind) -> TailSamplingConfig {
    TailSamplingConfig::default()
        .with_num_traces(1000)
        .with_decision_wait(wait)
        .with_policy(Policy::new("policy", policy))
}

fn errors() -> PolicyKind {
    PolicyKind::StatusCode(vec![StatusCode::Error])
}

fn redact() -> Processor {
    let redactor = Redactor::builder().with_rule(Rule::delete(["user"])).build().unwrap();
    Processor::Redact(Box::new(redactor))
}

fn filter(condition: &str) -> Processor {
    let text =
        format!("processors:\n  filter:\n    traces:\n      span:\n        - '{condition}'\n");
    let document = Document::parse("c.yaml", text.as_bytes(), |_| None).unwrap();
    Processor::Filter(Box::new(SpanFilter::from_document(&document, None).unwrap().value))
}

#[test]
fn whole_traces_are_sampled_and_a_shutdown_decides_the_last() {
    let (receiver, collected) = collecting();
    let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
    settings.tail_sampling = Some(tail(Duration::from_secs(60), errors()));
    let node = Node::start(settings).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    // The spans of a trace arrive in different requests.
    for first in 0..4 {
        for round in 0..10 {
            let numbers = (0..30).map(|trace| (round * 30 + trace) * 4 + first);
            assert_eq!(client.post(&request(numbers)).status, 200);
        }
    }
    wait_until(&node, |account| {
        account.sampler.is_some_and(|it| it.counts.shards.pending_traces == 300)
    });
    let account = end(node);
    assert_exactly(&collected, (0..1200).filter(|number| number / 4 % 3 == 0));
    let counts = account.sampler.unwrap().counts;
    assert_eq!((counts.accepted_spans, counts.shards.sampled_spans), (1200, 400));
}

#[test]
fn each_span_has_an_outcome_behind_a_shutdown_without_time() {
    // A destination that never answers, and one that does: without time, neither gets the last traces.
    for endpoint in ["http://127.0.0.1:9", &collecting().0.http_endpoint()] {
        let mut settings = settings(vec![destination("one", endpoint)]);
        settings.tail_sampling = Some(tail(Duration::from_secs(60), PolicyKind::AlwaysSample));
        let node = Node::start(settings).unwrap();
        let mut client = Client::connect(node.addresses()[0]);
        for round in 0..20 {
            assert_eq!(client.post(&request(round * 200..(round + 1) * 200)).status, 200);
        }
        let account = node.shutdown(Duration::ZERO);
        account.check().unwrap_or_else(|imbalance| panic!("{imbalance}\n{account}"));
        let lost: u64 = account.sampler.unwrap().lost().map(|(_, spans)| spans).sum();
        let ledger = &account.destinations[0].ledger;
        assert_eq!(lost + ledger.exported + ledger.dropped_total(), 4000, "{account}");
    }
}

/// Pending traces wait for the destination, and senders are refused in the end.
#[test]
fn sampled_traces_wait_for_a_destination_that_is_down() {
    let is_down = Arc::new(AtomicBool::new(true));
    let (_, collected) = collecting();
    let (store, down) = (collected.handler(), Arc::clone(&is_down));
    let receiver = spanwise_receiver::Receiver::builder().with_handler(move |export| {
        match down.load(SeqCst) {
            true => Answer::Refuse {
                http_status: 503,
                grpc_code: 14,
                message: "down".to_owned(),
                retry_after: Some(Duration::from_millis(1)),
            },
            false => store(export),
        }
    });
    let receiver = receiver.start().unwrap();
    let transport = spanwise_transport::Transport::builder()
        .with_endpoint(receiver.http_endpoint().parse().unwrap())
        .with_request_timeout(PATIENCE * 10);
    let mut target = with_transport("one", transport);
    target.queue_bytes = Some(256 << 10);
    let mut settings = settings(vec![target]);
    settings.memory = MemoryLimit::Bytes(32 << 20);
    settings.tail_sampling = Some(tail(Duration::from_millis(50), PolicyKind::AlwaysSample));
    let node = Node::start(settings).unwrap();
    let address = node.addresses()[0];
    let sender = thread::spawn(move || {
        let mut client = Client::connect(address);
        (0..400u64)
            .map(|round| client.post_until_accepted(&request(round * 200..round * 200 + 200)))
            .sum::<u64>()
    });
    wait_until(&node, |account| account.intake.overloaded_requests > 0);
    is_down.store(false, SeqCst);
    assert!(sender.join().unwrap() > 0);
    end(node);
    assert_exactly(&collected, 0..80_000);
}

#[test]
fn processors_run_in_the_order_of_the_file() {
    let (receiver, collected) = collecting();
    let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
    // After the redaction no span has a user.
    settings.processors = vec![
        redact(),
        filter("attributes[\"user\"] != nil"),
        filter("attributes[\"http.route\"] == \"/items/3\""),
    ];
    let node = Node::start(settings).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..7 {
        assert_eq!(client.post(&request(round * 100..round * 100 + 100)).status, 200);
    }
    let account = end(node);
    assert_exactly(&collected, (0..700).filter(|number| number % 7 != 3));
    let spans = decoded(&collected);
    assert!(spans.iter().all(|span| span.attributes.iter().all(|it| it.key == "http.route")));
    assert_eq!((account.intake.filtered, account.intake.passed), (100, 600));
}

#[test]
fn a_request_without_a_span_left_is_accepted_and_goes_nowhere() {
    let (receiver, collected) = collecting();
    let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
    settings.processors = vec![filter("true")];
    let node = Node::start(settings).unwrap();
    assert_eq!(Client::connect(node.addresses()[0]).post(&request(0..10)).status, 200);
    let account = end(node);
    assert_eq!((account.intake.filtered, account.intake.passed, collected.spans()), (10, 0, 0));
}

#[test]
fn a_share_of_the_traces_is_sampled_and_the_rest_counted() {
    let (receiver, collected) = collecting();
    let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
    let config = ProbabilisticSamplerConfig::default().with_sampling_percentage(25.0);
    settings.processors = vec![Processor::Probabilistic(config)];
    let node = Node::start(settings).unwrap();
    let mut client = Client::connect(node.addresses()[0]);
    for round in 0..40 {
        assert_eq!(client.post(&request(round * 100..round * 100 + 100)).status, 200);
    }
    let account = end(node);
    let mut traces = HashMap::<_, u64>::new();
    collected.span_ids().iter().for_each(|(trace, _)| *traces.entry(*trace).or_default() += 1);
    assert!(traces.values().all(|spans| *spans == 4), "whole traces");
    assert!((150..350).contains(&traces.len()), "{}", traces.len());
    assert_eq!(account.intake.sampled_out + collected.spans(), 4000);
}

/// Policies, processors and destinations change while four senders send: each trace is sampled by one of both policies.
#[test]
fn a_reload_under_load_loses_no_span() {
    let destinations: [_; 2] = std::array::from_fn(|_| collecting());
    let make = |index: usize| {
        let mut settings =
            settings(vec![destination("one", &destinations[index].0.http_endpoint())]);
        settings.tail_sampling = Some(tail(Duration::from_millis(20), PolicyKind::AlwaysSample));
        settings.processors = if index == 0 { vec![redact()] } else { Vec::new() };
        settings
    };
    let mut node = Node::start(make(0)).unwrap();
    let address = node.addresses()[0];
    thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    for round in 0..100u64 {
                        let first = (thread * 100 + round) * 40;
                        client.post_until_accepted(&request(first..first + 40));
                    }
                })
            })
            .collect();
        let mut index = 0;
        while !senders.iter().all(|sender| sender.is_finished()) {
            index = 1 - index;
            node.reload(make(index)).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
    });
    let account = end(node);
    let mut arrived: Vec<_> = destinations.iter().flat_map(|(_, it)| it.span_ids()).collect();
    arrived.sort_unstable();
    let mut expected: Vec<_> = (0..16_000).map(ids).collect();
    expected.sort_unstable();
    assert!(arrived == expected, "{} spans\n{account}", arrived.len());
    let is_redacted = |it: &opentelemetry_proto::tonic::trace::v1::Span| it.attributes.len() == 1;
    let spans: Vec<_> = destinations.iter().flat_map(|(_, it)| decoded(it)).collect();
    let redacted = spans.iter().filter(|span| is_redacted(span)).count();
    assert!((1..16_000).contains(&redacted), "{redacted}");
}

#[test]
fn a_token_changes_with_a_reload() {
    let (receiver, collected) = collecting();
    let make = |token: &str| {
        let mut settings = settings(vec![destination("one", &receiver.http_endpoint())]);
        settings.receivers[0].bearer_token = Some(Secret(Arc::from(token)));
        settings
    };
    let mut node = Node::start(make("old")).unwrap();
    let mut client = Client::connect(node.addresses()[0]).with_token("new");
    assert_eq!(client.post(&request(0..10)).status, 401);
    node.reload(make("new")).unwrap();
    assert_eq!(client.post(&request(0..10)).status, 200);
    end(node);
    assert_exactly(&collected, 0..10);
}
