//! Rules: the first that matches decides, and sampled spans leave with the threshold of the decision.

use crate::support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_tail::{
    AdaptiveThroughput, DecidedTrace, Decision, PolicyKind, RateLimitingPolicy, Rule, RuleMatch,
    RuleSampler, SampledRequest, ShardedTailSampler, TailOutput, TailSampler,
};
use support::*;

/// A trace whose randomness every threshold keeps, and one that only 0 keeps.
const HIGH: u128 = 7 << 100 | 0xff_ffff_ffff_ffff;
const LOW: u128 = 7 << 100;

fn with_state(span: Span, trace_state: &str) -> Span {
    Span { trace_state: trace_state.to_owned(), ..span }
}

fn states(output: &Collected) -> Vec<String> {
    output.spans().into_iter().map(|span| span.trace_state).collect()
}

/// The adjusted count of a span by its `th`.
fn adjusted_count(span: &Span) -> f64 {
    let member = span.trace_state.split(',').find_map(|member| member.strip_prefix("ot="));
    let th = member.and_then(|member| member.split(';').find_map(|pair| pair.strip_prefix("th:")));
    let th = u64::from_str_radix(&format!("{:0<14}", th.expect("a threshold")), 16).unwrap();
    (1u64 << 56) as f64 / ((1u64 << 56) - th) as f64
}

#[test]
fn the_first_rule_that_matches_decides() {
    let set = || {
        rules(vec![
            Rule::new("health", RuleSampler::Drop).with_condition("name == \"GET /health\""),
            Rule::new("errors", RuleSampler::AlwaysSample).with_condition(ERROR),
            Rule::new("payment", percentage(50.0)).with_condition(PAYMENT),
            Rule::new("others", percentage(25.0)).with_condition("name != \"none\""),
        ])
    };
    let error = |trace| with_status(span(trace, 1), 2);
    let payment = |trace| with(span(trace, 1), "service", "payment");
    let named = |trace, name: &str| Span { name: name.to_owned(), ..span(trace, 1) };
    let middle = LOW | 0x90_0000_0000_0000;
    use Decision::{Dropped, NotSampled, Sampled};
    for (span, decision, rule, th) in [
        (with_status(named(HIGH, "GET /health"), 2), Dropped, Some("health"), None),
        (error(LOW), Sampled, Some("errors"), Some("ot=th:0")),
        (payment(HIGH), Sampled, Some("payment"), Some("ot=th:8")),
        (payment(middle), Sampled, Some("payment"), Some("ot=th:8")),
        // A later rule is not asked.
        (payment(LOW), NotSampled, Some("payment"), None),
        (span(HIGH, 1), Sampled, Some("others"), Some("ot=th:c")),
        (span(middle, 1), NotSampled, Some("others"), None),
        (named(HIGH, "none"), NotSampled, None, None),
    ] {
        let mut world = World::new(&set());
        world.append(&request(vec![span]));
        world.pass(DECIDED);
        let (_, decided, by) = world.output.decisions[0].clone();
        assert_eq!((decided, by.as_deref()), (decision, rule));
        assert_eq!(states(&world.output).pop().as_deref(), th);
        let counts = world.sampler.policy_counts();
        let names: Vec<&str> = counts.iter().map(|counts| counts.name.as_str()).collect();
        assert_eq!(names, ["health", "errors", "payment", "others"]);
        for counts in &counts {
            assert_eq!(counts.decided, u64::from(rule == Some(&counts.name)), "{counts:?}");
        }
    }
}

#[test]
fn conditions_hold_for_any_span_or_for_the_same() {
    let rule = |matching| {
        let rule = Rule::new("rule", RuleSampler::AlwaysSample);
        rule.with_condition(ERROR).with_condition(PAYMENT).with_match(matching)
    };
    let payment = |span| with(span, "service", "payment");
    let apart = vec![with_status(span(1, 1), 2), payment(span(1, 2))];
    let together = vec![span(1, 1), payment(with_status(span(1, 2), 2))];
    let half = vec![with_status(span(1, 1), 2), span(1, 2)];
    for (spans, any, same) in [(apart, true, false), (together, true, true), (half, false, false)] {
        for (matching, expected) in [(RuleMatch::AnySpan, any), (RuleMatch::SameSpan, same)] {
            let decision = decide_by(&rules(vec![rule(matching)]), &request(spans.clone()));
            assert_eq!(decision == Decision::Sampled, expected, "{matching:?} {spans:?}");
        }
    }
}

