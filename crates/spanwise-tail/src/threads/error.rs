//! Errors of a sampler with threads.

use std::fmt;
use std::io;

use spanwise_wire::read::WireError;

use crate::engine::TailSamplingError;

/// A sampler with threads cannot be built.
#[non_exhaustive]
pub enum TailThreadsError {
    /// The settings are not valid.
    Config(TailSamplingError),
    /// A setting of the queue is out of range.
    Setting {
        /// The name of the setting.
        name: &'static str,
        /// The mistake, and the values that are accepted.
        message: String,
    },
    /// A thread cannot be started.
    Thread(io::Error),
}

impl From<TailSamplingError> for TailThreadsError {
    fn from(error: TailSamplingError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for TailThreadsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Setting { name, message } => write!(f, "{name}: {message}"),
            Self::Thread(error) => write!(f, "a thread of the sampler cannot be started: {error}"),
        }
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for TailThreadsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TailThreadsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Setting { .. } => None,
            Self::Thread(error) => Some(error),
        }
    }
}

/// A request was not accepted; none of its spans was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TailAppendError {
    /// The framing of groups and spans is malformed.
    Malformed(WireError),
    /// The queue is full: its owners are slower than the callers, or an output blocks.
    QueueFull,
    /// The request is larger than the queue.
    TooLarge,
    /// The sampler is shut down.
    Closed,
    /// The process is a fork of the one that built the sampler: the threads are in the parent.
    Forked,
}

impl fmt::Display for TailAppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the request is malformed: {error}"),
            Self::QueueFull => f.write_str("the queue is full"),
            Self::TooLarge => {
                f.write_str("the request is larger than the queue (`max_queue_bytes`)")
            }
            Self::Closed => f.write_str("the sampler is shut down"),
            Self::Forked => f.write_str(
                "the process is a fork, and the threads of the sampler are in its parent",
            ),
        }
    }
}

impl std::error::Error for TailAppendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}
