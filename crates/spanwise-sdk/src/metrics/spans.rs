//! The metrics of spans: those of the performance guide and `otel.sdk.span.*` of the semantic conventions.

use spanwise_ledger::{DropReason, ParentOrigin, SamplingResult, Snapshot};
use spanwise_metrics::{Attribute, Metric, MetricData, NumberPoint};

/// The spans that are recorded.
pub(super) struct Recorded {
    /// Those in the queue.
    pub(super) waiting: u64,
    /// Whether the queue has those that are not sampled too.
    pub(super) all: bool,
    /// Spans that have ended, if metrics of spans record every one; otherwise `None`.
    pub(super) ends: Option<u64>,
}

/// Spans by their start and by their outcome.
pub(super) fn metrics(account: &Snapshot, recorded: &Recorded) -> [Metric; 8] {
    let dropped = DropReason::ALL.map(|reason| {
        NumberPoint::new(account.dropped(reason))
            .with_attributes([Attribute::new("reason", reason.name())])
    });
    let not_sampled = [
        ("sampled_out", account.sampled_out),
        ("tail_not_sampled", account.tail_not_sampled),
        ("tail_dropped", account.tail_dropped),
    ];
    let not_sampled = not_sampled.map(|(outcome, spans)| {
        NumberPoint::new(spans).with_attributes([Attribute::new("outcome", outcome)])
    });
    let counter = |name, points: Vec<_>| Metric::new(name, "{span}", MetricData::Counter(points));
    [
        counter("otel_spans_created", vec![NumberPoint::new(account.created)]),
        counter("otel_spans_exported", vec![NumberPoint::new(account.exported)]),
        counter("otel_spans_dropped", dropped.into()),
        counter("spanwise_spans_not_sampled", not_sampled.into()),
        counter("spanwise_spans_recovered", vec![NumberPoint::new(account.recovered)]),
        Metric::new(
            "spanwise_spool_spans",
            "{span}",
            MetricData::UpDownCounter(vec![NumberPoint::new(account.spooled)]),
        ),
        counter("otel.sdk.span.started", started(account, recorded)),
        Metric::new(
            "otel.sdk.span.live",
            "{span}",
            MetricData::UpDownCounter(live(account, recorded)),
        ),
    ]
}

/// The spans that have not ended: those without an outcome that are neither in the queue nor beyond.
fn live(account: &Snapshot, recorded: &Recorded) -> Vec<NumberPoint> {
    let ended = account.ticketed.saturating_add(recorded.waiting);
    let due = account.in_flight.saturating_sub(ended);
    let (sampled, record_only) = match recorded.all {
        // The end of one that is not sampled is reported when it is drained.
        true => (due.saturating_sub(account.record_only_live), due.min(account.record_only_live)),
        // Only span processors get those that are not sampled.
        false => (due, account.record_only_live),
    };
    // Without its thread, the provider records no spans, and counts them as lost.
    let recording = account.created.saturating_sub(account.dropped(DropReason::WorkerUnavailable));
    let not_ended = recorded.ends.map(|ends| recording.saturating_sub(ends));
    let record_only = not_ended.map_or(record_only, |live| live.saturating_sub(sampled));
    [(SamplingResult::RecordAndSample, sampled), (SamplingResult::RecordOnly, record_only)]
        .map(|(result, spans)| {
            let result = Attribute::new("otel.span.sampling_result", result.name());
            NumberPoint::new(spans).with_attributes([result])
        })
        .into()
}

/// A point for each origin of a parent and each result of the sampler, also for those without a span: a rate needs the zero before the
/// first one.
fn started(account: &Snapshot, recorded: &Recorded) -> Vec<NumberPoint> {
    let pairs = ParentOrigin::ALL
        .into_iter()
        .flat_map(|origin| SamplingResult::ALL.map(|result| (origin, result)));
    let of = |origin, result| match (recorded.ends, result) {
        (None, _) | (_, SamplingResult::RecordAndSample) => account.started(origin, result),
        // The ledger counts those that metrics record as sampled out.
        (Some(_), SamplingResult::RecordOnly) => [SamplingResult::Drop, SamplingResult::RecordOnly]
            .map(|result| account.started(origin, result))
            .iter()
            .sum(),
        (Some(_), SamplingResult::Drop) => 0,
    };
    let point = |(origin, result)| {
        NumberPoint::new(of(origin, result)).with_attributes([
            Attribute::new("otel.span.parent.origin", ParentOrigin::name(origin)),
            Attribute::new("otel.span.sampling_result", SamplingResult::name(result)),
        ])
    };
    pairs.map(point).collect()
}
