//! The metrics under the Collector's names, each by its name, its unit, its labels and its value.

use crate::support;

use std::time::{Duration, Instant};

use spanwise_metrics::{Attribute, HistogramPoint, Metric, MetricData, NumberPoint, OwnedValue};
use spanwise_tail::{
    ErrorMode, LatencyPolicy, OttlConditionPolicy, Policy, PolicyKind, RateLimitingPolicy, Rule,
    RuleSampler, ShardedTailSampler, StressRelief, TailSampler, TailSamplingConfig,
};
use spanwise_wire::StatusCode;
use support::*;

const PREFIX: &str = "otelcol_processor_tail_sampling_";

fn find<'a>(metrics: &'a [Metric], name: &str) -> &'a Metric {
    let name = format!("{PREFIX}{name}");
    metrics.iter().find(|metric| metric.name.as_str() == name).expect(&name)
}

/// The points as `label=value,… number`.
fn points(metrics: &[Metric], name: &str) -> Vec<String> {
    let points = find(metrics, name).data.numbers().expect(name);
    let text = |point: &NumberPoint| {
        let label = |Attribute { key, value }: &Attribute| match value {
            OwnedValue::Str(value) => format!("{key}={value}"),
            other => panic!("{key} is {other:?}"),
        };
        let labels: Vec<String> = point.attributes.iter().map(label).collect();
        format!("{} {}", labels.join(","), point.value)
    };
    points.iter().map(text).collect()
}

fn histogram(metrics: &[Metric], name: &str) -> HistogramPoint {
    match &find(metrics, name).data {
        MetricData::Histogram(points) if points.len() == 1 => points[0].clone(),
        other => panic!("{name}: {other:?}"),
    }
}

fn sum(histogram: &HistogramPoint) -> u64 {
    histogram.sum() as u64
}

/// The upper bounds of the buckets with values, with their numbers.
fn filled(histogram: &HistogramPoint) -> Vec<(u64, u64)> {
    let bounds = histogram.bounds().iter().map(|bound| *bound as u64).chain([u64::MAX]);
    let all = bounds.zip(histogram.bucket_counts().iter().copied());
    all.filter(|(_, count)| *count > 0).collect()
}

fn errors_and_slow() -> TailSamplingConfig {
    config(vec![
        Policy::new("slow", LatencyPolicy::above(1_000)),
        Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])),
        Policy::new(
            "no-health",
            PolicyKind::Drop(vec![Policy::new(
                "health",
                OttlConditionPolicy::span([r#"name == "GET /health""#]),
            )]),
        ),
    ])
}

/// Of the traces 1 to 5, the first is slow, the second has an error, both with two spans; the third has one span, and the fourth one of
/// `/health`.
fn world() -> World {
    let mut world = World::new(&errors_and_slow());
    let health = |id| {
        let mut health = span(4, id);
        health.name = "GET /health".to_owned();
        health
    };
    let spans = vec![
        with_times(span(1, 1), 0, 2_000),
        span(1, 2),
        span(2, 1),
        with_status(span(2, 2), 2),
        span(3, 1),
        health(1),
    ];
    world.append(&request(spans));
    world
}

