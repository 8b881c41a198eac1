//! [`Named`]: metrics by the names of `docs/operations/metrics.md`.

use spanwise_metrics::{HistogramPoint, MetricData, MetricsSnapshot};
use std::collections::HashMap;

/// Metrics by their names without suffixes: the same for the OpenTelemetry and the Prometheus form of a name.
pub(super) struct Named<'m> {
    by_name: HashMap<String, &'m MetricData>,
}

impl<'m> Named<'m> {
    pub(super) fn new(snapshot: &'m MetricsSnapshot) -> Self {
        let metrics = snapshot.metrics().iter();
        Self { by_name: metrics.map(|metric| (base(&metric.name), &metric.data)).collect() }
    }

    /// The sum of the points; `None` if the provider does not have the metric.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        let points = self.by_name.get(&base(name))?.numbers()?;
        (!points.is_empty()).then(|| points.iter().map(|point| point.value.as_f64()).sum())
    }

    /// The histogram of all points that have the bounds of the first.
    pub(super) fn histogram(&self, name: &str) -> Option<HistogramPoint> {
        let MetricData::Histogram(points) = self.by_name.get(&base(name))? else { return None };
        let first = points.first()?;
        let (mut counts, mut sum) = (vec![0_u64; first.bucket_counts().len()], 0.0);
        for point in points.iter().filter(|point| point.bounds() == first.bounds()) {
            let both = counts.iter_mut().zip(point.bucket_counts());
            both.for_each(|(all, more)| *all = all.saturating_add(*more));
            sum += point.sum();
        }
        Some(HistogramPoint::new(first.bounds().to_vec(), counts, sum))
    }
}

/// A name as Prometheus writes it, without the suffixes of its unit and its kind.
fn base(name: &str) -> String {
    let mut base = name.replace(['.', '-'], "_");
    while let Some(shorter) = SUFFIXES.iter().find_map(|suffix| base.strip_suffix(suffix)) {
        base.truncate(shorter.len());
    }
    base
}

const SUFFIXES: [&str; 3] = ["_total", "_bytes", "_seconds"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_metrics::{Attribute, Metric, NumberPoint};

    #[test]
    fn both_forms_of_a_name_are_found_and_points_are_added_up() {
        let mut snapshot = MetricsSnapshot::new(0, 1);
        let point = |value: u64, name| {
            NumberPoint::new(value).with_attributes([Attribute::new("name", name)])
        };
        let points = vec![point(3, "a"), point(4, "b")];
        snapshot
            .push(Metric::new("spanwise.queue.usage", "By", MetricData::Gauge(points)))
            .unwrap();
        let points = ["a", "b"].map(|name| {
            HistogramPoint::new(vec![1.0], vec![1, 2], 3.0)
                .with_attributes([Attribute::new("name", name)])
        });
        let points = MetricData::Histogram(points.to_vec());
        snapshot.push(Metric::new("otel_export_duration_seconds", "s", points)).unwrap();
        let named = Named::new(&snapshot);
        assert_eq!(named.sum("spanwise_queue_usage_bytes"), Some(7.0));
        assert_eq!(named.sum("spanwise_queue_limit_bytes"), None);
        assert_eq!(named.sum("otel_export_duration"), None);
        let histogram = named.histogram("otel_export_duration").unwrap();
        assert_eq!((histogram.bucket_counts(), histogram.sum()), (&[2, 4][..], 6.0));
        assert!(named.histogram("spanwise_queue_usage").is_none());
    }
}
