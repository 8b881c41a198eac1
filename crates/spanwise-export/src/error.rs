//! Errors of building, flushing and shutting down.

use std::{fmt, io};

/// The error of building an exporter. `Debug` is `Display`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting has a value that is not accepted.
    #[error("{setting} is {value}; accepted is {accepted}")]
    OutOfRange {
        /// The builder's method.
        setting: &'static str,
        /// The value.
        value: String,
        /// The accepted range, with its unit.
        accepted: String,
    },
    /// The worker thread cannot be started.
    #[error("the worker thread cannot be started: {0}")]
    Worker(#[source] io::Error),
}

/// The error of a setting of batching that is not accepted. `Debug` is `Display`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}; accepted is {accepted}")]
#[non_exhaustive]
pub struct BatchConfigError {
    /// The method that sets it.
    pub setting: &'static str,
    /// The value.
    pub value: String,
    /// The accepted range, with its unit.
    pub accepted: String,
}

impl BatchConfigError {
    pub(crate) fn new(setting: &'static str, value: String, accepted: String) -> Self {
        Self { setting, value, accepted }
    }
}

impl From<BatchConfigError> for BuildError {
    fn from(error: BatchConfigError) -> Self {
        let BatchConfigError { setting, value, accepted } = error;
        Self::OutOfRange { setting, value, accepted }
    }
}

/// The error of a flush or shutdown that did not complete. `Debug` is `Display`.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline passed first. A shutdown books the remaining spans as `shutdown_deadline`, or as
    /// `ambiguous_shutdown` if their request was sent; after a flush they are still in flight.
    #[error("the deadline passed before every span had its outcome")]
    Timeout,
    /// The exporter was shut down before.
    #[error("the exporter is shut down")]
    AlreadyShutdown,
    /// The caller is the exporter's thread, which cannot wait for itself. It still runs the command.
    #[error("called on the exporter's own thread, which cannot wait for itself")]
    OnWorkerThread,
    /// The thread panicked, or the process was forked: a child needs an exporter of its own.
    #[error("the exporter's thread has ended: it panicked, or this is a forked child")]
    WorkerTerminated,
}

impl fmt::Debug for BatchConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
