//! Explanations: which policy, which span, which value; and `dry_run`.

use crate::support;

use std::time::Duration;

use spanwise_tail::{
    BooleanAttributePolicy, BytesLimitingPolicy, CompositePolicy, DecidedTrace, Decision,
    DecisionCause, ErrorMode, ExplainFilter, Explanation, LatencyPolicy, NumericAttributePolicy,
    OttlConditionPolicy, Policy, PolicyDecision, PolicyKind, PolicyVote, ProbabilisticPolicy,
    RateLimitingPolicy, SampledRequest, SamplingStrategy, SpanCountPolicy, StringAttributePolicy,
    TailOutput, TailSampler, TailSamplingConfig, TraceStatePolicy,
};
use spanwise_wire::{StatusCode, TraceId};
use support::*;

/// Collects explanations and checks that each follows its decision.
#[derive(Default)]
struct Explained {
    decided: Vec<(TraceId, Decision)>,
    explanations: Vec<Explanation>,
    spans: u64,
}

impl TailOutput for Explained {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.spans += request.spans;
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        self.decided.push((trace.trace_id, trace.decision));
    }

    fn explained(&mut self, explanation: &Explanation) {
        assert_eq!(self.decided.last(), Some(&(explanation.trace_id, explanation.decision)));
        self.explanations.push(explanation.clone());
    }
}

fn explain(config: &TailSamplingConfig, filter: ExplainFilter, request: &[u8]) -> Vec<Explanation> {
    let now = std::time::Instant::now();
    let mut sampler = TailSampler::new(config, now).unwrap();
    sampler.set_explain(Some(filter));
    let mut output = Explained::default();
    let _all = sampler.append(now, request, &mut output).unwrap();
    sampler.tick(now + DECIDED, &mut output);
    sampler.shutdown(now + DECIDED, &mut output);
    assert!(sampler.counts().is_balanced());
    output.explanations
}

/// The explanation of one policy, without its name, for a trace of two spans: `span 1` of 1 ms and `span 2` with an error, three
/// attributes, an event and 2 s.
fn evidence(kind: impl Into<PolicyKind>) -> String {
    let second = with_status(with_times(span(0x0200, 2), 0, 2_000), 2);
    let second = with(with(with(second, "s", "blue"), "n", 7i64), "b", true);
    let mut second = with_event(second, "exception", Vec::new());
    second.trace_state = "vendor=x".to_owned();
    second.flags = 1;
    let request = request(vec![span(0x0200, 1), second]);
    let settings = config(vec![policy(kind)]);
    let explanations = explain(&settings, ExplainFilter::all(), &request);
    let [explanation] = explanations.as_slice() else { panic!("{explanations:?}") };
    let text = explanation.to_string();
    let (head, policy) = text.split_once('\n').unwrap();
    let sampled = explanation.decision == Decision::Sampled;
    let expected = if sampled { "sampled by \"p\"" } else { "not sampled" };
    let id = "00000000000000000000000000000200";
    if explanation.decision != Decision::Dropped {
        assert_eq!(head, format!("trace {id}: {expected} (the wait is over), 2 spans"));
    }
    policy.strip_prefix("  p ").unwrap().to_owned()
}