#[test]
fn a_condition_that_fails_does_not_hold_and_is_counted() {
    let mut world = World::new(&rules(vec![
        Rule::new("long", RuleSampler::Drop).with_condition("Len(attributes[\"n\"]) > 3"),
        Rule::new("all", RuleSampler::AlwaysSample),
    ]));
    world.append(&request(vec![with(span(1, 1), "n", 5i64), span(1, 2)]));
    world.pass(DECIDED);
    assert_eq!(world.output.traces(), [1]);
    assert_eq!(world.sampler.counts().policy_evaluation_errors, 1);
    assert_eq!(world.sampler.policy_counts()[0].errors, 1);
}

#[test]
fn thresholds_compose_span_by_span_also_for_late_spans() {
    let mut world = World::new(&rules(vec![Rule::new("half", percentage(50.0))]));
    let all = ["", "ot=th:e", "a=b,ot=th:4;x:1", "ot=th:broken"];
    let spans = |from: u64| {
        let spans = all.into_iter().zip(from..);
        request(spans.map(|(state, id)| with_state(span(HIGH, id), state)).collect())
    };
    world.append(&spans(1));
    world.pass(DECIDED);
    let expected = ["ot=th:8", "ot=th:e", "ot=th:8;x:1,a=b", "ot=th:broken"];
    assert_eq!(states(&world.output), expected);
    world.append(&spans(5));
    assert_eq!(states(&world.output), [expected, expected].concat());
    assert_eq!(world.sampler.counts().malformed_trace_states, 2);
}

#[test]
fn explicit_randomness_decides() {
    let decide = |trace, state: &str| {
        let mut world = World::new(&rules(vec![Rule::new("half", percentage(50.0))]));
        world.append(&request(vec![span(trace, 1), with_state(span(trace, 2), state)]));
        world.pass(DECIDED);
        states(&world.output)
    };
    assert_eq!(decide(HIGH, "ot=rv:00000000000000"), [""; 0]);
    // The first span has no `rv`: the randomness of its id contradicts the threshold.
    assert_eq!(decide(LOW, "ot=rv:80000000000000"), ["", "ot=rv:80000000000000;th:8"]);
    // The sender should not have sampled the span: its threshold is not its probability.
    assert_eq!(decide(LOW | 0x90_0000_0000_0000, "ot=th:c"), ["ot=th:8", ""]);
}

#[test]
fn a_budget_is_unbiased_and_holds() {
    for (spans_per_second, burst) in [(100, 5), (400, 20), (2_000, 100)] {
        let limit = RateLimitingPolicy::new(spans_per_second).with_burst_capacity(burst);
        let set = rules(vec![Rule::new("limit", limit)]).with_decision_wait(Duration::ZERO);
        let mut world = World::new(&set);
        let (mut seed, mut traces, mut spans) = (spans_per_second as u64, 0, 0);
        let seconds = 10_000 / spans_per_second;
        for _ in 0..seconds * 20 {
            let batch = (0..burst * 4).map(|_| {
                let trace = random_trace(&mut seed);
                let len = 1 + random(&mut seed) % 2;
                (traces, spans) = (traces + 1, spans + len);
                (1..=len).map(move |id| span(trace, id)).collect::<Vec<_>>()
            });
            let batch = request(batch.flatten().collect());
            world.append(&batch);
            world.pass(Duration::from_millis(50));
        }
        let all = world.output.spans();
        let most = spans_per_second * seconds + burst;
        assert!(all.len() as i64 <= most, "{} of {most}", all.len());
        assert!(all.len() as i64 > most * 7 / 10, "{} of {most}", all.len());
        let estimate: f64 = all.iter().map(adjusted_count).sum();
        let roots = all.iter().filter(|span| span.parent_span_id.is_empty());
        let trace_estimate: f64 = roots.map(adjusted_count).sum();
        for (estimate, truth) in [(estimate, spans as f64), (trace_estimate, traces as f64)] {
            assert!((estimate / truth - 1.0).abs() < 0.06, "{burst}: {estimate} of {truth}");
        }
    }
}

