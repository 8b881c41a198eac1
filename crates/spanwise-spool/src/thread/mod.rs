//! A thread for a spool: the only one that waits for the disk.

mod client;
mod event;
mod handle;
mod open;
mod queue;
mod run;

pub use client::{SpoolClient, SpoolEnd};
pub use event::{ReadOutcome, SpoolEvent};
pub use handle::{SpoolHandle, SpoolThread};
