//! A thread for a spool: the only one that waits for the disk.

mod handle;
mod queue;
mod run;

pub use handle::{SpoolHandle, SpoolThread};
pub use queue::SpoolEvent;