#[test]
fn each_policy_names_its_span_and_its_value() {
    const SECOND: &str = "; span 0000000000000002 \"span 2\"";
    const FIRST: &str = "; span 0000000000000001 \"span 1\"";
    let check = |kind: PolicyKind, text: String| assert_eq!(evidence(kind), text);
    check(PolicyKind::AlwaysSample, "(always_sample): sampled".to_owned());
    check(
        LatencyPolicy::above(1_000).into(),
        format!("(latency): sampled; duration is 2000 ms, wanted more than 1000 ms{SECOND}"),
    );
    check(
        LatencyPolicy::above(2_000).with_upper_threshold_ms(3_000).into(),
        format!(
            "(latency): not sampled; duration is 2000 ms, wanted more than 2000 ms and at most 3000 ms{SECOND}"
        ),
    );
    check(
        PolicyKind::StatusCode(vec![StatusCode::Ok, StatusCode::Error]),
        format!("(status_code): sampled; status is ERROR, wanted OK or ERROR{SECOND}"),
    );
    check(
        PolicyKind::StatusCode(vec![StatusCode::Ok]),
        format!("(status_code): not sampled; status is UNSET, wanted OK{FIRST}"),
    );
    check(
        StringAttributePolicy::new("s", ["red", "blue"]).into(),
        format!(
            "(string_attribute): sampled; attribute \"s\" is \"blue\", wanted \"red\" or \"blue\"{SECOND}"
        ),
    );
    check(
        StringAttributePolicy::new("s", ["^r"]).with_regex().into(),
        format!(
            "(string_attribute): not sampled; attribute \"s\" is \"blue\", wanted a match of \"^r\"{SECOND}"
        ),
    );
    check(
        StringAttributePolicy::new("service.name", ["shop"]).inverted().into(),
        format!(
            "(string_attribute): not sampled; resource attribute \"service.name\" is \"shop\", \
             wanted no span with \"shop\"{FIRST}"
        ),
    );
    check(
        NumericAttributePolicy::new("n", 5, 9).into(),
        format!("(numeric_attribute): sampled; attribute \"n\" is 7, wanted 5 to 9{SECOND}"),
    );
    check(
        NumericAttributePolicy::new("none", 5, 0).into(),
        "(numeric_attribute): not sampled; no span has attribute \"none\", wanted at least 5"
            .to_owned(),
    );
    check(
        BooleanAttributePolicy::new("b", true).into(),
        format!("(boolean_attribute): sampled; attribute \"b\" is true, wanted true{SECOND}"),
    );
    check(
        SpanCountPolicy::at_least(3).into(),
        "(span_count): not sampled; number of spans is 2, wanted at least 3".to_owned(),
    );
    check(
        RateLimitingPolicy::new(10).into(),
        "(rate_limiting): sampled; number of spans is 2, wanted at most 10 per second and 20 at once, of all traces"
            .to_owned(),
    );
    assert!(evidence(BytesLimitingPolicy::new(1)).contains("not sampled; encoded size is "));
    check(
        TraceStatePolicy::new("vendor", ["x"]).into(),
        format!(
            "(trace_state): sampled; trace state member \"vendor\" is \"x\", wanted \"x\"{SECOND}"
        ),
    );
    check(
        PolicyKind::TraceFlags,
        format!("(trace_flags): sampled; the flag `sampled` is 1, wanted 1{SECOND}"),
    );
    check(
        OttlConditionPolicy::span(["name == \"x\""]).or_span_event(["name == \"exception\""]).into(),
        "(ottl_condition): sampled; a condition that holds is \"name == \\\"exception\\\"\", \
         wanted \"name == \\\"x\\\"\" or \"name == \\\"exception\\\"\"; span 0000000000000002 \"span 2\""
            .to_owned(),
    );
    let failing = OttlConditionPolicy::span(["Len(1) == 1"]).with_error_mode(ErrorMode::Propagate);
    assert!(evidence(failing).contains(": failed: "));
}

#[test]
fn the_place_of_a_trace_id_is_the_percentage_that_samples_it() {
    let text = evidence(ProbabilisticPolicy::new(0.0));
    let (_, rest) = text.split_once("place of the trace id is ").unwrap();
    let place: f64 = rest.split_once(' ').unwrap().0.parse().unwrap();
    assert!(evidence(ProbabilisticPolicy::new(place + 0.001)).contains(": sampled"));
    assert!(evidence(ProbabilisticPolicy::new(place - 0.001)).contains(": not sampled"));
}

