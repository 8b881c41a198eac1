//! The model: a snapshot of metrics, each with its points (specification, *Metrics Data Model*).

mod error;
mod exemplar;
mod exponential;
mod histogram;
mod metric;
mod number;
mod number_point;
mod snapshot;

pub use error::MetricError;
pub use exemplar::Exemplar;
pub use exponential::{ExponentialBuckets, ExponentialHistogramPoint};
pub use histogram::HistogramPoint;
pub use metric::{Metric, MetricData};
pub use number::Number;
pub use number_point::NumberPoint;
pub use snapshot::MetricsSnapshot;
