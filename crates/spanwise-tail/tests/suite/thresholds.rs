//! The thresholds with which the spans of sampled traces leave.

use crate::support;

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_tail::{
    LatencyPolicy, Policy, PolicyKind, ProbabilisticPolicy, RateLimitingPolicy, Rule,
    SamplingStrategy, StringAttributePolicy, TailSamplingConfig,
};
use spanwise_wire::StatusCode;
use support::*;

/// A trace whose randomness every threshold keeps, and whose hash 2 % and more.
const HIGH: u128 = 4 << 100 | 0xff_ffff_ffff_ffff;

fn with_state(span: Span, trace_state: &str) -> Span {
    Span { trace_state: trace_state.to_owned(), ..span }
}

/// The trace states of the spans that left, after one decision.
fn states(config: &TailSamplingConfig, spans: Vec<Span>) -> Vec<String> {
    let mut world = World::new(config);
    world.append(&request(spans));
    world.pass(DECIDED);
    world.output.spans().into_iter().map(|span| span.trace_state).collect()
}

fn gated(kinds: Vec<PolicyKind>) -> TailSamplingConfig {
    let policies = kinds.into_iter().enumerate();
    config(policies.map(|(index, kind)| Policy::new(index.to_string(), kind)).collect())
        .with_use_trace_state(true)
}

fn config_of(rule: Rule) -> TailSamplingConfig {
    config(Vec::new()).with_rule(rule)
}

fn percentage(percentage: f64) -> PolicyKind {
    ProbabilisticPolicy::new(percentage).into()
}

#[test]
fn sampled_spans_leave_with_the_least_strict_threshold() {
    let errors = || PolicyKind::StatusCode(vec![StatusCode::Error]);
    let slow = || PolicyKind::from(LatencyPolicy::above(1_000));
    for (kinds, before, after) in [
        (vec![percentage(50.0)], "", "ot=th:8"),
        (vec![percentage(25.0), percentage(50.0)], "a=b", "ot=th:8,a=b"),
        // Policies that did not sample the trace count for nothing.
        (vec![errors(), slow(), percentage(25.0)], "", "ot=th:c"),
        (vec![percentage(25.0), PolicyKind::AlwaysSample], "", "ot=th:0"),
        (vec![percentage(25.0)], "ot=th:e", "ot=th:e"),
        (vec![percentage(25.0)], "ot=th:8;x:1", "ot=th:c;x:1"),
        (vec![PolicyKind::AlwaysSample], "ot=broken", "ot=broken"),
        (vec![RateLimitingPolicy::new(9).into()], "ot=th:8", ""),
        (vec![RateLimitingPolicy::new(9).into()], "a=b,ot=th:8;x:1", "ot=x:1,a=b"),
    ] {
        let spans = vec![with_state(span(HIGH, 1), before)];
        assert_eq!(states(&gated(kinds.clone()), spans.clone()), [after], "{kinds:?} {before}");
        let off = gated(kinds).with_use_trace_state(false);
        assert!(states(&off, spans).iter().all(|state| state == before));
    }
}

#[test]
fn each_span_keeps_its_own_stricter_threshold() {
    let spans = ["", "ot=th:e", "a=b,ot=th:4", "ot=th:x"].into_iter().zip(1..);
    let spans = spans.map(|(state, id)| with_state(span(HIGH, id), state)).collect();
    let mut world = World::new(&gated(vec![percentage(50.0)]));
    world.append(&request(spans));
    world.pass(DECIDED);
    // A late span bypasses the change.
    world.append(&request(vec![with_state(span(HIGH, 9), "ot=th:4")]));
    let states: Vec<String> =
        world.output.spans().into_iter().map(|span| span.trace_state).collect();
    assert_eq!(states, ["ot=th:8", "ot=th:e", "ot=th:8,a=b", "ot=th:x", "ot=th:4"]);
    assert_eq!(world.sampler.counts().malformed_trace_states, 1);
}

#[test]
fn a_dry_run_changes_no_span() {
    let config = gated(vec![percentage(50.0)]).with_dry_run(true);
    assert_eq!(states(&config, vec![span(HIGH, 1)]), [""]);
    assert_eq!(states(&config, vec![with_state(span(1, 1), "ot=th:0")]), ["ot=th:0"]);
    // Nor a late one of a trace that a rule would sample.
    let config = config_of(Rule::new("half", ProbabilisticPolicy::new(50.0))).with_dry_run(true);
    let mut world = World::new(&config);
    for id in 1..=2 {
        world.append(&request(vec![span(HIGH, id)]));
        world.pass(DECIDED);
    }
    assert_eq!(world.sampler.counts().late_sampled_spans, 1);
    assert!(world.output.spans().iter().all(|span| span.trace_state.is_empty()));
}

#[test]
fn a_decision_at_ingest_writes_its_threshold() {
    let config = gated(vec![percentage(50.0)]).with_sampling_strategy(SamplingStrategy::SpanIngest);
    assert_eq!(states(&config, vec![span(HIGH, 1)]), ["ot=th:8"]);
    // A `drop` policy that may still match delays the decision, whose probability is lost.
    let other = policy(StringAttributePolicy::new("k", ["other"]));
    let config = gated(vec![PolicyKind::Drop(vec![other]), percentage(50.0)])
        .with_sampling_strategy(SamplingStrategy::SpanIngest);
    assert_eq!(states(&config, vec![with_state(span(HIGH, 1), "ot=th:4")]), [""]);
}

#[test]
fn requests_stay_within_their_size_with_the_added_thresholds() {
    let config = gated(vec![percentage(50.0)]).with_max_request_bytes(1_024);
    let mut world = World::new(&config);
    for id in 1..=200 {
        world.append(&request(vec![span(HIGH, id)]));
    }
    world.pass(DECIDED);
    assert_eq!(world.output.spans().len(), 200);
    assert!(world.output.spans().iter().all(|span| span.trace_state == "ot=th:8"));
    let largest = world.output.requests.iter().map(Vec::len).max().unwrap();
    assert!((800..=1_024).contains(&largest), "{largest}");
}
