//! The metrics of one moment.

use super::error::{MAX_METRICS, MetricError};
use super::metric::Metric;

/// Metrics with the time since which they count and the time of their collection, bounded in all numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsSnapshot {
    start_unix_nanos: u64,
    time_unix_nanos: u64,
    metrics: Vec<Metric>,
    dropped_points: u64,
}

impl MetricsSnapshot {
    /// The most metrics of a snapshot.
    pub const MAX_METRICS: usize = MAX_METRICS;
    /// The most points of a metric, the specification's default of the cardinality limit.
    pub const MAX_POINTS: usize = 2_000;
    /// The most attributes of a point.
    pub const MAX_ATTRIBUTES: usize = 64;

    /// A snapshot without metrics. Both times are in nanoseconds since the Unix epoch; the observation cannot precede the start, which
    /// otherwise takes its place.
    pub fn new(start_unix_nanos: u64, time_unix_nanos: u64) -> Self {
        let time_unix_nanos = time_unix_nanos.max(start_unix_nanos);
        Self { start_unix_nanos, time_unix_nanos, metrics: Vec::new(), dropped_points: 0 }
    }

    /// Adds a metric. Points beyond [`MAX_POINTS`](Self::MAX_POINTS) and those with more than
    /// [`MAX_ATTRIBUTES`](Self::MAX_ATTRIBUTES) attributes are dropped and counted.
    ///
    /// # Errors
    /// The name or the unit violates the specification, the snapshot has a metric of this name, or too many metrics.
    ///
    /// # Cost
    /// Compares the name to those of all metrics of the snapshot.
    pub fn push(&mut self, mut metric: Metric) -> Result<(), MetricError> {
        if !is_name(&metric.name) {
            return Err(MetricError::Name { name: metric.name.chars().take(MAX_NAME).collect() });
        }
        let name = || metric.name.to_string();
        if metric.unit.len() > MAX_UNIT || !metric.unit.is_ascii() {
            return Err(MetricError::Unit { name: name() });
        }
        // Instrument names are case-insensitive.
        if self.metrics.iter().any(|other| other.name.eq_ignore_ascii_case(&metric.name)) {
            return Err(MetricError::Duplicate { name: name() });
        }
        if self.metrics.len() >= Self::MAX_METRICS {
            return Err(MetricError::TooMany { name: name() });
        }
        let (before, mut points) = (metric.data.len(), 0);
        metric.data.retain(|attributes| {
            let fits = attributes <= Self::MAX_ATTRIBUTES && points < Self::MAX_POINTS;
            points += usize::from(fits);
            fits
        });
        self.dropped_points += (before - metric.data.len()) as u64;
        self.metrics.push(metric);
        Ok(())
    }

    /// The time since which sums and histograms count, in nanoseconds since the Unix epoch.
    pub fn start_unix_nanos(&self) -> u64 {
        self.start_unix_nanos
    }

    /// The time of the collection, in nanoseconds since the Unix epoch.
    pub fn time_unix_nanos(&self) -> u64 {
        self.time_unix_nanos
    }

    /// The metrics in the order in which they were added.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The metric with this name.
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| &*metric.name == name)
    }

    /// The number of points that were dropped because of a limit.
    pub fn dropped_points(&self) -> u64 {
        self.dropped_points
    }
}

/// Whether `name` has the syntax of an instrument's name.
fn is_name(name: &str) -> bool {
    let is_other = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    name.len() <= MAX_NAME
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && name.bytes().all(is_other)
}

const MAX_NAME: usize = 255;
const MAX_UNIT: usize = 63;

#[cfg(test)]
mod tests {
    use spanwise_wire::Attribute;

    use super::*;
    use crate::model::{MetricData, NumberPoint};

    fn gauge(name: &str, unit: &str, points: Vec<NumberPoint>) -> Metric {
        Metric::new(name.to_owned(), unit.to_owned(), MetricData::Gauge(points))
    }

    #[test]
    fn names_and_units_follow_the_specification() {
        let long = "x".repeat(255);
        let mut snapshot = MetricsSnapshot::new(5, 3);
        assert_eq!((snapshot.start_unix_nanos(), snapshot.time_unix_nanos()), (5, 5));
        for name in ["a", "otel.sdk.span.live", "a/b-c_D9", &long] {
            snapshot.push(gauge(name, "{span}", Vec::new())).unwrap();
        }
        let too_long = format!("{long}x");
        for name in ["", "1a", "_a", "a b", "é", "a:b", &too_long] {
            let error = snapshot.push(gauge(name, "", Vec::new())).unwrap_err();
            assert!(error.to_string().starts_with("metric name"), "{error}");
        }
        let error = snapshot.push(gauge("b", "µs", Vec::new())).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"unit of metric "b": at most 63 characters of ASCII are accepted"#
        );
        let error = snapshot.push(gauge("Otel.SDK.span.live", "", Vec::new())).unwrap_err();
        assert_eq!(error, MetricError::Duplicate { name: "Otel.SDK.span.live".to_owned() });
        assert_eq!(snapshot.metrics().len(), 4);
        assert!(snapshot.get("a/b-c_D9").is_some() && snapshot.get("b").is_none());
    }

    #[test]
    fn metrics_points_and_attributes_are_bounded() {
        let mut snapshot = MetricsSnapshot::new(0, 0);
        let wide = NumberPoint::new(1_u64)
            .with_attributes(vec![Attribute::new("k", "v"); MetricsSnapshot::MAX_ATTRIBUTES + 1]);
        let mut points = vec![NumberPoint::new(1_u64); MetricsSnapshot::MAX_POINTS + 2];
        points.insert(0, wide);
        snapshot.push(gauge("many", "", points)).unwrap();
        assert_eq!(snapshot.dropped_points(), 3);
        assert_eq!(snapshot.metrics()[0].data.len(), MetricsSnapshot::MAX_POINTS);
        for index in 1..MetricsSnapshot::MAX_METRICS {
            snapshot.push(gauge(&format!("n{index}"), "", Vec::new())).unwrap();
        }
        let error = snapshot.push(gauge("last", "", Vec::new())).unwrap_err();
        assert_eq!(error.to_string(), r#"metric "last": at most 1024 metrics are accepted"#);
    }
}
