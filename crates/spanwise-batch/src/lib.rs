#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod batch_size;
mod budget;
mod charged_chunk;
mod chunk_counts;
mod config;
mod flush_schedule;
mod preset;
mod push_error;
mod queue;
mod sharded_buffer;
mod space_notifier;
mod try_lock;

pub use batch_size::{
    AdaptiveBatchSize, BatchLimits, BatchObservation, BatchSize, BatchSizer, RequestObservation,
};
pub use budget::{Budget, Charge};
pub use charged_chunk::ChargedChunk;
pub use chunk_counts::ChunkCounts;
pub use config::ShardedBufferConfig;
pub use flush_schedule::{FlushAction, FlushSchedule, FlushScheduleConfig, FullChunks};
pub use preset::BatchPreset;
pub use push_error::PushError;
pub use sharded_buffer::{Pushed, ShardedBuffer};

/// Parts for other crates of this repository. They are no part of the API and change without
/// notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::sharded_buffer::set_local_slot;
    pub use crate::try_lock::{TryLock, TryLockGuard};
}
