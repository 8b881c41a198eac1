//! The decisions of each policy: the cases of the Collector's own tests as tables.

use crate::support;

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_tail::{
    BooleanAttributePolicy, Compat, Decision, LatencyPolicy, NumericAttributePolicy,
    OttlConditionPolicy, Policy, PolicyKind, SpanCountPolicy, StringAttributePolicy,
    TraceStatePolicy,
};
use spanwise_wire::StatusCode;
use support::*;

const S: Decision = Decision::Sampled;
const N: Decision = Decision::NotSampled;
const D: Decision = Decision::Dropped;

fn decide_with(compat: Compat, kind: impl Into<PolicyKind>, request: &[u8]) -> Decision {
    decide_by(&config(vec![policy(kind)]).with_compat(compat), request)
}

/// A trace of spans from start to end, in milliseconds.
fn timed(times: &[(u64, u64)]) -> Vec<u8> {
    let spans =
        times.iter().zip(1..).map(|((start, end), id)| with_times(span(1, id), *start, *end));
    request(spans.collect())
}

#[test]
fn always_sample_samples() {
    assert_eq!(decide(PolicyKind::AlwaysSample, &request(vec![span(1, 1)])), S);
}

#[test]
fn latency_compares_the_whole_trace() {
    let above = LatencyPolicy::above(5_000);
    let cases: &[(&[(u64, u64)], Decision)] = &[
        (&[(0, 4_500)], N),
        (&[(0, 5_000)], N),
        (&[(0, 5_001)], S),
        (&[(2_500, 5_500), (0, 3_000)], S),
        (&[(0, 10), (9_000, 9_010), (20, 30)], S),
    ];
    for (times, expected) in cases {
        assert_eq!(decide(above, &timed(times)), *expected, "{times:?}");
    }
    assert_eq!(decide_with(Compat::v0(156), above, &timed(&[(0, 5_000)])), S);
    assert_eq!(decide_with(Compat::v0(156), above, &timed(&[(0, 4_999)])), N);
    assert_eq!(decide_with(Compat::v0(157), above, &timed(&[(0, 5_000)])), N);
}

#[test]
fn latency_with_an_upper_threshold_excludes_the_lower_one() {
    let between = LatencyPolicy::above(5_000).with_upper_threshold_ms(10_000);
    for (millis, expected) in [(4_500, N), (5_000, N), (5_001, S), (10_000, S), (10_001, N)] {
        for compat in [Compat::v0(150), Compat::LATEST] {
            assert_eq!(decide_with(compat, between, &timed(&[(0, millis)])), expected, "{millis}");
        }
    }
    // The duration until the second span is in range.
    assert_eq!(decide(between, &timed(&[(0, 1), (1, 6_000), (1, 20_000)])), S);
    assert_eq!(decide(between, &timed(&[(0, 1), (1, 20_000), (1, 6_000)])), N);
}

#[test]
fn latency_of_unusual_times_is_that_of_the_collector() {
    let above = LatencyPolicy::above(5_000);
    let unset = |start: u64, end: u64| Span {
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        ..span(1, 2)
    };
    // A start of 0 makes the duration until this span enormous, whatever follows.
    assert_eq!(decide(above, &request(vec![unset(0, EPOCH), span(1, 1)])), S);
    // An end of 0 makes it negative.
    assert_eq!(decide(above, &request(vec![unset(EPOCH, 0)])), N);
    assert_eq!(decide(above, &request(vec![unset(EPOCH + 6_000 * MILLI, EPOCH)])), N);
}

