#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod account;
mod counter;
mod counter_slot;
mod ledger;
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub mod planted;
mod reason;
mod snapshot;
mod starts;
mod thread_counters;
mod tickets;

pub use counter::Counter;
pub use ledger::Ledger;
pub use reason::DropReason;
pub use snapshot::{Imbalance, Snapshot};
pub use starts::{ParentOrigin, SamplingResult};
pub use tickets::Tickets;
