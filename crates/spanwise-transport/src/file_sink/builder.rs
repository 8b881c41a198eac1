//! The builder of a file sink.

use std::path::PathBuf;

use super::FileSink;
use super::error::FileSinkError;
use super::output::Output;

/// Builds a [`FileSink`]. Every setting has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct FileSinkBuilder {
    path: Option<PathBuf>,
    max_file_bytes: u64,
}

impl FileSinkBuilder {
    pub(super) fn new() -> Self {
        Self { path: None, max_file_bytes: 100 << 20 }
    }

    /// Sets the file; requests are appended to it. [`build`](Self::build) creates a missing one, readable
    /// for its owner alone. Default none: the standard output.
    pub fn with_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the maximum size of the file in bytes, 1 or more. A request that would exceed it fails. It
    /// does not apply to the standard output. Default 100 MiB, the Collector's.
    ///
    /// The sink does not rotate files. A file that another program truncates, renames or removes has space
    /// again: the sink creates it anew at its path.
    pub fn with_max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }

    /// Opens the file or the standard output, and starts the thread that writes.
    ///
    /// Opens a file on the calling thread: on a remote file system this may take a while.
    ///
    /// # Errors
    /// The file cannot be opened or is no regular file, the standard output is closed, the size limit is
    /// 0, or there is no thread.
    pub fn build(self) -> Result<FileSink, FileSinkError> {
        if self.max_file_bytes == 0 {
            return Err(FileSinkError::MaxFileBytes);
        }
        FileSink::new(match &self.path {
            Some(path) => Output::file(path, self.max_file_bytes)?,
            None => Output::standard_output()?,
        })
    }
}
