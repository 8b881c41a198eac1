//! The reasons why a snapshot refuses a metric.

use std::fmt;

/// The most metrics of a snapshot.
pub(super) const MAX_METRICS: usize = 1_024;

/// A metric that a snapshot refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricError {
    /// The name violates the specification's syntax.
    Name {
        /// The name, at most its first 255 characters.
        name: String,
    },
    /// The unit is longer than 63 characters or has others than ASCII.
    Unit {
        /// The name of the metric.
        name: String,
    },
    /// The snapshot has a metric of this name.
    Duplicate {
        /// The name.
        name: String,
    },
    /// The snapshot has [`MAX_METRICS`](crate::MetricsSnapshot::MAX_METRICS) metrics.
    TooMany {
        /// The name of the metric.
        name: String,
    },
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "metric name {name:?}: a letter is required, then at most 254 letters, digits, `_`, `.`, `-` or `/`"
            ),
            Self::Unit { name } => {
                write!(f, "unit of metric {name:?}: at most 63 characters of ASCII are accepted")
            }
            Self::Duplicate { name } => {
                write!(f, "metric name {name:?}: the snapshot has this name already")
            }
            Self::TooMany { name } => {
                write!(f, "metric {name:?}: at most {} metrics are accepted", MAX_METRICS)
            }
        }
    }
}

impl std::error::Error for MetricError {}
