//! Settings, expressions and conditions at their extremes: each builds a sampler or is an error, in a bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use std::time::{Duration, Instant};

use spanwise_tail::{
    AdaptiveThroughput, BytesLimitingPolicy, CompositePolicy, LatencyPolicy,
    NumericAttributePolicy, OttlConditionPolicy, Policy, PolicyKind, ProbabilisticPolicy,
    RateLimitingPolicy, Rule, RuleSampler, ShardedTailSampler, SpanCountPolicy, StressRelief,
    StringAttributePolicy, TailSampler, TailSamplingConfig,
};
use support::*;

/// Far above the time that a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Builds a sampler, and sends spans through it from one extreme of time to the other. Returns whether the settings are valid.
fn survives(config: &TailSamplingConfig) -> bool {
    let begin = Instant::now();
    let Ok(mut sampler) = ShardedTailSampler::new(config, begin) else { return false };
    let mut output = Collected::default();
    let mut now = begin;
    for id in 1..=3 {
        let spans = vec![
            with_times(span(1, id), 0, u64::MAX / MILLI - EPOCH / MILLI),
            with_status(with(span(id.into(), id), "k", i64::MIN), i32::MIN),
            with(with_times(span(2, id), 5, 1), "k", f64::NAN),
        ];
        let _taken = sampler.append(now, &request(spans), &mut output).unwrap();
        // Far ahead, and back.
        now += Duration::from_secs(u64::from(u32::MAX));
        sampler.tick(now, &mut output);
        sampler.tick(begin, &mut output);
        let _next = sampler.next_tick();
        assert!(sampler.counts().is_balanced());
        assert!(sampler.memory_bytes() <= config.max_memory_bytes);
    }
    sampler.shutdown(now, &mut output);
    assert_eq!(sampler.counts().pending_spans, 0);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    true
}

fn all(config: TailSamplingConfig) -> TailSamplingConfig {
    config.with_policy(Policy::new("all", PolicyKind::AlwaysSample)).with_num_traces(100)
}

#[test]
fn settings_at_their_extremes_build_or_are_refused() {
    let base = || all(TailSamplingConfig::default());
    let cases = [
        (base().with_decision_wait(Duration::ZERO), true),
        (base().with_decision_wait(Duration::from_secs(24 * 3_600)), true),
        (base().with_decision_wait(Duration::MAX), false),
        (base().with_decision_wait_after_root_received(Duration::MAX), true),
        (base().with_num_traces(0), false),
        (base().with_num_traces(1), true),
        (base().with_num_traces(usize::MAX), false),
        (base().with_num_shards(0), false),
        (base().with_num_shards(u16::MAX), false),
        (base().with_decision_cache(0, 0), true),
        (base().with_decision_cache(usize::MAX, 1), false),
        (base().with_max_memory_bytes(0), false),
        (base().with_max_memory_bytes(usize::MAX), true),
        (base().with_max_request_bytes(0), false),
        (base().with_max_request_bytes(usize::MAX), false),
        (base().with_max_spans_per_trace(0), false),
        (base().with_max_spans_per_trace(1), true),
        (base().with_max_spans_per_trace(u32::MAX), false),
        (base().with_maximum_trace_size_bytes(1), true),
        (base().with_maximum_trace_size_bytes(u64::MAX), true),
    ];
    for (index, (config, is_valid)) in cases.iter().enumerate() {
        assert_eq!(survives(config), *is_valid, "case {index}: {config:?}");
    }
}

#[test]
fn numbers_at_their_extremes_build_or_are_refused() {
    let with_policy = |kind: PolicyKind| {
        let config = TailSamplingConfig::default().with_policy(Policy::new("p", kind));
        config.with_num_traces(100).with_decision_wait(Duration::from_secs(1))
    };
    let sub = || vec![Policy::new("sub", PolicyKind::AlwaysSample)];
    let mut kinds: Vec<PolicyKind> = Vec::new();
    for number in [i64::MIN, -1, 0, 1, i64::MAX] {
        kinds.push(LatencyPolicy::above(number).into());
        kinds.push(LatencyPolicy::above(1).with_upper_threshold_ms(number).into());
        kinds.push(NumericAttributePolicy::new("k", number, i64::MAX).into());
        kinds.push(NumericAttributePolicy::new("k", 1, number).into());
        kinds.push(RateLimitingPolicy::new(number).into());
        kinds.push(BytesLimitingPolicy::new(number).into());
        kinds.push(CompositePolicy::new(number, sub()).with_allocation("sub", number).into());
    }
    for number in [i32::MIN, -1, 0, i32::MAX] {
        kinds.push(SpanCountPolicy::at_least(number).with_max_spans(number).into());
    }
    for number in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-300, 100.0, f64::MAX] {
        kinds.push(ProbabilisticPolicy::new(number).into());
    }
    let mut valid = 0;
    for kind in kinds {
        valid += u32::from(survives(&with_policy(kind)));
    }
    assert!(valid > 10, "{valid}");
}