#[test]
fn sub_policies_vote_in_their_order() {
    let slow = Policy::new("slow", LatencyPolicy::above(1_000));
    let few = Policy::new("few", SpanCountPolicy::at_least(5));
    let all = Policy::new("all", PolicyKind::AlwaysSample);
    let limit = Policy::new("limit", RateLimitingPolicy::new(10));
    let votes = |kind: PolicyKind| -> Vec<String> {
        let text = evidence(kind);
        text.lines().map(|line| line.split(';').next().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(
        votes(PolicyKind::And(vec![slow.clone(), limit.clone(), few.clone(), all.clone()])),
        [
            "(and): not sampled",
            "slow (latency): sampled",
            "limit (rate_limiting): sampled",
            "few (span_count): not sampled",
            "all (always_sample): not evaluated"
        ]
    );
    assert_eq!(
        votes(PolicyKind::Not(Box::new(few.clone()))),
        ["(not): sampled", "few (span_count): not sampled"]
    );
    assert_eq!(
        votes(PolicyKind::Drop(vec![slow.clone()])),
        ["(drop): dropped", "slow (latency): sampled"]
    );
    let inner = Policy::new("inner", PolicyKind::And(vec![slow, all.clone()]));
    assert_eq!(
        votes(CompositePolicy::new(100, vec![few, inner, all]).into()),
        [
            "(composite): sampled",
            "few (span_count): not sampled",
            "inner (and): sampled",
            "slow (latency): sampled",
            "all (always_sample): sampled",
            "all (always_sample): not evaluated"
        ]
    );
}

#[test]
fn the_first_final_vote_ends_the_evaluation_but_in_a_dry_run() {
    let policies = vec![
        Policy::new("all", PolicyKind::AlwaysSample),
        Policy::new("limit", RateLimitingPolicy::new(10)),
        Policy::new("few", SpanCountPolicy::at_least(5)),
        Policy::new(
            "health",
            PolicyKind::Drop(vec![Policy::new("x", SpanCountPolicy::at_least(9))]),
        ),
    ];
    let settings = config(policies).with_sample_on_first_match(true);
    let request = request(vec![span(1, 1)]);
    for (dry_run, few) in
        [(false, PolicyVote::NotEvaluated), (true, PolicyVote::Decided(PolicyDecision::NotSampled))]
    {
        let settings = settings.clone().with_dry_run(dry_run);
        let explanations = explain(&settings, ExplainFilter::all(), &request);
        let votes: Vec<_> =
            explanations[0].policies.iter().map(|it| (it.name.as_str(), it.vote.clone())).collect();
        let not_sampled = PolicyVote::Decided(PolicyDecision::NotSampled);
        let expected = [
            ("health", not_sampled),
            ("all", PolicyVote::Decided(PolicyDecision::Sampled)),
            ("limit", PolicyVote::NotEvaluated),
            ("few", few),
        ];
        assert_eq!(votes, expected);
    }
}

#[test]
fn filters_choose_traces() {
    let spans = (1..=200).map(|trace| {
        let span = span(trace, 1);
        if trace % 2 == 0 { with_status(span, 2) } else { span }
    });
    let request = request(spans.collect());
    let settings = config(vec![
        Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])),
        Policy::new("none", SpanCountPolicy::at_least(5)),
    ]);
    let count = |filter| explain(&settings, filter, &request).len();
    assert_eq!(count(ExplainFilter::all()), 200);
    assert_eq!(count(ExplainFilter::all().with_decision(Decision::NotSampled)), 100);
    assert_eq!(count(ExplainFilter::all().with_policy("errors")), 100);
    assert_eq!(count(ExplainFilter::all().with_policy("none")), 0);
    assert_eq!(count(ExplainFilter::traces([TraceId(4), TraceId(5), TraceId(999)])), 2);
    let few = count(ExplainFilter::one_in(10));
    assert!((5..40).contains(&few), "{few}");
}

