//! Stress relief: decisions by a ratio while the sampler is short of space.

use crate::support;

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwise_config::Document;
use spanwise_tail::{
    DecidedTrace, DecisionCause, LatencyPolicy, PolicyKind, SampledRequest, StressRelief,
    TailOutput, TailSampler, TailSamplingConfig,
};
use support::*;

const HIGH: u128 = 0xff_ffff_ffff_ffff;

fn relief() -> StressRelief {
    StressRelief::default().with_levels(80.0, 50.0).with_sampling_percentage(25.0)
}

/// Ten traces may wait, so that the eighth is the last one before stress.
fn stressed() -> TailSamplingConfig {
    config(vec![policy(PolicyKind::AlwaysSample)]).with_num_traces(10).with_stress_relief(relief())
}

/// A trace with this randomness. Decisions are remembered by the right half of the id.
fn trace(number: u128, randomness: u128) -> u128 {
    7 << 100 | number << 56 | randomness
}

fn world_under_stress(config: &TailSamplingConfig) -> World {
    let mut world = World::new(config);
    for number in 1..=8 {
        world.append(&request(vec![span(trace(number, 1), 1)]));
    }
    assert!(!world.sampler.is_stressed());
    assert_eq!(world.output.decisions, []);
    world
}

#[test]
fn traces_that_begin_under_stress_are_decided_at_once() {
    let mut world = world_under_stress(&stressed());
    let with_state = |span: Span, state: &str| Span { trace_state: state.to_owned(), ..span };
    let quarter = 0xc0_0000_0000_0000;
    for (number, randomness, state, after) in [
        (20, HIGH, "", Some("ot=th:c")),
        (21, quarter, "a=b", Some("ot=th:c,a=b")),
        (22, quarter - 1, "", None),
        (23, HIGH, "ot=th:e;x:1", Some("ot=th:e;x:1")),
        (24, 0, "ot=rv:f0000000000000", Some("ot=rv:f0000000000000;th:c")),
        (25, HIGH, "ot=rv:00000000000000", None),
    ] {
        let id = trace(number, randomness);
        world.append(&request(vec![with_state(span(id, 1), state)]));
        assert!(world.sampler.is_stressed());
        let mut late = with_state(span(id, 2), state);
        late.flags = 1;
        world.append(&request(vec![late]));
        let states: Vec<String> =
            world.output.spans().into_iter().map(|span| span.trace_state).collect();
        let expected: Vec<String> =
            after.into_iter().flat_map(|state| [state; 2]).map(str::to_owned).collect();
        assert_eq!(states, expected, "{number}");
        world.output.requests.clear();
    }
    let counts = world.sampler.counts();
    assert_eq!((counts.stressed_traces, counts.stress_activations), (6, 1));
    assert_eq!((counts.sampled_traces, counts.not_sampled_traces), (4, 2));
    assert_eq!((counts.pending_traces, counts.new_traces, counts.evicted_traces), (8, 14, 0));
    // Traces that wait already take more spans, and are decided by the policies.
    world.append(&request(vec![span(trace(1, 1), 2)]));
    world.pass(DECIDED);
    assert_eq!(world.output.spans().len(), 9);
    assert!(world.output.spans().iter().all(|span| span.trace_state.is_empty()));
}

#[test]
fn stress_ends_below_its_level_after_the_least_time() {
    let mut world = world_under_stress(&stressed());
    world.append(&request(vec![span(trace(20, 1), 1)]));
    world.pass(Duration::from_secs(9));
    // The level is low after the decisions, but the least time is not over: at 10 s after the begin it is.
    world.pass(DECIDED - Duration::from_secs(9));
    assert_eq!(world.sampler.counts().pending_traces, 0);
    world.append(&request(vec![span(trace(21, 1), 1)]));
    assert!(!world.sampler.is_stressed());
    assert_eq!(world.sampler.counts().pending_traces, 1);

    let longer = relief().with_minimum_activation_duration(Duration::from_secs(60));
    let mut world = world_under_stress(&stressed().with_stress_relief(longer));
    world.append(&request(vec![span(trace(20, 1), 1)]));
    world.pass(DECIDED);
    world.append(&request(vec![span(trace(21, 1), 1)]));
    assert!(world.sampler.is_stressed());
    world.pass(Duration::from_secs(50));
    world.append(&request(vec![span(trace(22, 1), 1)]));
    assert!(!world.sampler.is_stressed());
}

