//! Shards with a thread each: requests are divided by trace id in the caller, queued in bounded memory, and taken by the owners of the
//! shards.

mod builder;
mod contained;
mod counts;
mod error;
mod memory;
mod owner;
mod running;
mod shared;
mod tail_sampler_threads;

pub use builder::{OnFullQueue, TailSamplerThreadsBuilder};
pub use counts::TailThreadCounts;
pub use error::{TailAppendError, TailThreadsError};
pub use tail_sampler_threads::{TailSamplerThreads, TailShutdown};