#[test]
fn rules_and_stress_relief_at_their_extremes_build_or_are_refused() {
    let with_rule = |sampler: RuleSampler| {
        let config = TailSamplingConfig::default().with_rule(Rule::new("r", sampler));
        config.with_num_traces(100).with_decision_wait(Duration::from_secs(1))
    };
    for number in [0, 1, u64::MAX] {
        for interval in [Duration::ZERO, Duration::from_millis(100), Duration::MAX] {
            let sampler = AdaptiveThroughput::new(number)
                .with_max_keys(number as usize)
                .with_adjustment_interval(interval);
            let is_valid = survives(&with_rule(sampler.into()));
            let accepted = interval == Duration::from_millis(100) && number == 1;
            assert_eq!(is_valid, accepted, "{number} {interval:?}");
        }
    }
    for number in [i64::MIN, -1, 0, 1, i64::MAX] {
        let _valid = survives(&with_rule(RateLimitingPolicy::new(number).into()));
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 100.0, 100.1] {
        let ratio = survives(&with_rule(ProbabilisticPolicy::new(number).into()));
        assert_eq!(ratio, number == 100.0, "{number}");
        let relief = StressRelief::default()
            .with_levels(number, number)
            .with_sampling_percentage(number)
            .with_minimum_activation_duration(Duration::MAX);
        let config = all(TailSamplingConfig::default()).with_stress_relief(relief);
        assert_eq!(survives(&config), number == 100.0, "{number}");
    }
}

#[test]
fn expressions_that_explode_elsewhere_are_linear_or_refused() {
    let evil = [
        "(a*)*b".to_owned(),
        "(a|aa)+$".to_owned(),
        "((((((((((a{1,10}){1,10}){1,10}){1,10}){1,10}){1,10}){1,10}){1,10}){1,10}){1,10}"
            .to_owned(),
        "(?:x{1000}){1000}".to_owned(),
        "(".repeat(5_000),
        "(".repeat(3_000) + &")".repeat(3_000),
        "[".repeat(5_000),
        "a|".repeat(4_999),
        r"\p{L}".repeat(1_900),
        "x".repeat(1 << 20),
        "\\Q".to_owned(),
        "[[:alpha:".to_owned(),
        "(?i)é{999}".to_owned(),
    ];
    let long = "a".repeat(100_000);
    for text in evil {
        let begin = Instant::now();
        let string = StringAttributePolicy::new("k", [text.clone()]).with_regex();
        let condition =
            OttlConditionPolicy::span([format!("IsMatch(attributes[\"k\"], {text:?})")]);
        for kind in [PolicyKind::from(string), condition.into()] {
            let config = config(vec![policy(kind)]);
            if let Ok(mut sampler) = TailSampler::new(&config, begin) {
                let mut output = Collected::default();
                let request = request(vec![with(span(1, 1), "k", long.as_str())]);
                let _taken = sampler.append(begin, &request, &mut output).unwrap();
                sampler.shutdown(begin, &mut output);
            }
        }
        assert!(begin.elapsed() < PATIENCE, "{:.40} {:?}", text, begin.elapsed());
    }
}

#[test]
fn conditions_that_are_deep_or_long_are_linear_or_refused() {
    let term = r#"attributes["k"] == 1"#;
    for (condition, is_valid) in [
        (format!("{}{term}{}", "(".repeat(30), ")".repeat(30)), true),
        (format!("{}{term}{}", "(".repeat(30_000), ")".repeat(30_000)), false),
        ("(".repeat(60_000), false),
        ("not ".repeat(15_000) + term, false),
        (vec![term; 100].join(" or "), true),
        (vec![term; 2_500].join(" and "), true),
        (vec![term; 1_000_000].join(" or "), false),
        (format!("attributes[\"k\"]{} == 1", "[0]".repeat(20_000)), true),
        (format!("{}attributes[\"k\"]{} == 1", "Len(".repeat(10_000), ")".repeat(10_000)), false),
        (format!("name == \"{}\"", "x".repeat(60_000)), true),
        (format!("attributes[\"k\"] == {}", "9".repeat(60_000)), false),
        (format!("1{} == 1", " + 1".repeat(15_000)), false),
        (format!("Concat([{}\"a\"], \"\") == \"\"", "\"a\", ".repeat(9_000)), true),
    ] {
        let begin = Instant::now();
        let config = config(vec![policy(OttlConditionPolicy::span([condition.clone()]))]);
        assert_eq!(survives(&config), is_valid, "{:.60}", condition);
        assert!(begin.elapsed() < PATIENCE, "{:.60}", condition);
    }
}
