//! Values of metrics by the provider's names of them, which `docs/operations/metrics.md` has as Prometheus stores them.

use spanwise_metrics::{HistogramPoint, MetricData, MetricsSnapshot};

/// The sum of the points; `None` if there is none, such as the capacity of a queue without a limit in spans.
pub(super) fn sum(metrics: &MetricsSnapshot, name: &str) -> Option<f64> {
    let points = metrics.get(name)?.data.numbers()?;
    (!points.is_empty()).then(|| points.iter().map(|point| point.value.as_f64()).sum())
}

/// The point of a histogram without attributes.
pub(super) fn histogram<'m>(
    metrics: &'m MetricsSnapshot,
    name: &str,
) -> Option<&'m HistogramPoint> {
    match &metrics.get(name)?.data {
        MetricData::Histogram(points) => points.first(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_metrics::{Attribute, Metric, NumberPoint};

    #[test]
    fn points_are_added_up_and_an_absent_value_is_none() {
        let mut metrics = MetricsSnapshot::new(0, 1);
        let point = |value: u64, name| {
            NumberPoint::new(value).with_attributes([Attribute::new("name", name)])
        };
        let points = MetricData::Gauge(vec![point(3, "a"), point(4, "b")]);
        metrics.push(Metric::new("two", "By", points)).unwrap();
        metrics.push(Metric::new("none", "By", MetricData::Gauge(Vec::new()))).unwrap();
        let points = vec![HistogramPoint::new(vec![1.0], vec![1, 2], 3.0)];
        metrics.push(Metric::new("durations", "s", MetricData::Histogram(points))).unwrap();
        assert_eq!(sum(&metrics, "two"), Some(7.0));
        for name in ["none", "durations", "another"] {
            assert_eq!(sum(&metrics, name), None, "{name}");
        }
        assert_eq!(histogram(&metrics, "durations").unwrap().sum(), 3.0);
        assert!(histogram(&metrics, "two").is_none());
    }
}
