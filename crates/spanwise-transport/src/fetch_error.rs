//! Errors of a fetch.

use std::fmt;

/// The reason why a [`Fetcher`](crate::Fetcher) returned no document.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// The connection failed or the timeout expired.
    Unreachable {
        /// The connection error; one line, at most 256 bytes.
        message: String,
    },
    /// The HTTP status of a response that is not a success.
    Status(u16),
    /// A document larger than the limit.
    TooLarge {
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// The path of a `POST` is not a valid path.
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
