//! Rules: the first that matches decides, and sampled spans leave with the threshold of the decision.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_config::Document;
use spanwise_tail::{
    AdaptiveThroughput, DecidedTrace, Decision, PolicyKind, ProbabilisticPolicy,
    RateLimitingPolicy, Rule, RuleMatch, RuleSampler, SampledRequest, SamplingStrategy,
    ShardedTailSampler, TailOutput, TailSampler, TailSamplingConfig,
};
use support::*;

/// A trace whose randomness every threshold keeps, and one that only 0 keeps.
const HIGH: u128 = 7 << 100 | 0xff_ffff_ffff_ffff;
const LOW: u128 = 7 << 100;

const ERROR: &str = "status.code == STATUS_CODE_ERROR";
const PAYMENT: &str = "attributes[\"service\"] == \"payment\"";

fn rules(rules: Vec<Rule>) -> TailSamplingConfig {
    rules.into_iter().fold(config(vec![]), TailSamplingConfig::with_rule)
}

fn percentage(percentage: f64) -> ProbabilisticPolicy {
    ProbabilisticPolicy::new(percentage)
}

fn with_state(span: Span, trace_state: &str) -> Span {
    Span { trace_state: trace_state.to_owned(), ..span }
}

fn states(output: &Collected) -> Vec<String> {
    output.spans().into_iter().map(|span| span.trace_state).collect()
}

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn random_trace(state: &mut u64) -> u128 {
    u128::from(random(state)) << 64 | u128::from(random(state))
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
fn settings_that_do_not_fit_are_errors() {
    let error = |config: &TailSamplingConfig| {
        TailSampler::new(config, Instant::now()).map(drop).unwrap_err().to_string()
    };
    let always = || Rule::new("all", RuleSampler::AlwaysSample);
    let throughput = AdaptiveThroughput::new(100);
    let selector = throughput.clone().with_fingerprint_attribute("span.name");
    for (config, message) in [
        (
            rules(vec![always()]).with_policy(policy(PolicyKind::AlwaysSample)),
            "rules: a sampler has either `policies` or `rules`, not both",
        ),
        (
            rules(vec![always()]).with_sampling_strategy(SamplingStrategy::SpanIngest),
            "sampling_strategy: `span-ingest` is not supported with `rules`",
        ),
        (rules(vec![always(), always()]), "rules: [1].name: duplicate rule name \"all\""),
        (
            rules(vec![Rule::new("", RuleSampler::Drop)]),
            "rules: [0].name: rule name cannot be empty",
        ),
        (
            rules(vec![always().with_condition("true").with_condition("name == ")]),
            "rules: [0].conditions[1]: condition \"name == \": 1:6: ",
        ),
        (
            rules(vec![Rule::new("a", percentage(0.0))]),
            "rules: [0].sampling_percentage: 0.0 is out of range; accepted is above 0 to 100",
        ),
        (
            rules(vec![Rule::new("a", AdaptiveThroughput::new(0))]),
            "rules: [0].goal_throughput: 0 is too small; accepted is 1 or more",
        ),
        (
            rules(vec![Rule::new("a", throughput.clone().with_max_keys(0))]),
            "rules: [0].max_keys: 0 is out of range; accepted is 1 to 10000",
        ),
        (
            rules(vec![Rule::new("a", throughput.with_adjustment_interval(Duration::ZERO))]),
            "rules: [0].adjustment_interval: 0ns is out of range; accepted is 100 ms to 1 h",
        ),
        (
            rules(vec![Rule::new("a", selector)]),
            "rules: [0].fingerprint_attributes: \"span.name\" is no selector; accepted is `root.name`, ",
        ),
        (
            rules(vec![Rule::new("a", RateLimitingPolicy::new(0))]),
            "rules: [0].spans_per_second: 0 is too small; accepted is 1 or more",
        ),
        (config(vec![]), "at least one policy is required"),
    ] {
        let error = error(&config);
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn rules_are_replaced_for_undecided_traces() {
    let mut world = World::new(&rules(vec![Rule::new("all", RuleSampler::AlwaysSample)]));
    world.append(&request(vec![span(LOW, 1)]));
    let error = world.sampler.set_rules(&[Rule::new("", RuleSampler::Drop)]).unwrap_err();
    assert!(error.to_string().starts_with("rules: [0].name"), "{error}");
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

fn load(text: &str) -> Result<(TailSamplingConfig, Vec<String>), String> {
    let document = Document::parse("c.yaml", text.as_bytes(), |_| None).unwrap();
    let read =
        TailSamplingConfig::from_document(&document, None).map_err(|error| error.to_string())?;
    Ok((read.value, read.warnings.iter().map(ToString::to_string).collect()))
}

#[test]
fn rules_load_from_yaml() {
    let text = r#"
tail_sampling:
  decision_wait: 10s
  num_traces: 1000
  rules:
    - name: health
      conditions: ['name == "GET /health"']
      sampler: {type: drop}
    - name: payment-errors
      match: same_span
      conditions:
        - status.code == STATUS_CODE_ERROR
        - attributes["service"] == "payment"
      sampler: {type: always_sample}
    - name: bulk
      match: any_span
      conditions: ['attributes["bulk"] == true']
      sampler: {type: rate_limiting, spans_per_second: 100, burst_capacity: 300}
    - name: web
      conditions: ['span.kind == SPAN_KIND_SERVER']
      sampler:
        type: adaptive_throughput
        goal_throughput: 1_000
        fingerprint_attributes:
          - root.name
          - resource.attributes["service.name"]
        max_keys: 200
        adjustment_interval: 2s
    - name: default
      sampler: {type: probabilistic, sampling_percentage: 12.5}
"#;
    let throughput = AdaptiveThroughput::new(1_000)
        .with_fingerprint_attribute("root.name")
        .with_fingerprint_attribute("resource.attributes[\"service.name\"]")
        .with_max_keys(200)
        .with_adjustment_interval(Duration::from_secs(2));
    let limit = RateLimitingPolicy::new(100).with_burst_capacity(300);
    let expected = rules(vec![
        Rule::new("health", RuleSampler::Drop).with_condition("name == \"GET /health\""),
        Rule::new("payment-errors", RuleSampler::AlwaysSample)
            .with_condition(ERROR)
            .with_condition(PAYMENT)
            .with_match(RuleMatch::SameSpan),
        Rule::new("bulk", limit).with_condition("attributes[\"bulk\"] == true"),
        Rule::new("web", throughput).with_condition("span.kind == SPAN_KIND_SERVER"),
        Rule::new("default", percentage(12.5)),
    ]);
    assert_eq!(load(text), Ok((expected, vec![])));
}

#[test]
fn mistakes_of_rules_are_reported_with_their_place() {
    let sampler = |text: &str| format!("[{{name: a, sampler: {{{text}}}}}]");
    for (rules, path, message) in [
        ("[]".to_owned(), "", "at least one rule is required"),
        ("[{sampler: {type: drop}}]".to_owned(), "[0].name", "it is required"),
        ("[{name: a}]".to_owned(), "[0].sampler", "it is required"),
        (
            "[{name: a, sampler: {type: drop}, match: any_span}]".to_owned(),
            "[0].match",
            "a rule without conditions has no `match`",
        ),
        (
            "[{name: a, conditions: [\"true\", \"x ==\"], sampler: {type: drop}}]".to_owned(),
            "[0].conditions[1]",
            "condition \"x ==\": 1:",
        ),
        (sampler("type: adaptive_percentage"), "[0].sampler.type", "is not known"),
        (
            sampler("type: adaptive_throughput, goal_troughput: 5"),
            "[0].sampler.goal_troughput",
            "unknown key; did you mean `goal_throughput`?",
        ),
        (sampler("type: adaptive_throughput"), "[0].sampler.goal_throughput", "it is required"),
        (
            sampler("type: adaptive_throughput, goal_throughput: 5, max_keys: 0"),
            "[0].sampler.max_keys",
            "0 is out of range; accepted is 1 to 10000",
        ),
        (
            sampler(
                "type: adaptive_throughput, goal_throughput: 5, fingerprint_attributes: [name]",
            ),
            "[0].sampler.fingerprint_attributes",
            "\"name\" is no selector",
        ),
        (
            sampler("type: probabilistic, sampling_percentage: 101"),
            "[0].sampler.sampling_percentage",
            "101.0 is out of range",
        ),
        (
            sampler("type: always_sample, sampling_percentage: 10"),
            "[0].sampler.sampling_percentage",
            "the type of the sampler has no such setting",
        ),
        (sampler("type: rate_limiting"), "[0].sampler.spans_per_second", "it is required"),
        (
            "[{name: a, sampler: {type: drop}}, {name: a, sampler: {type: drop}}]".to_owned(),
            "[1].name",
            "duplicate rule name \"a\"",
        ),
    ] {
        let error = load(&format!("tail_sampling: {{rules: {rules}}}")).unwrap_err();
        let place = format!(": tail_sampling.rules{path}: ");
        assert!(error.contains(&place) && error.contains(message), "{rules}: {error}");
    }
    let both = "tail_sampling: {policies: [{name: a, type: always_sample}], \
                rules: [{name: a, sampler: {type: drop}}]}";
    let error = load(both).unwrap_err();
    assert!(error.ends_with("a sampler has either `policies` or `rules`, not both"), "{error}");
    let unreachable = "tail_sampling: {rules: [{name: a, sampler: {type: drop}}, \
                       {name: b, sampler: {type: always_sample}}]}";
    let (_, warnings) = load(unreachable).unwrap();
    assert!(
        warnings[0].contains("tail_sampling.rules[0]: the rule has no condition"),
        "{warnings:?}"
    );
}
