//! Values of points, by the attributes that they have.

use spanwise_metrics::{Attribute, HistogramPoint, Metric, MetricData, MetricsSnapshot};
use spanwise_sdk::Spanwise;
use spanwise_wire::OwnedValue;

pub fn metric<'a>(snapshot: &'a MetricsSnapshot, name: &str) -> &'a Metric {
    snapshot.get(name).unwrap_or_else(|| panic!("no metric {name}"))
}

/// The attributes of each point.
pub fn attributes(metric: &Metric) -> Vec<&[Attribute]> {
    match &metric.data {
        MetricData::Counter(points)
        | MetricData::UpDownCounter(points)
        | MetricData::Gauge(points) => points.iter().map(|point| &*point.attributes).collect(),
        MetricData::Histogram(points) => points.iter().map(HistogramPoint::attributes).collect(),
        other => panic!("{other:?}"),
    }
}

/// An attribute as text; empty if the point does not have it.
pub fn text(attributes: &[Attribute], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key.as_str() == key);
    value.map_or_else(String::new, |attribute| match &attribute.value {
        OwnedValue::Str(text) => text.to_string(),
        OwnedValue::I64(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

/// The sum of the points that have these attributes, among others; an empty value is no attribute.
pub fn sum(snapshot: &MetricsSnapshot, name: &str, having: &[(&str, &str)]) -> u64 {
    let points = metric(snapshot, name).data.numbers().unwrap();
    let has = |attributes: &[Attribute]| {
        having.iter().all(|(key, value)| text(attributes, key) == *value)
    };
    let matching = points.iter().filter(|point| has(&point.attributes));
    matching.map(|point| point.value.as_u64().unwrap()).sum()
}

pub fn histograms<'a>(snapshot: &'a MetricsSnapshot, name: &str) -> &'a [HistogramPoint] {
    match &metric(snapshot, name).data {
        MetricData::Histogram(points) => points,
        other => panic!("{other:?}"),
    }
}

/// Makes `count` root spans.
pub fn make(spanwise: &Spanwise, count: usize) {
    let tracer = spanwise.tracer("metrics");
    for _ in 0..count {
        tracer.root("span", spanwise_sdk::SpanKind::Internal).finish();
    }
}