#[test]
fn a_trace_before_its_time_is_decided_by_the_last_threshold() {
    let limit = RateLimitingPolicy::new(10).with_burst_capacity(2);
    let set = rules(vec![Rule::new("limit", limit)]).with_num_traces(3);
    let mut world = World::new(&set);
    let trace = |randomness: u128| request(vec![span(7 << 100 | randomness << 48, 1)]);
    for randomness in [0x10, 0x20, 0x30] {
        world.append(&trace(randomness));
    }
    world.pass(DECIDED);
    // One above the highest that is not sampled.
    assert_eq!(states(&world.output), ["ot=th:10000000000001"; 2]);
    // Two of these are evicted, and decided by that threshold.
    for randomness in [0x05, 0x11, 0x40, 0x41, 0x42] {
        world.append(&trace(randomness));
    }
    let decisions = world.output.decisions.iter().map(|decision| decision.1).skip(3);
    assert_eq!(decisions.collect::<Vec<_>>(), [Decision::NotSampled, Decision::Sampled]);
    assert_eq!(states(&world.output)[2..], ["ot=th:10000000000001"]);
    world.shutdown();
    assert_eq!(world.output.decisions.len(), 8);
}

#[test]
fn traffic_is_shared_between_the_kinds_of_traces() {
    let throughput = AdaptiveThroughput::new(400)
        .with_fingerprint_attribute("root.name")
        .with_fingerprint_attribute("resource.attributes[\"service.name\"]");
    let set = rules(vec![Rule::new("all", throughput)])
        .with_decision_wait(Duration::ZERO)
        .with_num_shards(4);
    let mut now = Instant::now();
    let mut sampler = ShardedTailSampler::new(&set, now).unwrap();
    let mut output = Collected::default();
    let mut seed = 5;
    // 20,000 spans per second of one kind, and 200 of another.
    let (mut hot, mut cold) = (0, 0);
    for tick in 0..400 {
        let mut spans = Vec::new();
        for index in 0..101 {
            let trace = random_trace(&mut seed);
            let name = if index == 100 { "cold" } else { "hot" };
            if tick >= 40 {
                *(if index == 100 { &mut cold } else { &mut hot }) += 10;
            }
            let named = |span: Span| Span { name: name.to_owned(), ..span };
            spans.extend((1..=10).map(|id| named(span(trace, id))));
        }
        let _all = sampler.append(now, &request(spans), &mut output).unwrap();
        if tick == 40 {
            output = Collected::default();
        }
        now += Duration::from_millis(50);
        sampler.tick(now, &mut output);
    }
    assert!(sampler.counts().is_balanced());
    let spans = output.spans();
    let of = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let ratio = |part: usize, whole: f64| part as f64 / whole;
    // The rare kind whole, and the rest of the target for the other one, in 18 seconds.
    assert!(ratio(of("cold").len(), f64::from(cold)) > 0.99, "{}", of("cold").len());
    assert!((ratio(of("hot").len(), 200.0 * 18.0) - 1.0).abs() < 0.15, "{}", of("hot").len());
    let estimate: f64 = of("hot").iter().map(|span| adjusted_count(span)).sum();
    assert!((estimate / f64::from(hot) - 1.0).abs() < 0.15, "{estimate} of {hot}");
    let [state] = sampler.throughput_states().try_into().unwrap();
    assert_eq!((state.rule.as_str(), state.keys, state.goal_throughput), ("all", 2, 400.0));
    assert!((state.offered / 20_200.0 - 1.0).abs() < 0.1, "{state:?}");
}

#[test]
fn a_dry_run_forwards_every_trace_as_it_came_and_counts_the_decisions_of_rules() {
    let limit = RateLimitingPolicy::new(1).with_burst_capacity(1);
    let set = rules(vec![
        Rule::new("drop", RuleSampler::Drop).with_condition(ERROR),
        Rule::new("half", percentage(50.0)).with_condition(PAYMENT),
        Rule::new("limit", limit),
    ]);
    let payment = |trace| with(span(trace, 1), "service", "payment");
    let (first, second) = (HIGH ^ 1 << 120, LOW ^ 1 << 120);
    let spans = vec![
        with_status(span(1, 1), 2),
        payment(HIGH),
        payment(LOW),
        span(first, 1),
        span(second, 1),
    ];
    for (dry_run, forwarded, late) in [(true, 5, 5), (false, 2, 2)] {
        let mut world = World::new(&set.clone().with_dry_run(dry_run));
        world.append(&request(spans.clone()));
        world.pass(DECIDED);
        assert_eq!(world.output.spans().len(), forwarded);
        let counts = world.sampler.counts();
        assert_eq!(
            (counts.sampled_traces, counts.not_sampled_traces, counts.dropped_traces),
            (2, 2, 1)
        );
        let decided: Vec<u64> =
            world.sampler.policy_counts().iter().map(|counts| counts.decided).collect();
        assert_eq!(decided, [1, 2, 2]);
        let late_spans = [1, HIGH, LOW, first, second].map(|trace| span(trace, 2));
        world.append(&request(late_spans.to_vec()));
        assert_eq!(world.output.spans().len(), forwarded + late);
        let thresholds = states(&world.output).iter().filter(|state| !state.is_empty()).count();
        assert_eq!(thresholds, if dry_run { 0 } else { 4 });
    }
}