#[test]
fn numeric_attribute_is_inclusive() {
    let (min, max) = (i64::from(i32::MIN), i64::from(i32::MAX));
    let full = NumericAttributePolicy::new("example", min, max);
    let of = |key: &str, value: i64| request(vec![span(1, 1), with(span(1, 2), key, value)]);
    let in_resource =
        |value: i64| resource_request(vec![attribute("example", value)], vec![span(1, 1)]);
    for (trace, expected) in [
        (of("other", 1), N),
        (of("example", min), S),
        (of("example", max), S),
        (of("example", min - 1), N),
        (of("example", max + 1), N),
        (in_resource(min), S),
        (in_resource(max + 1), N),
    ] {
        assert_eq!(decide(full.clone(), &trace), expected);
        let inverted = if expected == S { N } else { S };
        assert_eq!(decide(full.clone().inverted(), &trace), inverted);
    }
    for (min, max, value, expected) in [
        (400, 0, 500, S),
        (-100, 0, 50, S),
        (0, 1_000, 500, S),
        (100, 200, 150, S),
        (400, 0, 300, N),
        (0, 100, 200, N),
        (0, -5, -6, S),
    ] {
        let policy = NumericAttributePolicy::new("example", min, max);
        assert_eq!(decide(policy, &of("example", value)), expected, "{min} {max} {value}");
    }
}

#[test]
fn values_of_other_types_read_as_zero_and_false() {
    let text = request(vec![with(span(1, 1), "example", "text")]);
    assert_eq!(decide(NumericAttributePolicy::new("example", 0, 100), &text), S);
    assert_eq!(decide(NumericAttributePolicy::new("example", 1, 100), &text), N);
    assert_eq!(decide(BooleanAttributePolicy::new("example", false), &text), S);
    assert_eq!(decide(BooleanAttributePolicy::new("example", true), &text), N);
}

#[test]
fn boolean_attribute_matches_resources_and_spans() {
    let of = |value: bool| request(vec![with(span(1, 1), "example", value)]);
    let in_resource = resource_request(vec![attribute("example", true)], vec![span(1, 1)]);
    let without = request(vec![span(1, 1)]);
    let wants = BooleanAttributePolicy::new("example", true);
    for (trace, expected) in [(of(true), S), (of(false), N), (in_resource, S), (without, N)] {
        assert_eq!(decide(wants.clone(), &trace), expected);
        let inverted = if expected == S { N } else { S };
        assert_eq!(decide(wants.clone().inverted(), &trace), inverted);
    }
}

#[test]
fn string_attribute_matches_exactly_or_by_expressions() {
    let of = |key: &str, value: &str| request(vec![span(1, 1), with(span(1, 2), key, value)]);
    let in_resource =
        |value: &str| resource_request(vec![attribute("example", value)], vec![span(1, 1)]);
    let exact = |values: &[&str]| StringAttributePolicy::new("example", values.iter().copied());
    let regex = |values: &[&str]| exact(values).with_regex();
    let health = of("example", "grpc.health.v1.HealthCheck");
    for (policy, trace, expected) in [
        (exact(&["value"]), in_resource("value"), S),
        (exact(&["value"]), of("example", "value"), S),
        (exact(&["value"]), of("example", "value2"), N),
        (exact(&["value"]), of("other", "value"), N),
        (exact(&["first", "value"]), of("example", "value"), S),
        (exact(&[]), of("example", "value"), N),
        (exact(&[""]), of("example", ""), N),
        (exact(&[""]), in_resource(""), N),
        (regex(&["v[0-9]+.HealthCheck$"]), health.clone(), S),
        (regex(&["v[a-z]+.HealthCheck$"]), health.clone(), N),
        (regex(&["value"]), of("example", "a value here"), S),
        (regex(&["^http", "metrics$"]), of("example", "https"), S),
        (regex(&["^http", "metrics$"]), of("example", "/metrics"), S),
        (regex(&["^http", "metrics$"]), of("example", "grpc"), N),
        (regex(&[]), of("example", "value"), N),
        (regex(&[""]), of("example", ""), N),
        (regex(&[""]), in_resource(""), S),
    ] {
        let shown = format!("{policy:?}");
        assert_eq!(decide(policy.clone(), &trace), expected, "{shown}");
        let inverted = if expected == S { N } else { S };
        assert_eq!(decide(policy.inverted(), &trace), inverted, "inverted {shown}");
    }
}

