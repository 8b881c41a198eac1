//! The metrics of spans under the names of the performance guide.

use spanwise_ledger::Snapshot;
use spanwise_metrics::{Attribute, Metric, MetricData, NumberPoint};

/// Spans by outcome.
pub(super) fn metrics(account: &Snapshot) -> [Metric; 3] {
    let counter = |name: &'static str, points: Vec<NumberPoint>| {
        Metric::new(name, "{span}", MetricData::Counter(points))
    };
    let dropped = account.drops().map(|(reason, spans)| {
        NumberPoint::new(spans).with_attributes([Attribute::new("reason", reason.name())])
    });
    [
        counter("otel_spans_created", vec![NumberPoint::new(account.created)]),
        counter("otel_spans_exported", vec![NumberPoint::new(account.exported)]),
        counter("otel_spans_dropped", dropped.collect()),
    ]
}
