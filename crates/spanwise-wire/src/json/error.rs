//! The errors of transcoding.

use std::fmt;

use crate::read::WireError;

/// The reason why protobuf bytes were not transcoded to JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FromProtobufError {
    /// The bytes are not an `ExportTraceServiceRequest`.
    Wire(WireError),
    /// The JSON would have more bytes than the caller's limit.
    TooLarge {
        /// The limit in bytes.
        max_bytes: usize,
    },
}

impl From<WireError> for FromProtobufError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl fmt::Display for FromProtobufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => write!(f, "no OTLP protobuf: {error}"),
            Self::TooLarge { max_bytes } => write!(f, "larger than {max_bytes} bytes as JSON"),
        }
    }
}

/// As it reads in `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for FromProtobufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for FromProtobufError {}

/// The reason why JSON was not transcoded to protobuf, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonError {
    /// The problem.
    pub problem: JsonProblem,
    /// Its offset in the JSON, in bytes.
    pub position: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.position)
    }
}

/// As it reads in `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for JsonError {}

/// A problem in OTLP/JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonProblem {
    /// Another character than the grammar of JSON allows, or the end of the text.
    Expected(&'static str),
    /// A string that is not UTF-8, has a control character, or an invalid escape.
    String,
    /// A number that the grammar of JSON does not allow.
    Number,
    /// A field has another type, or a number outside its range; holds what is accepted.
    Value(&'static str),
    /// Arrays and objects nested deeper than the reader follows.
    Depth,
    /// More bytes as protobuf than the caller's limit.
    TooLarge {
        /// The limit in bytes.
        max_bytes: usize,
    },
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::String => {
                write!(f, "a string that is not UTF-8, or has a control character or a bad escape")
            }
            Self::Number => write!(f, "not a number of JSON"),
            Self::Value(accepted) => write!(f, "accepted is {accepted}"),
            Self::Depth => write!(f, "nested too deeply"),
            Self::TooLarge { max_bytes } => write!(f, "larger than {max_bytes} bytes as protobuf"),
        }
    }
}