#[test]
fn an_inverted_match_was_a_veto_before_v0_144() {
    let veto = Policy::new("veto", StringAttributePolicy::new("k", ["v"]).inverted());
    let all = Policy::new("all", PolicyKind::AlwaysSample);
    let none = Policy::new("none", SpanCountPolicy::at_least(9));
    let with_value = request(vec![with(span(1, 1), "k", "v")]);
    let without = request(vec![span(1, 1)]);
    for (policies, trace, old, new) in [
        // An inverted match that is not sampled outweighs another policy.
        (vec![veto.clone(), all.clone()], &with_value, N, S),
        (vec![veto.clone(), all], &without, S, S),
        // A sampled one is outweighed by a policy that does not sample.
        (vec![veto.clone(), none], &without, N, S),
        (vec![veto], &without, S, S),
    ] {
        let settings = config(policies);
        assert_eq!(decide_by(&settings.clone().with_compat(Compat::v0(143)), trace), old);
        assert_eq!(decide_by(&settings.clone().with_compat(Compat::v0(144)), trace), new);
        assert_eq!(decide_by(&settings, trace), new);
    }
}

#[test]
fn status_code_looks_for_any_span() {
    use StatusCode::{Error, Ok, Unset};
    let trace = |codes: &[i32]| {
        request(codes.iter().zip(1..).map(|(code, id)| with_status(span(1, id), *code)).collect())
    };
    for (codes, wanted, expected) in [
        (&[1, 0, 1][..], &[Error][..], N),
        (&[0, 0], &[Ok, Error], N),
        (&[0, 0], &[Unset], S),
        (&[2, 1], &[Ok, Unset], S),
        (&[0, 2], &[Error], S),
        (&[7], &[Ok, Error, Unset], N),
    ] {
        let policy = PolicyKind::StatusCode(wanted.to_vec());
        assert_eq!(decide(policy, &trace(codes)), expected, "{codes:?} {wanted:?}");
    }
}

#[test]
fn trace_state_matches_a_member() {
    let trace = |state: &str| request(vec![Span { trace_state: state.to_owned(), ..span(1, 1) }]);
    let long = "v".repeat(249);
    for (values, state, expected) in [
        (&["value"][..], "other=value", N),
        (&["value"], "example=non_matching", N),
        (&["value"], "example=value", S),
        (&[], "example=value", N),
        (&["value"], "example=non_matching,non_matching=value", N),
        (&["value"], "example=value,non_matching=value", S),
        (&["value1", "value2"], "example=non_matching", N),
        (&["value1", "value2"], "example=value1", S),
        (&["value"], "", N),
        (&[long.as_str()], &format!("example={long}"), N),
    ] {
        let policy = TraceStatePolicy::new("example", values.iter().copied());
        assert_eq!(decide(policy, &trace(state)), expected, "{state} {values:?}");
    }
}

#[test]
fn trace_flags_looks_at_the_sampled_flag() {
    let trace = |flags: u32| request(vec![span(1, 1), Span { flags, ..span(1, 2) }]);
    for (flags, expected) in [(1, S), (0, N), (0x100, N), (0x301, S)] {
        assert_eq!(decide(PolicyKind::TraceFlags, &trace(flags)), expected, "{flags}");
    }
}

#[test]
fn span_count_sums_all_requests() {
    let policy = SpanCountPolicy::at_least(2).with_max_spans(3);
    for (requests, expected) in
        [(&[1u64][..], N), (&[2], S), (&[1, 1], S), (&[2, 1], S), (&[2, 2], N)]
    {
        let mut world = World::new(&config(vec![support::policy(policy)]));
        for count in requests {
            world.append(&request((0..*count).map(|id| span(1, id)).collect()));
        }
        world.pass(DECIDED);
        assert_eq!(world.output.decisions[0].1, expected, "{requests:?}");
    }
    assert_eq!(
        decide(SpanCountPolicy::at_least(2), &request((0..50).map(|id| span(1, id)).collect())),
        S
    );
}

