//! Metrics under the Collector's names.
//!
//! `shard_metrics` is counted by a shard while it decides; `snapshot` puts it together with the accounts of spans and policies, as
//! metrics of the model of `spanwise-metrics`.

mod histogram;
mod shard_metrics;
mod snapshot;

pub(crate) use shard_metrics::{ShardMetrics, wrapped_seconds};
pub(crate) use snapshot::{Counted, snapshot};
