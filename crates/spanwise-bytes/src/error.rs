//! The error of a checked conversion.

use std::fmt;
use std::str::Utf8Error;

use bytes::Bytes;

/// [`Bytes`] that are not UTF-8, with the reason; as [`std::string::FromUtf8Error`].
///
/// [`into_bytes`](Self::into_bytes) returns the bytes, so that a failed conversion costs nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct FromUtf8Error {
    pub(crate) bytes: Bytes,
    pub(crate) error: Utf8Error,
}

impl FromUtf8Error {
    /// The bytes that were to be converted.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes that were to be converted, in the same memory.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The position and length of the first invalid sequence.
    pub fn utf8_error(&self) -> Utf8Error {
        self.error
    }
}

impl fmt::Display for FromUtf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are not UTF-8: {}", self.bytes.len(), self.error)
    }
}

/// Reads as `Display`; the bytes themselves are never printed.
impl fmt::Debug for FromUtf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for FromUtf8Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
