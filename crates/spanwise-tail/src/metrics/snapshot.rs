//! All metrics of a sampler.

use spanwise_metrics::{Attribute, Metric, MetricData, NumberPoint};

use super::histogram::WholeHistogram;
use super::shard_metrics::ShardMetrics;
use crate::engine::TailCounts;
use crate::policy::{Decision, DecisionSums, PolicyCounts};

/// A metric by its name without the Collector's prefix.
macro_rules! metric {
    ($name:literal, $unit:literal, $description:literal, $data:expr) => {
        Metric::new(concat!("otelcol_processor_tail_sampling_", $name), $unit, $data)
            .with_description($description)
    };
}

/// The counts behind the metrics.
pub(crate) struct Counted<'a> {
    pub(crate) counts: TailCounts,
    pub(crate) policies: Vec<PolicyCounts>,
    pub(crate) shards: &'a ShardMetrics,
}

/// The metrics in the order of their names.
pub(crate) fn snapshot(counted: &Counted<'_>) -> Vec<Metric> {
    let Counted { counts, policies, shards } = counted;
    let by_decision = |sums: fn(&PolicyCounts) -> DecisionSums| {
        let points = policies.iter().flat_map(move |policy| {
            let label = Attribute::new("policy", policy.name.clone());
            decisions(&sums(policy), std::slice::from_ref(&label))
        });
        MetricData::Counter(points.collect())
    };
    let late = [("true", counts.late_sampled_spans), ("false", counts.late_not_sampled_spans)];
    let late = late.into_iter().filter(|(_, spans)| *spans > 0);
    let late = late.map(|(sampled, value)| {
        NumberPoint::new(value).with_attributes([Attribute::new("sampled", sampled)])
    });
    let executions = policies.iter().map(|policy| {
        let name = Attribute::new("policy", policy.name.clone());
        NumberPoint::new(policy.evaluations()).with_attributes([name])
    });
    let too_large = counts.too_large_traces;
    // The Collector counts neither a trace that is too large nor one that a shutdown drops as decided.
    let decided = DecisionSums {
        sampled: counts.sampled_traces,
        not_sampled: counts.not_sampled_traces,
        dropped: counts.dropped_traces - too_large - counts.shutdown_traces,
    };
    vec![
        metric!(
            "count_bytes_sampled",
            "By",
            "Encoded bytes of the traces that each policy decided",
            by_decision(|policy| policy.bytes)
        ),
        metric!(
            "count_spans_sampled",
            "{spans}",
            "Spans of the traces that each policy decided",
            by_decision(|policy| policy.spans)
        ),
        metric!(
            "count_spans_with_unparseable_tracestate",
            "{spans}",
            "Sampled spans without the threshold of their decision, because their tracestate is malformed",
            sum(counts.malformed_trace_states)
        ),
        metric!(
            "count_traces_sampled",
            "{traces}",
            "Traces that each policy decided",
            by_decision(PolicyCounts::traces)
        ),
        metric!(
            "early_releases_from_cache_decision",
            "{spans}",
            "Late spans that followed a remembered decision",
            MetricData::Counter(late.collect())
        ),
        metric!(
            "global_count_traces_sampled",
            "{traces}",
            "Decided traces",
            MetricData::Counter(decisions(&decided, &[]))
        ),
        metric!(
            "new_trace_id_received",
            "{traces}",
            "Traces of which a first span arrived",
            sum(counts.new_traces)
        ),
        metric!(
            "sampling_decision_timer_latency",
            "ms",
            "Time of each tick, as the caller of `record_tick` measured it",
            histogram(&shards.tick_latency)
        ),
        metric!(
            "sampling_late_span_age",
            "s",
            "Time from the decision about a trace to the arrival of a late span",
            histogram(&shards.late_span_age)
        ),
        metric!(
            "sampling_policy_evaluation_error",
            "{errors}",
            "Evaluations of policies that failed",
            sum(counts.policy_evaluation_errors)
        ),
        metric!(
            "sampling_policy_execution_count",
            "{executions}",
            "Evaluations of each policy",
            MetricData::Counter(executions.collect())
        ),
        metric!(
            "sampling_trace_dropped_too_early",
            "{traces}",
            "Traces that were decided before their time, because a limit was reached",
            sum(counts.evicted_traces)
        ),
        metric!(
            "sampling_trace_removal_age",
            "s",
            "Time from the first span of a trace to its decision",
            histogram(&shards.trace_removal_age)
        ),
        metric!(
            "sampling_traces_on_memory",
            "{traces}",
            "Undecided traces",
            MetricData::Gauge(vec![point(counts.pending_traces)])
        ),
        metric!(
            "traces_dropped_too_large",
            "{traces}",
            "Traces with more than `maximum_trace_size_bytes`",
            sum(too_large)
        ),
    ]
}

/// The points of the three decisions, of those that were made: a label has no series before it is counted.
fn decisions(sums: &DecisionSums, labels: &[Attribute]) -> Vec<NumberPoint> {
    let DecisionSums { sampled, not_sampled, dropped } = *sums;
    let all = [
        (Decision::Sampled, "true", sampled),
        (Decision::NotSampled, "false", not_sampled),
        (Decision::Dropped, "false", dropped),
    ];
    let points =
        all.into_iter().filter(|(.., value)| *value > 0).map(|(decision, sampled, value)| {
            let own = [
                Attribute::new("sampled", sampled),
                Attribute::new("decision", decision.to_string()),
            ];
            let labels: Vec<Attribute> = labels.iter().cloned().chain(own).collect();
            NumberPoint::new(value).with_attributes(labels)
        });
    points.collect()
}

fn sum(value: u64) -> MetricData {
    MetricData::Counter(vec![point(value)])
}

fn point(value: u64) -> NumberPoint {
    NumberPoint::new(value)
}

fn histogram(histogram: &WholeHistogram) -> MetricData {
    MetricData::Histogram(vec![histogram.point()])
}
