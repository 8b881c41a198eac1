//! One metric.

use super::histogram::TailHistogram;

/// A metric of a sampler, with the name, the unit and the labels of the Collector v0.161.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TailMetric {
    /// The name, which begins with `otelcol_processor_tail_sampling_`.
    pub name: &'static str,
    /// A sentence about it.
    pub description: &'static str,
    /// The unit in UCUM: `{spans}`, `By`, `s`.
    pub unit: &'static str,
    /// The values.
    pub data: TailMetricData,
}

/// The values of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "a few short-lived values for each call of `metrics`"
)]
pub enum TailMetricData {
    /// A monotonic sum since the sampler was built.
    Sum(Vec<TailMetricPoint>),
    /// The present value.
    Gauge(Vec<TailMetricPoint>),
    /// A distribution since the sampler was built, without labels.
    Histogram(TailHistogram),
}

/// A value with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TailMetricPoint {
    /// Names and values of the labels: `policy`, `sampled`, `decision`.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}