#[test]
fn rules_are_replaced_for_undecided_traces() {
    let mut world = World::new(&rules(vec![Rule::new("all", RuleSampler::AlwaysSample)]));
    world.append(&request(vec![span(LOW, 1)]));
    let error = world.sampler.set_rules(&[Rule::new("", RuleSampler::Drop)]).unwrap_err();
    assert!(error.to_string().starts_with("rules[0].name"), "{error}");
    assert!(world.sampler.set_policies(&[policy(PolicyKind::AlwaysSample)]).is_err());
    let limit = RateLimitingPolicy::new(1);
    world.sampler.set_rules(&[Rule::new("none", percentage(50.0)), Rule::new("l", limit)]).unwrap();
    world.pass(DECIDED);
    assert_eq!(world.output.decisions, [(LOW, Decision::NotSampled, Some("none".to_owned()))]);
    let mut policies = World::new(&config(vec![policy(PolicyKind::AlwaysSample)]));
    assert!(policies.sampler.set_rules(&[Rule::new("a", RuleSampler::Drop)]).is_err());
    policies.append(&request(vec![span(LOW, 1)]));
    policies.pass(DECIDED);
    assert_eq!(states(&policies.output), [""]);
}

#[test]
fn memory_stays_below_its_bound_with_rules() {
    let limit = RateLimitingPolicy::new(1_000);
    let bound = 4 << 20;
    let set = rules(vec![Rule::new("limit", limit)])
        .with_max_request_bytes(10_000)
        .with_max_memory_bytes(bound);
    let mut world = World::new(&set);
    let mut seed = 3;
    for _ in 0..150 {
        let spans = (0..50).map(|_| {
            let span = with(span(random_trace(&mut seed), 1), "k", "v".repeat(300).as_str());
            with_state(span, "a=b,ot=th:0")
        });
        world.append(&request(spans.collect()));
        assert!(world.sampler.memory_bytes() <= bound);
        world.pass(Duration::from_millis(20));
    }
    assert!(world.sampler.counts().evicted_traces > 0);
    world.shutdown();
}

#[test]
fn an_explanation_names_the_rule() {
    let limit = RateLimitingPolicy::new(1).with_burst_capacity(1);
    let set = rules(vec![
        Rule::new("errors", RuleSampler::AlwaysSample).with_condition(ERROR),
        Rule::new("limit", limit),
    ]);
    let spans = vec![with_status(span(1, 1), 2), span(HIGH, 1), span(LOW, 1)];
    let explained = set.explain(&request(spans)).unwrap();
    let by = |trace: u128| {
        let found = explained.iter().find(|explanation| explanation.trace_id.0 == trace).unwrap();
        (found.decision, found.policy.as_deref())
    };
    assert_eq!(by(1), (Decision::Sampled, Some("errors")));
    assert_eq!(by(HIGH), (Decision::Sampled, Some("limit")));
    assert_eq!(by(LOW), (Decision::NotSampled, Some("limit")));
}

/// Panics at every third call.
#[derive(Default)]
struct Panics {
    calls: u64,
    spans: u64,
    decided: u64,
}

impl TailOutput for Panics {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.spans += request.spans;
    }

    fn decided(&mut self, _: &DecidedTrace<'_>) {
        self.calls += 1;
        self.decided += 1;
        assert!(!self.calls.is_multiple_of(3), "planned");
    }
}

#[test]
fn a_panic_of_the_output_loses_no_trace_of_a_batch() {
    let limit = RateLimitingPolicy::new(40).with_burst_capacity(40);
    let now = Instant::now();
    let mut sampler = TailSampler::new(&rules(vec![Rule::new("limit", limit)]), now).unwrap();
    let mut output = Panics::default();
    let mut seed = 1;
    let spans = (0..100).map(|_| span(random_trace(&mut seed), 1)).collect();
    let _all = sampler.append(now, &request(spans), &mut output).unwrap();
    let mut panics = 0;
    while sampler.next_tick().is_some() {
        let tick = || sampler.tick(now + DECIDED, &mut output);
        panics += u64::from(catch_unwind(AssertUnwindSafe(tick)).is_err());
        assert!(sampler.counts().is_balanced());
    }
    sampler.tick(now + DECIDED, &mut output);
    assert_eq!((panics, output.decided, output.spans), (33, 100, 40));
    assert_eq!(sampler.counts().pending_spans, 0);
}
