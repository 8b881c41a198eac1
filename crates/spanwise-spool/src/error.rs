//! The errors of a spool.

use std::io;
use std::path::PathBuf;

/// A spool could not be opened, or an operation failed. No error contains attributes or other payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process, or another spool of this one, has the directory.
    #[error("the spool directory {} is locked by another process: each process needs a directory of its own", .path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory cannot be created, opened or listed.
    #[error("the spool directory {} cannot be used: {source}", .path.display())]
    Directory {
        /// The directory; empty for a storage without a path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A setting has a value that is not accepted.
    #[error("{field} is {value}: accepted are {accepted}")]
    Setting {
        /// The field of [`SpoolSettings`](crate::SpoolSettings).
        field: &'static str,
        /// Its value.
        value: String,
        /// The accepted values.
        accepted: &'static str,
    },
    /// The request has more bytes than a record, or than half of the spool, may have.
    #[error("a request of {bytes} bytes is not stored: at most {limit} are")]
    RequestTooLarge {
        /// Its bytes.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// The disk has no space, or the quota is used up. The record was not stored, and the next one is
    /// tried as usual.
    #[error("the disk has no space for the spool: {source}")]
    DiskFull {
        /// The error of the system.
        source: io::Error,
    },
    /// A file operation failed.
    #[error("the spool cannot {operation}: {source}")]
    Io {
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// Compression failed.
    #[error("the spool cannot compress a request: {reason}")]
    Compression {
        /// The name that libzstd gives the error.
        reason: &'static str,
    },
    /// Records could not be stored, also not in a new segment. The spool forgot them: their spans are the
    /// caller's to account for.
    #[error("{records} records with {spans} spans could not be stored: {source}")]
    NotStored {
        /// The count of records.
        records: u64,
        /// The count of their spans.
        spans: u64,
        /// The error of the system.
        source: io::Error,
    },
}

impl SpoolError {
    pub(crate) fn io(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }
}