#[test]
fn the_names_and_units_are_those_of_the_collector() {
    // Without `sampling_policy_execution_time_sum`.
    let expected = [
        ("count_bytes_sampled", "By"),
        ("count_spans_sampled", "{spans}"),
        ("count_spans_with_unparseable_tracestate", "{spans}"),
        ("count_traces_sampled", "{traces}"),
        ("early_releases_from_cache_decision", "{spans}"),
        ("global_count_traces_sampled", "{traces}"),
        ("new_trace_id_received", "{traces}"),
        ("sampling_decision_timer_latency", "ms"),
        ("sampling_late_span_age", "s"),
        ("sampling_policy_evaluation_error", "{errors}"),
        ("sampling_policy_execution_count", "{executions}"),
        ("sampling_trace_dropped_too_early", "{traces}"),
        ("sampling_trace_removal_age", "s"),
        ("sampling_traces_on_memory", "{traces}"),
        ("traces_dropped_too_large", "{traces}"),
    ];
    let metrics = world().sampler.metrics();
    let found: Vec<(&str, &str)> = metrics
        .iter()
        .map(|metric| (metric.name.strip_prefix(PREFIX).unwrap(), metric.unit.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert!(metrics.iter().all(|metric| !metric.description.is_empty()));
    let is_gauge = |metric: &&Metric| matches!(metric.data, MetricData::Gauge(_));
    let gauges: Vec<&str> =
        metrics.iter().filter(is_gauge).map(|metric| metric.name.as_str()).collect();
    assert_eq!(gauges, [format!("{PREFIX}sampling_traces_on_memory")]);
    // The page has a row for each.
    let page = include_str!("../../../../docs/tail-sampling.md");
    for (name, _) in expected {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/tail-sampling.md");
    }
}

#[test]
fn traces_spans_and_bytes_are_counted_by_policy_and_decision() {
    let mut world = world();
    world.pass(DECIDED);
    let metrics = world.sampler.metrics();
    assert_eq!(
        points(&metrics, "count_traces_sampled"),
        [
            "policy=no-health,sampled=false,decision=not_sampled 3",
            "policy=no-health,sampled=false,decision=dropped 1",
            "policy=slow,sampled=true,decision=sampled 1",
            "policy=slow,sampled=false,decision=not_sampled 2",
            "policy=errors,sampled=true,decision=sampled 1",
            "policy=errors,sampled=false,decision=not_sampled 2",
        ]
    );
    assert_eq!(
        points(&metrics, "count_spans_sampled"),
        [
            "policy=no-health,sampled=false,decision=not_sampled 5",
            "policy=no-health,sampled=false,decision=dropped 1",
            "policy=slow,sampled=true,decision=sampled 2",
            "policy=slow,sampled=false,decision=not_sampled 3",
            "policy=errors,sampled=true,decision=sampled 2",
            "policy=errors,sampled=false,decision=not_sampled 3",
        ]
    );
    assert_eq!(
        points(&metrics, "sampling_policy_execution_count"),
        ["policy=no-health 4", "policy=slow 3", "policy=errors 3"]
    );
    assert_eq!(
        points(&metrics, "global_count_traces_sampled"),
        [
            "sampled=true,decision=sampled 2",
            "sampled=false,decision=not_sampled 1",
            "sampled=false,decision=dropped 1",
        ]
    );
    assert_eq!(points(&metrics, "new_trace_id_received"), [" 4"]);
}

#[test]
fn bytes_are_those_of_a_request_with_the_trace_alone() {
    let settings = config(vec![policy(PolicyKind::AlwaysSample)]);
    let mut world = World::new(&settings);
    let bytes = request(vec![span(1, 1), span(1, 2)]);
    world.append(&bytes);
    world.pass(DECIDED);
    let metrics = world.sampler.metrics();
    let [point] = points(&metrics, "count_bytes_sampled").try_into().unwrap();
    let text = point.strip_prefix("policy=p,sampled=true,decision=sampled ").unwrap();
    let counted: usize = text.parse().unwrap();
    assert!(counted.abs_diff(bytes.len()) <= 8, "{counted}, not {}", bytes.len());
}

#[test]
fn a_label_has_no_point_before_it_is_counted() {
    let metrics = world().sampler.metrics();
    assert_eq!(points(&metrics, "count_traces_sampled"), [""; 0]);
    assert_eq!(points(&metrics, "global_count_traces_sampled"), [""; 0]);
    assert_eq!(points(&metrics, "early_releases_from_cache_decision"), [""; 0]);
    assert_eq!(points(&metrics, "sampling_traces_on_memory"), [" 4"]);
}

#[test]
fn late_spans_are_counted_with_their_age() {
    let mut world = world();
    world.pass(DECIDED);
    world.pass(Duration::from_secs(7));
    world.append(&request(vec![span(1, 3), span(3, 2), span(3, 3)]));
    let metrics = world.sampler.metrics();
    assert_eq!(
        points(&metrics, "early_releases_from_cache_decision"),
        ["sampled=true 1", "sampled=false 2"]
    );
    let ages = histogram(&metrics, "sampling_late_span_age");
    assert_eq!((filled(&ages), sum(&ages)), (vec![(10, 3)], 21));
    // Beyond 18 hours, where two bytes begin again.
    world.pass(Duration::from_secs(65_536));
    world.append(&request(vec![span(2, 3)]));
    let ages = histogram(&world.sampler.metrics(), "sampling_late_span_age");
    assert_eq!((filled(&ages), sum(&ages)), (vec![(10, 4)], 28));
}

#[test]
fn the_age_of_a_trace_is_the_time_from_its_first_span_to_its_decision() {
    let mut world = World::new(&errors_and_slow());
    world.append(&request(vec![span(1, 2)]));
    world.pass(Duration::from_secs(4));
    world.append(&request(vec![span(1, 3), span(2, 2)]));
    // The second trace is decided 6 s later, after 36 s.
    world.pass(DECIDED - Duration::from_secs(4));
    world.pass(Duration::from_secs(30));
    let ages = histogram(&world.sampler.metrics(), "sampling_trace_removal_age");
    assert_eq!((filled(&ages), sum(&ages)), (vec![(10, 1), (50, 1)], 46));
    world.append(&request(vec![span(3, 2)]));
    world.pass(Duration::from_secs(3));
    world.shutdown();
    let ages = histogram(&world.sampler.metrics(), "sampling_trace_removal_age");
    assert_eq!((ages.count(), sum(&ages)), (3, 49));
}

#[test]
fn a_root_span_ages_its_trace_once() {
    let settings = errors_and_slow().with_decision_wait_after_root_received(Duration::from_secs(2));
    let mut world = World::new(&settings);
    world.append(&request(vec![span(1, 2), span(2, 2), span(3, 2)]));
    world.pass(Duration::from_secs(4));
    world.append(&request(vec![span(1, 1)]));
    world.pass(Duration::from_millis(5_500));
    // Due in half a second in any case.
    world.append(&request(vec![span(2, 1)]));
    world.pass(DECIDED);
    let ages = histogram(&world.sampler.metrics(), "sampling_trace_removal_age");
    assert_eq!(ages.count(), 3);
    assert_eq!(filled(&ages), [(10, 2), (25, 1)]);
    assert_eq!(sum(&ages), 6 + 10 + 19);
}

#[test]
fn the_traces_of_a_budget_have_an_age() {
    let rule = Rule::new("all", RuleSampler::RateLimiting(RateLimitingPolicy::new(1_000)));
    let mut world =
        World::new(&TailSamplingConfig::default().with_decision_wait(WAIT).with_rule(rule));
    world.append(&request(vec![span(1, 1), span(2, 1)]));
    world.pass(DECIDED);
    let metrics = world.sampler.metrics();
    assert_eq!(histogram(&metrics, "sampling_trace_removal_age").count(), 2);
    assert_eq!(
        points(&metrics, "count_traces_sampled"),
        ["policy=all,sampled=true,decision=sampled 2"]
    );
    assert_eq!(
        points(&metrics, "count_spans_sampled"),
        ["policy=all,sampled=true,decision=sampled 2"]
    );
}

#[test]
fn the_time_of_a_tick_is_recorded_by_its_caller() {
    let mut world = world();
    world.sampler.record_tick(Duration::from_micros(300));
    world.sampler.record_tick(Duration::from_millis(60));
    world.sampler.record_tick(Duration::from_secs(70));
    let metrics = world.sampler.metrics();
    let ticks = histogram(&metrics, "sampling_decision_timer_latency");
    assert_eq!(filled(&ticks), [(1, 1), (75, 1), (u64::MAX, 1)]);
    assert_eq!(ticks.bounds().len(), 23);
    assert_eq!(sum(&ticks), 70_060);
}

#[test]
fn failed_evaluations_are_counted() {
    let condition = OttlConditionPolicy::span([r#"Len(attributes["n"]) > 1"#])
        .with_error_mode(ErrorMode::Propagate);
    let settings = config(vec![Policy::new("bad", condition)]);
    let Ok(mut sampler) = TailSampler::new(&settings, Instant::now()) else {
        panic!("the condition is valid")
    };
    let now = Instant::now();
    let _all = sampler.append(now, &request(vec![span(1, 1)]), &mut Collected::default()).unwrap();
    sampler.shutdown(now, &mut Collected::default());
    let metrics = sampler.metrics();
    let errors = sampler.policy_counts()[0].errors;
    assert_eq!(points(&metrics, "sampling_policy_evaluation_error"), [format!(" {errors}")]);
    assert_eq!(errors, 1);
    assert_eq!(points(&metrics, "sampling_policy_execution_count"), ["policy=bad 1"]);
}

#[test]
fn limits_are_counted() {
    let mut world = World::new(&errors_and_slow().with_num_traces(2));
    world.append(&request(vec![span(1, 1), span(2, 1), span(3, 1)]));
    let metrics = world.sampler.metrics();
    assert_eq!(points(&metrics, "sampling_trace_dropped_too_early"), [" 1"]);
    assert_eq!(points(&metrics, "traces_dropped_too_large"), [" 0"]);

    let settings = errors_and_slow()
        .with_maximum_trace_size_bytes(200)
        .with_drop_pending_traces_on_shutdown(true);
    let mut world = World::new(&settings);
    world.append(&request(vec![with(span(1, 1), "key", "v".repeat(300).as_str()), span(2, 1)]));
    world.shutdown();
    let metrics = world.sampler.metrics();
    assert_eq!(points(&metrics, "traces_dropped_too_large"), [" 1"]);
    assert_eq!(points(&metrics, "global_count_traces_sampled"), [""; 0]);
    assert_eq!(world.sampler.counts().shutdown_traces, 1);
}

#[test]
fn malformed_trace_states_are_counted() {
    let settings = config(vec![policy(PolicyKind::AlwaysSample)]).with_use_trace_state(true);
    let mut world = World::new(&settings);
    let mut malformed = span(1, 1);
    malformed.trace_state = "ot=th:nonsense".to_owned();
    world.append(&request(vec![malformed, span(2, 1)]));
    world.pass(DECIDED);
    let metrics = world.sampler.metrics();
    assert_eq!(points(&metrics, "count_spans_with_unparseable_tracestate"), [" 1"]);
}

#[test]
fn a_trace_that_stress_relief_decides_has_no_age_and_its_late_spans_have_one() {
    let stress = StressRelief::default().with_levels(10.0, 5.0).with_sampling_percentage(100.0);
    let settings = errors_and_slow().with_num_traces(10).with_stress_relief(stress);
    let mut world = World::new(&settings);
    world.append(&request((1..=5).map(|trace| span(trace, 1)).collect()));
    world.pass(Duration::from_secs(3));
    world.append(&request((1..=5).map(|trace| span(trace, 2)).collect()));
    let counts = world.sampler.counts();
    assert_eq!((counts.stressed_traces, counts.pending_traces), (4, 1));
    let metrics = world.sampler.metrics();
    assert_eq!(histogram(&metrics, "sampling_trace_removal_age").count(), 0);
    let ages = histogram(&metrics, "sampling_late_span_age");
    assert_eq!((filled(&ages), sum(&ages)), (vec![(5, 4)], 12));
}

#[test]
fn sums_never_go_back_when_policies_are_replaced() {
    let mut world = world();
    world.pass(DECIDED);
    let slow = || Policy::new("slow", LatencyPolicy::above(500));
    for _ in 0..2 {
        world
            .sampler
            .set_policies(&[slow(), Policy::new("new", PolicyKind::AlwaysSample)])
            .unwrap();
    }
    let executions =
        |world: &World| points(&world.sampler.metrics(), "sampling_policy_execution_count");
    assert_eq!(executions(&world), ["policy=slow 3", "policy=new 0"]);
    world.append(&request(vec![with_times(span(9, 1), 0, 600)]));
    world.pass(DECIDED);
    assert_eq!(executions(&world), ["policy=slow 4", "policy=new 1"]);
    assert_eq!(
        points(&world.sampler.metrics(), "count_traces_sampled"),
        [
            "policy=slow,sampled=true,decision=sampled 2",
            "policy=slow,sampled=false,decision=not_sampled 2",
            "policy=new,sampled=true,decision=sampled 1",
        ]
    );
    // A name that was not in use for a time begins again: names of earlier policies take no memory.
    world.sampler.set_policies(&[Policy::new("other", PolicyKind::AlwaysSample)]).unwrap();
    world.sampler.set_policies(&[slow()]).unwrap();
    assert_eq!(executions(&world), ["policy=slow 0"]);
}

#[test]
fn the_metrics_of_shards_are_added_up() {
    let settings = errors_and_slow().with_num_shards(4);
    let now = Instant::now();
    let mut sampler = ShardedTailSampler::new(&settings, now).unwrap();
    let spans = (1..=40).map(|trace| with_times(span(trace, 1), 0, 2_000)).collect();
    let mut output = Collected::default();
    let _all = sampler.append(now, &request(spans), &mut output).unwrap();
    let metrics = sampler.metrics();
    assert_eq!(points(&metrics, "sampling_traces_on_memory"), [" 40"]);
    sampler.tick(now + DECIDED, &mut output);
    sampler.record_tick(Duration::from_millis(3));
    let metrics = sampler.metrics();
    assert_eq!(points(&metrics, "sampling_policy_execution_count")[1], "policy=slow 40");
    assert_eq!(filled(&histogram(&metrics, "sampling_trace_removal_age")), [(10, 40)]);
    assert_eq!(histogram(&metrics, "sampling_decision_timer_latency").count(), 1);
}