/// Collects what decided.
#[derive(Default)]
struct Causes(Vec<(DecisionCause, u64, bool)>);

impl TailOutput for Causes {
    fn request(&mut self, _: SampledRequest<'_>) {}

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        self.0.push((trace.cause, trace.spans, trace.policy.is_some()));
    }
}

#[test]
fn a_decision_names_its_cause() {
    let now = Instant::now();
    let config = stressed().with_num_traces(1).with_stress_relief(relief().with_levels(100.0, 0.0));
    let mut sampler = TailSampler::new(&config, now).unwrap();
    let mut causes = Causes::default();
    let spans = request(vec![span(trace(1, 1), 1), span(trace(2, HIGH), 1)]);
    let _all = sampler.append(now, &spans, &mut causes).unwrap();
    assert_eq!(causes.0, [(DecisionCause::Stress, 1, false)]);
}

#[test]
fn memory_triggers_stress_and_counts_stay_right() {
    let config = config(vec![policy(LatencyPolicy::above(0))])
        .with_num_traces(100_000)
        .with_max_request_bytes(100_000)
        .with_max_memory_bytes(40 << 20)
        .with_stress_relief(relief());
    let mut world = World::new(&config);
    let mut seed = 1u64;
    let mut id = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u128::from(seed) << 64 | u128::from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8)
    };
    let filler = "v".repeat(2_000);
    let mut total = 0;
    while world.sampler.counts().stressed_traces < 4_000 {
        let spans = (0..100).map(|_| with(span(id(), 1), "k", filler.as_str()));
        world.append(&request(spans.collect()));
        total += 100;
    }
    let counts = world.sampler.counts();
    assert_eq!((counts.evicted_traces, counts.stress_activations), (0, 1));
    assert!(counts.pending_traces > 4_000, "{counts:?}");
    assert_eq!(counts.pending_traces + counts.stressed_traces, total);
    let spans = world.output.spans();
    assert!(spans.iter().all(|span| span.trace_state == "ot=th:c"));
    let estimate = 4.0 * spans.len() as f64 / counts.stressed_traces as f64;
    assert!((estimate - 1.0).abs() < 0.1, "{estimate}");
}

#[test]
fn settings_are_checked_and_load_from_yaml() {
    let error = |relief: StressRelief| {
        let config = stressed().with_stress_relief(relief);
        TailSampler::new(&config, Instant::now()).map(drop).unwrap_err().to_string()
    };
    for (relief, message) in [
        (relief().with_levels(0.0, 0.0), "activation_level: 0.0 is out of range"),
        (relief().with_levels(101.0, 0.0), "activation_level: 101.0 is out of range"),
        (relief().with_levels(f64::NAN, 0.0), "activation_level: NaN is out of range"),
        (relief().with_levels(50.0, 51.0), "deactivation_level: 51.0 is out of range"),
        (relief().with_sampling_percentage(0.0), "sampling_percentage: 0.0 is out of range"),
        (relief().with_sampling_percentage(100.5), "sampling_percentage: 100.5 is out of range"),
    ] {
        let error = error(relief);
        assert!(error.starts_with(&format!("stress_relief: {message}")), "{error}");
    }
    let config = stressed().with_dry_run(true);
    let error = TailSampler::new(&config, Instant::now()).map(drop).unwrap_err().to_string();
    assert_eq!(error, "stress_relief: a dry run decides no trace at once");

    let load = |block: &str| {
        let text = format!(
            "tail_sampling: {{policies: [{{name: a, type: always_sample}}], stress_relief: {block}}}"
        );
        let document = Document::parse("c.yaml", text.as_bytes(), |_| None).unwrap();
        let read = TailSamplingConfig::from_document(&document, None);
        read.map(|read| read.value.stress_relief).map_err(|error| error.to_string())
    };
    assert_eq!(load("{}"), Ok(Some(StressRelief::default())));
    let expected = relief().with_minimum_activation_duration(Duration::from_secs(30));
    assert_eq!(
        load(
            "{activation_level: 80, deactivation_level: 50, minimum_activation_duration: 30s, \
             sampling_percentage: 25}"
        ),
        Ok(Some(expected))
    );
    for (block, message) in [
        ("{activation_level: 120}", "stress_relief.activation_level: 120.0 is out of range"),
        ("{deactivation_level: 95}", "stress_relief.deactivation_level: 95.0 is out of range"),
        ("{sampling_rate: 95}", "stress_relief.sampling_rate: unknown key"),
    ] {
        let error = load(block).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}
