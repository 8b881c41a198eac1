//! One metric.

use spanwise_wire::StringValue;

use super::exponential::ExponentialHistogramPoint;
use super::histogram::HistogramPoint;
use super::number_point::NumberPoint;

/// A metric with its points, cumulative since the start of its snapshot.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The name, such as `otel.sdk.span.started` (specification, *Instrument name syntax*).
    pub name: StringValue,
    /// A sentence about it.
    pub description: StringValue,
    /// The unit in UCUM: `{span}`, `By`, `s`.
    pub unit: StringValue,
    /// The points.
    pub data: MetricData,
}

/// The points of a metric, by the kind of its instrument.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricData {
    /// Monotonic sums.
    Counter(Vec<NumberPoint>),
    /// Sums that may fall.
    UpDownCounter(Vec<NumberPoint>),
    /// Present values, which no one adds up.
    Gauge(Vec<NumberPoint>),
    /// Distributions over explicit buckets.
    Histogram(Vec<HistogramPoint>),
    /// Distributions over exponential buckets.
    ExponentialHistogram(Vec<ExponentialHistogramPoint>),
}

impl Metric {
    /// A metric with this name and unit, without a description.
    pub fn new(
        name: impl Into<StringValue>,
        unit: impl Into<StringValue>,
        data: MetricData,
    ) -> Self {
        let (name, unit) = (name.into(), unit.into());
        Self { name, description: StringValue::default(), unit, data }
    }

    /// The same with this description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<StringValue>) -> Self {
        self.description = description.into();
        self
    }
}

impl MetricData {
    /// The number of points.
    pub fn len(&self) -> usize {
        match self {
            Self::Counter(points) | Self::UpDownCounter(points) | Self::Gauge(points) => {
                points.len()
            }
            Self::Histogram(points) => points.len(),
            Self::ExponentialHistogram(points) => points.len(),
        }
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The points, if each is one number: those of a counter, an up-down counter or a gauge.
    pub fn numbers(&self) -> Option<&[NumberPoint]> {
        match self {
            Self::Counter(points) | Self::UpDownCounter(points) | Self::Gauge(points) => {
                Some(points)
            }
            Self::Histogram(_) | Self::ExponentialHistogram(_) => None,
        }
    }

    /// Removes the points that `retain` refuses because of their number or their attributes.
    pub(crate) fn retain(&mut self, mut retain: impl FnMut(usize) -> bool) {
        match self {
            Self::Counter(points) | Self::UpDownCounter(points) | Self::Gauge(points) => {
                points.retain(|point| retain(point.attributes.len()));
            }
            Self::Histogram(points) => points.retain(|point| retain(point.attributes().len())),
            Self::ExponentialHistogram(points) => {
                points.retain(|point| retain(point.attributes.len()));
            }
        }
    }
}
