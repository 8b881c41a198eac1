#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod budget;
mod charged_chunk;
mod config;
mod push_error;
mod queue;
mod schedule;
mod shards;
mod space_notifier;
mod try_lock;

pub use budget::{Budget, Charge};
pub use charged_chunk::ChargedChunk;
pub use config::ShardedBufferConfig;
pub use push_error::PushError;
pub use schedule::{FlushAction, FlushSchedule, FlushScheduleConfig};
pub use shards::{Pushed, ShardedBuffer};