/// Two conditions: the attribute `name` is `value`, and the status is an error.
fn pair(inverted: bool) -> Vec<Policy> {
    let name = StringAttributePolicy::new("name", ["value"]);
    let name = if inverted { name.inverted() } else { name };
    vec![
        Policy::new("name", name),
        Policy::new("status", PolicyKind::StatusCode(vec![StatusCode::Error])),
    ]
}

#[test]
fn and_and_drop_need_every_sub_policy() {
    let failed = |name: Option<&str>| {
        let failed = with_status(span(1, 1), 2);
        request(vec![name.map_or(failed.clone(), |name| with(failed, "name", name))])
    };
    for (inverted, name, matches) in [
        (false, None, false),
        (false, Some("value"), true),
        (true, Some("other"), true),
        (true, None, true),
        (true, Some("value"), false),
    ] {
        let trace = failed(name);
        for compat in [Compat::v0(143), Compat::LATEST] {
            let and = decide_with(compat, PolicyKind::And(pair(inverted)), &trace);
            assert_eq!(and, if matches { S } else { N }, "{inverted} {name:?}");
            let drop = decide_with(compat, PolicyKind::Drop(pair(inverted)), &trace);
            assert_eq!(drop, if matches { D } else { N }, "{inverted} {name:?}");
        }
    }
    assert_eq!(
        decide(PolicyKind::And(pair(false)), &request(vec![with(span(1, 1), "name", "value")])),
        N
    );
}

#[test]
fn not_swaps_the_decision() {
    let not = |kind: PolicyKind| PolicyKind::Not(Box::new(Policy::new("inner", kind)));
    let trace = request(vec![span(1, 1)]);
    assert_eq!(decide(not(PolicyKind::AlwaysSample), &trace), N);
    assert_eq!(decide(not(SpanCountPolicy::at_least(2).into()), &trace), S);
    let and = PolicyKind::And(vec![
        Policy::new("all", PolicyKind::AlwaysSample),
        Policy::new("not", not(SpanCountPolicy::at_least(2).into())),
    ]);
    assert_eq!(decide(and, &trace), S);
}

#[test]
fn a_policy_that_fails_is_left_out_and_counted() {
    let failing = Policy::new(
        "failing",
        OttlConditionPolicy::span(["Len(1) == 1"])
            .with_error_mode(spanwise_tail::ErrorMode::Propagate),
    );
    let trace = request(vec![span(1, 1)]);
    let mut world = World::new(&config(vec![failing.clone()]));
    world.append(&trace);
    world.pass(DECIDED);
    assert_eq!(world.output.decisions[0].1, N);
    assert_eq!(world.sampler.counts().policy_evaluation_errors, 1);
    let not = PolicyKind::Not(Box::new(failing.clone()));
    let settings =
        config(vec![Policy::new("not", not), Policy::new("all", PolicyKind::AlwaysSample)]);
    assert_eq!(decide_by(&settings, &trace), S);
}

#[test]
fn ottl_conditions_look_at_spans_and_events() {
    let policy = OttlConditionPolicy::span([r#"attributes["k"] == "v""#])
        .or_span_event([r#"attributes["e"] == "w""#]);
    let by_span = request(vec![span(1, 1), with(span(1, 2), "k", "v")]);
    let event = vec![attribute("e", "w")];
    let by_event = request(vec![with_event(span(1, 1), "event", event)]);
    assert_eq!(decide(policy.clone(), &by_span), S);
    assert_eq!(decide(policy.clone(), &by_event), S);
    assert_eq!(decide(policy, &request(vec![with(span(1, 1), "e", "w")])), N);
}
