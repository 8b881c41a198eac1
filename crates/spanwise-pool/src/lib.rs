#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod pool;
mod pooled;
mod recycle;
mod stats;

pub use pool::Pool;
pub use pooled::Pooled;
pub use recycle::Recycle;
pub use stats::Stats;