#[test]
fn a_decision_without_policies_is_explained_by_its_cause() {
    let large = request(vec![with(span(1, 1), "text", "x".repeat(5_000).as_str())]);
    let settings =
        config(vec![policy(PolicyKind::AlwaysSample)]).with_maximum_trace_size_bytes(1_000);
    let explanations = explain(&settings, ExplainFilter::all(), &large);
    assert_eq!(explanations[0].cause, DecisionCause::TraceTooLarge);
    assert_eq!(
        explanations[0].to_string(),
        "trace 00000000000000000000000000000001: dropped (`maximum_trace_size_bytes` is exceeded), 1 span"
    );
    // The policies did not sample the spans when they arrived, and are not asked again.
    let settings = config(vec![policy(SpanCountPolicy::at_least(5))])
        .with_sampling_strategy(SamplingStrategy::SpanIngest);
    let explanations = explain(&settings, ExplainFilter::all(), &request(vec![span(1, 1)]));
    assert_eq!((explanations.len(), explanations[0].policies.len()), (1, 0));
}

#[test]
fn texts_are_shortened() {
    let long = "é".repeat(50_000);
    let mut span = with(span(1, 1), "key", long.as_str());
    span.name = long.clone();
    let policies = vec![
        Policy::new(long.clone(), StringAttributePolicy::new("key", ["x"])),
        Policy::new("many", StringAttributePolicy::new("key", (0..1_000).map(|n| n.to_string()))),
    ];
    let explanations = explain(&config(policies), ExplainFilter::all(), &request(vec![span]));
    let text = explanations[0].to_string();
    assert!(text.len() < 2_000 && text.contains('…'), "{}", text.len());
}

/// A dry run forwards every span and counts as a run does that drops.
#[test]
fn a_dry_run_forwards_everything_and_counts_as_usual() {
    let spans = |range: std::ops::RangeInclusive<u128>| {
        let spans = range.map(|trace| match trace % 3 {
            0 => with_status(span(trace, 1), 2),
            1 => span(trace, 1),
            _ => with(span(trace, 1), "health", true),
        });
        request(spans.collect())
    };
    let health = Policy::new("health", BooleanAttributePolicy::new("health", true));
    let settings = config(vec![
        Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])),
        Policy::new("limit", RateLimitingPolicy::new(20)),
        Policy::new("dropped", PolicyKind::Drop(vec![health])),
    ]);
    let run = |dry_run: bool| {
        let settings = settings.clone().with_dry_run(dry_run).with_num_traces(100);
        let mut world = World::new(&settings);
        world.append(&spans(1..=90));
        world.pass(DECIDED);
        // Late spans, an eviction, and traces that the shutdown decides.
        world.append(&spans(60..=250));
        world.pass(Duration::from_secs(1));
        world.shutdown();
        (world.sampler.counts(), world.output)
    };
    let (usual, dropping) = run(false);
    let (dry, forwarding) = run(true);
    assert_eq!(forwarding.decisions, dropping.decisions);
    assert_eq!(forwarding.spans().len() as u64, dry.received_spans);
    assert_eq!(dry.dry_run_spans, dry.not_sampled_spans + dry.dropped_spans.total());
    assert!(dry.dropped_spans.drop_policy > 0 && dry.late_not_sampled_spans > 0);
    let mut expected = usual;
    (expected.requests, expected.dry_run_spans) = (dry.requests, dry.dry_run_spans);
    assert_eq!(dry, expected);
    assert_eq!(usual.dry_run_spans, 0);
}

#[test]
fn the_traces_of_a_request_are_explained_without_a_sampler() {
    let settings = config(vec![policy(LatencyPolicy::above(1_000))]);
    let slow = with_times(span(2, 1), 0, 1_500);
    let explanations = settings.explain(&request(vec![span(1, 1), slow])).unwrap();
    let decisions: Vec<_> = explanations.iter().map(|it| (it.trace_id.0, it.decision)).collect();
    assert_eq!(decisions, [(1, Decision::NotSampled), (2, Decision::Sampled)]);
    assert!(
        settings
            .explain(&[0x0a, 9])
            .unwrap_err()
            .to_string()
            .starts_with("the request is malformed")
    );
    let error = config(Vec::new()).explain(&[]).unwrap_err();
    assert_eq!(error.to_string(), "at least one policy is required");
}
