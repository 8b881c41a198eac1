//! The engine: spans wait in `span_store` until their trace of the `trace_table` is due in the `timer_wheel`, are evaluated by the
//! policies in `shard`, and leave through the `request_writer`; `decision_cache` answers for late spans.

mod candidates;
mod common_settings;
mod config;
mod counts;
mod decided_trace;
mod decider;
mod decision_cache;
mod divided_request;
mod error;
mod framing;
mod group_table;
mod incoming_span;
mod long_traces;
mod output;
mod owned_shard;
mod policy_record;
mod request_writer;
mod segment_cost;
mod shard;
mod span_index;
mod span_store;
mod span_summary;
mod tail_sampler;
mod timer_wheel;
mod touched_traces;
mod trace_table;
mod validated;

pub(crate) use common_settings::CommonSettings;
pub use config::{DecisionCacheConfig, SamplingStrategy, TailSamplingConfig};
pub use counts::{DroppedSpans, TailCounts, TailDropReason};
pub use decided_trace::{DecidedTrace, DecisionCause};
pub(crate) use divided_request::{DividedRequest, DividedSpans, SpanPlace};
pub use error::TailSamplingError;
pub(crate) use framing::Framing;
pub use output::{SampledRequest, TailOutput};
pub(crate) use owned_shard::OwnedShard;
pub(crate) use shard::{Shard, ShardUpdate};
pub use tail_sampler::{Appended, ShardedTailSampler, TailSampler};
