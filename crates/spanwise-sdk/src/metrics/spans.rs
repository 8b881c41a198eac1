//! The metrics of spans: those of the performance guide and `otel.sdk.span.*` of the semantic conventions.

use super::point::{attribute, count, metric};
use spanwise_ledger::{DropReason, ParentOrigin, SamplingResult, Snapshot};
use spanwise_metrics::{Metric, MetricData, NumberPoint};

/// Spans by their start and by their outcome. `waiting` spans are in the
/// queue; with `records_all`, it has those that are not sampled too.
pub(super) fn metrics(account: &Snapshot, (waiting, records_all): (u64, bool)) -> [Metric; 6] {
    let dropped = DropReason::ALL.map(|reason| {
        count(account.dropped(reason)).with_attributes([attribute("reason", reason.name())])
    });
    let not_sampled = [
        ("sampled_out", account.sampled_out),
        ("tail_not_sampled", account.tail_not_sampled),
        ("tail_dropped", account.tail_dropped),
    ];
    let not_sampled = not_sampled
        .map(|(outcome, spans)| count(spans).with_attributes([attribute("outcome", outcome)]));
    let counter = |name, points: Vec<_>| metric(name, "{span}", MetricData::Counter(points));
    [
        counter("otel_spans_created", vec![count(account.created)]),
        counter("otel_spans_exported", vec![count(account.exported)]),
        counter("otel_spans_dropped", dropped.into()),
        counter("spanwise_spans_not_sampled", not_sampled.into()),
        counter("otel.sdk.span.started", started(account)),
        metric(
            "otel.sdk.span.live",
            "{span}",
            MetricData::UpDownCounter(live(account, waiting, records_all)),
        ),
    ]
}

/// The spans that have not ended: those without an outcome that are neither in the queue nor beyond.
fn live(account: &Snapshot, waiting: u64, records_all: bool) -> Vec<NumberPoint> {
    let ended = account.ticketed.saturating_add(waiting);
    let due = account.in_flight.saturating_sub(ended);
    let (sampled, record_only) = match records_all {
        // The end of one that is not sampled is reported when it is drained.
        true => (due.saturating_sub(account.record_only_live), due.min(account.record_only_live)),
        // Only span processors get those that are not sampled.
        false => (due, account.record_only_live),
    };
    [(SamplingResult::RecordAndSample, sampled), (SamplingResult::RecordOnly, record_only)]
        .map(|(result, spans)| {
            let result = attribute("otel.span.sampling_result", result.name());
            count(spans).with_attributes([result])
        })
        .into()
}

/// A point for each origin of a parent and each result of the sampler, also for those without a span: a rate needs the zero before the
/// first one.
fn started(account: &Snapshot) -> Vec<NumberPoint> {
    let pairs = ParentOrigin::ALL
        .into_iter()
        .flat_map(|origin| SamplingResult::ALL.map(|result| (origin, result)));
    let point = |(origin, result)| {
        count(account.started(origin, result)).with_attributes([
            attribute("otel.span.parent.origin", ParentOrigin::name(origin)),
            attribute("otel.span.sampling_result", SamplingResult::name(result)),
        ])
    };
    pairs.map(point).collect()
}
