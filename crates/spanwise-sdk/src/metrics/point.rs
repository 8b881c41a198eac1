//! Short constructors of points.

use spanwise_metrics::{Attribute, Metric, MetricData, Number, NumberPoint};

/// A metric of this name.
pub(super) fn metric(name: &'static str, unit: &'static str, data: MetricData) -> Metric {
    Metric::new(name, unit, data)
}

/// A point without attributes.
pub(super) fn count(value: impl Into<Number>) -> NumberPoint {
    NumberPoint::new(value)
}

/// An attribute with a constant value.
pub(super) fn attribute(key: &'static str, value: &'static str) -> Attribute {
    Attribute::new(key, value)
}
