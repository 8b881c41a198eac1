//! The strategy `span-ingest`: decisions by the spans of one request.

use crate::support;

use std::time::Instant;

use spanwise_tail::{
    CompositePolicy, Decision, LatencyPolicy, Policy, PolicyKind, RateLimitingPolicy,
    SamplingStrategy, SpanCountPolicy, StringAttributePolicy, TailSampler, TailSamplingConfig,
};
use spanwise_wire::StatusCode;
use support::*;

fn ingest(policies: Vec<Policy>) -> TailSamplingConfig {
    config(policies).with_sampling_strategy(SamplingStrategy::SpanIngest)
}

#[test]
fn span_ingest_decides_by_the_spans_of_one_request() {
    // Both in one request: each alone is not enough.
    let put = Policy::new("put", StringAttributePolicy::new("method", ["PUT"]));
    let shop = Policy::new("shop", StringAttributePolicy::new("user", ["a"]));
    let two = policy(PolicyKind::And(vec![put, shop]));
    let errors = Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error]));
    let settings = ingest(vec![two, errors]);
    let mut world = World::new(&settings);
    world.append(&request(vec![with(span(1, 1), "method", "PUT"), span(2, 1)]));
    world.append(&request(vec![with(span(1, 2), "user", "a"), span(2, 2)]));
    assert!(world.output.decisions.is_empty());
    world.append(&request(vec![with_status(span(1, 3), 2)]));
    assert_eq!(world.output.decisions, [(1, Decision::Sampled, Some("errors".to_owned()))]);
    assert_eq!(world.output.spans().len(), 3);
    world.append(&request(vec![span(1, 4)]));
    assert_eq!(world.output.spans().len(), 4);
    world.pass(DECIDED);
    assert_eq!(world.output.decisions.len(), 2);
    assert_eq!(world.output.decisions[1].1, Decision::NotSampled);
}

#[test]
fn span_ingest_counts_all_spans_and_looks_at_those_of_one_resource() {
    let world = |kind| World::new(&ingest(vec![policy(kind)]));
    let mut counting = world(SpanCountPolicy::at_least(3).into());
    counting.append(&request(vec![span(1, 1), span(1, 2)]));
    assert!(counting.output.decisions.is_empty());
    counting.append(&request(vec![span(1, 3)]));
    assert_eq!(counting.output.traces(), [1]);

    let service = |name| Policy::new(name, StringAttributePolicy::new("service.name", [name]));
    let group = |name, id| {
        resource_spans(vec![attribute("service.name", name)], vec![("scope", vec![span(1, id)])])
    };
    let mut both = world(PolicyKind::And(vec![service("a"), service("b")]));
    both.append(&encode(vec![group("a", 1), group("b", 2)]));
    both.pass(DECIDED);
    assert_eq!(both.output.decisions[0].1, Decision::NotSampled);
    // The spans of the second resource follow the decision for those of the first.
    let mut first = world(service("a").kind);
    first.append(&encode(vec![group("a", 1), group("b", 2)]));
    assert_eq!(first.output.spans().len(), 2);
    assert_eq!(first.sampler.counts().late_sampled_spans, 1);
}

#[test]
fn span_ingest_accepts_what_the_collector_accepts() {
    let accepts =
        |kind: PolicyKind| TailSampler::new(&ingest(vec![policy(kind)]), Instant::now()).is_ok();
    // A trace can outgrow an upper bound, but not a lower one.
    let latency = LatencyPolicy::above(1);
    assert!(accepts(latency.into()));
    assert!(!accepts(latency.with_upper_threshold_ms(2).into()));
    assert!(accepts(SpanCountPolicy::at_least(1).into()));
    let bounded = policy(SpanCountPolicy::at_least(1).with_max_spans(2));
    assert!(!accepts(PolicyKind::Not(Box::new(bounded.clone()))));
    let composite = |sub| accepts(CompositePolicy::new(10, vec![sub]).into());
    assert!(composite(policy(latency)) && !composite(bounded));
    assert!(!composite(policy(RateLimitingPolicy::new(1))));
}

#[test]
fn span_ingest_waits_for_a_drop_policy_that_may_match() {
    let metrics = Policy::new("metrics", StringAttributePolicy::new("url.path", ["/metrics"]));
    let drop = Policy::new("drop", PolicyKind::Drop(vec![metrics]));
    let settings = ingest(vec![policy(PolicyKind::AlwaysSample), drop]);
    let mut world = World::new(&settings);
    world.append(&request(vec![span(1, 1), span(2, 1)]));
    assert!(world.output.decisions.is_empty());
    world.append(&request(vec![with(span(1, 2), "url.path", "/metrics")]));
    assert_eq!(world.output.decisions, [(1, Decision::Dropped, Some("drop".to_owned()))]);
    world.pass(DECIDED);
    assert_eq!(world.output.traces(), [2]);
}
