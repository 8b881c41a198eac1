//! Metrics under the Collector's names.
//!
//! `shard_metrics` is counted by a shard while it decides; `snapshot` puts it together with the accounts of spans and policies, as the
//! `metric`s of the Collector.

mod histogram;
mod metric;
mod shard_metrics;
mod snapshot;

pub use histogram::TailHistogram;
pub use metric::{TailMetric, TailMetricData, TailMetricPoint};
pub(crate) use shard_metrics::{ShardMetrics, wrapped_seconds};
pub(crate) use snapshot::{Counted, snapshot};
