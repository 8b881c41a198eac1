//! Errors of `FileSinkBuilder::build`.

use std::fmt;

use crate::text;

/// The reason why a [`FileSink`](crate::FileSink) cannot be built.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSinkError {
    /// The file cannot be opened, or is no regular file.
    Path {
        /// The path as given.
        path: String,
        /// The reason, in words.
        problem: String,
    },
    /// The standard output is closed.
    StandardOutput {
        /// The reason, in words.
        problem: String,
    },
    /// The size limit is 0.
    MaxFileBytes,
    /// The operating system refused a thread.
    Thread {
        /// The reason, in words.
        problem: String,
    },
}

impl fmt::Display for FileSinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, problem } => write!(
                f,
                "with_path=`{}`: {}; accepted is the path of a file that can be written, in a \
                 folder that exists",
                text::sanitize(path),
                text::sanitize(problem),
            ),
            Self::StandardOutput { problem } => {
                write!(f, "the standard output cannot be written: {}", text::sanitize(problem))
            }
            Self::MaxFileBytes => f.write_str("with_max_file_bytes is 0; accepted is 1 or more"),
            Self::Thread { problem } => {
                write!(f, "no thread for the file: {}", text::sanitize(problem))
            }
        }
    }
}

impl std::error::Error for FileSinkError {}

debug_as_display!(FileSinkError);
