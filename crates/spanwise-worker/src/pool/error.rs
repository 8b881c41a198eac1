use std::{error, fmt, io};

use crate::limits::OutOfRange;

/// The error of [`WorkerPoolBuilder::build`](crate::WorkerPoolBuilder::build).
#[non_exhaustive]
pub enum WorkerPoolError {
    /// A setting is out of its accepted range.
    Setting {
        /// The setting: "threads", "queue" or "stack size".
        field: &'static str,
        /// The rejected value.
        value: usize,
        /// The smallest accepted value.
        min: usize,
        /// The largest accepted value.
        max: usize,
    },
    /// The operating system refused a thread. The threads that had started end.
    Spawn(io::Error),
}

impl From<OutOfRange> for WorkerPoolError {
    fn from(error: OutOfRange) -> Self {
        let OutOfRange { field, value, min, max } = error;
        WorkerPoolError::Setting { field, value, min, max }
    }
}

impl fmt::Display for WorkerPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerPoolError::Setting { field, value, min, max } => {
                OutOfRange { field, value: *value, min: *min, max: *max }.fmt(f)
            }
            WorkerPoolError::Spawn(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

/// As [`Display`](fmt::Display): `main` and `unwrap` print errors with `Debug`.
impl fmt::Debug for WorkerPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for WorkerPoolError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            WorkerPoolError::Spawn(error) => Some(error),
            _ => None,
        }
    }
}
