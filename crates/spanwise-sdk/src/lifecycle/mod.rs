//! The lifecycle of a provider: flush, shutdown, and the guard that shuts it down.
//!
//! Providers and tracers share the `handle`, and `command` sends work to the exporter, which also detects a
//! forked child, whose worker is in another process.

mod command;
mod disabled_tracers;
mod flush;
mod guard;
mod handle;
mod report;
mod shutdown;
#[cfg(feature = "config-file")]
mod stop_signal;
mod unused_guard;

pub use guard::{Guard, attach};
pub(crate) use handle::Handle;
pub use report::{DestinationReport, FlushError, Report};
#[cfg(feature = "config-file")]
pub(crate) use stop_signal::StopSignal;
