#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod budget;
mod buffer;
mod config;
mod queue;
mod refused;
mod room;
mod schedule;
mod shards;
mod try_lock;

pub use budget::{Budget, Charge};
pub use buffer::Buffer;
pub use config::ShardsConfig;
pub use refused::Refused;
pub use schedule::{Schedule, ScheduleConfig, Step};
pub use shards::{Pushed, Shards};
