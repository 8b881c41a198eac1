//! Errors of a fetch.

use std::fmt;

/// Why there is no document.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, or it broke, or time was up.
    Unreachable {
        /// What the connection said; one line, at most 256 bytes.
        message: String,
    },
    /// An answer that is not a success.
    Status(u16),
    /// A document that is too large.
    TooLarge {
        /// The most that is taken, in bytes.
        max_bytes: usize,
    },
    /// The path to post to is none.
    NoPath,
    /// Not inside a tokio runtime.
    NoRuntime,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { message } => write!(f, "no answer ({message})"),
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::TooLarge { max_bytes } => write!(f, "an answer of more than {max_bytes} bytes"),
            Self::NoPath => f.write_str("the path to post to is none: accepted is /name"),
            Self::NoRuntime => f.write_str("not inside a tokio runtime"),
        }
    }
}

debug_as_display!(FetchError);

impl std::error::Error for FetchError {}
