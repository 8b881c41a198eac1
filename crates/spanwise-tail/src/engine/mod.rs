//! The engine: spans wait in `span_store` until their trace of the `trace_table` is due in the `timer_wheel`, are evaluated by the
//! policies in `shard`, and leave through the `request_writer`; `decision_cache` answers for late spans.

mod candidates;
mod config;
mod counts;
mod decided_trace;
mod decider;
mod decision_cache;
mod error;
mod framing;
mod group_table;
mod incoming_span;
mod output;
mod policy_record;
mod request_writer;
mod shard;
mod span_index;
mod span_store;
mod span_summary;
mod tail_sampler;
mod timer_wheel;
mod touched_traces;
mod trace_table;
mod validated;

pub use config::{DecisionCacheConfig, SamplingStrategy, TailSamplingConfig};
pub use counts::{DroppedSpans, TailCounts, TailDropReason};
pub use decided_trace::{DecidedTrace, DecisionCause};
pub use error::TailSamplingError;
pub use output::{SampledRequest, TailOutput};
pub use tail_sampler::{Appended, ShardedTailSampler, TailSampler};
