//! Requests that the receiver itself rejects, and their status.

use std::time::Duration;

use spanwise_wire::json::JsonError;
use spanwise_wire::read::WireError;

use crate::answer::Answer;

/// The reason why a request is rejected before the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// More bytes than one request may have, compressed or decompressed. `len`: how many, if that is known
    /// without reading them all.
    TooLarge { limit: usize, len: Option<usize> },
    /// More bytes than the memory budget has left.
    Overloaded,
    /// Not an `ExportTraceServiceRequest`.
    Malformed(WireError),
    /// Not an `ExportTraceServiceRequest` in JSON.
    MalformedJson(JsonError),
    /// Incomplete, wrongly framed or wrongly compressed.
    Broken(&'static str),
    /// A body below the minimum rate.
    Slow,
    /// A body that is neither protobuf nor JSON.
    ContentType,
    /// A compression that the receiver does not decompress.
    ContentEncoding,
    /// Not a POST.
    Method,
    /// A path, service or method that the receiver does not serve.
    NotFound,
    /// gRPC over an older version than HTTP/2.
    HttpVersion,
}

impl Refusal {
    /// The answer to the client. Only an overload has a retry delay: a retry of the others would fail
    /// in the same way.
    pub fn answer(self) -> Answer {
        let (http_status, grpc_code, message) = match self {
            // The text of grpc-go, and so of the Collector: clients split a request for this text alone, because
            // the code has other meanings.
            Self::TooLarge { limit, len: Some(len) } => (
                413,
                RESOURCE_EXHAUSTED,
                format!("received message larger than max ({len} vs. {limit})"),
            ),
            Self::TooLarge { limit, len: None } => (
                413,
                RESOURCE_EXHAUSTED,
                format!("received message after decompression larger than max {limit}"),
            ),
            Self::Overloaded => (503, UNAVAILABLE, "overloaded".to_owned()),
            Self::Malformed(error) => (400, INVALID_ARGUMENT, format!("not OTLP: {error}")),
            Self::MalformedJson(error) => {
                (400, INVALID_ARGUMENT, format!("not OTLP/JSON: {error}"))
            }
            Self::Broken(what) => (400, INVALID_ARGUMENT, what.to_owned()),
            Self::Slow => (408, DEADLINE_EXCEEDED, "the body arrived too slowly".to_owned()),
            Self::ContentType => {
                let accepted = "only application/x-protobuf and application/json are accepted";
                (415, INVALID_ARGUMENT, accepted.to_owned())
            }
            Self::ContentEncoding => {
                let accepted = if cfg!(feature = "zstd") { "gzip and zstd are" } else { "gzip is" };
                (415, UNIMPLEMENTED, format!("only {accepted} accepted"))
            }
            Self::Method => (405, UNIMPLEMENTED, "only POST is accepted".to_owned()),
            Self::NotFound => (404, UNIMPLEMENTED, "only traces are accepted".to_owned()),
            Self::HttpVersion => (505, UNIMPLEMENTED, "gRPC needs HTTP/2".to_owned()),
        };
        let retry_after = (self == Self::Overloaded).then_some(OVERLOAD_PAUSE);
        Answer::Refuse { http_status, grpc_code, message, retry_after }
    }
}

const OVERLOAD_PAUSE: Duration = Duration::from_secs(1);

pub(crate) const CUT_SHORT: &str = "the body was cut short";

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
pub(crate) const UNKNOWN: u16 = 2;
pub(crate) const INVALID_ARGUMENT: u16 = 3;
pub(crate) const DEADLINE_EXCEEDED: u16 = 4;
pub(crate) const RESOURCE_EXHAUSTED: u16 = 8;
pub(crate) const UNIMPLEMENTED: u16 = 12;
pub(crate) const UNAVAILABLE: u16 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_status() {
        let table = [
            (Refusal::TooLarge { limit: 1, len: Some(2) }, 413, 8, false),
            (Refusal::TooLarge { limit: 1, len: None }, 413, 8, false),
            (Refusal::Overloaded, 503, 14, true),
            (Refusal::Malformed(WireError::Truncated), 400, 3, false),
            (Refusal::Broken("x"), 400, 3, false),
            (Refusal::Slow, 408, 4, false),
            (Refusal::ContentType, 415, 3, false),
            (Refusal::ContentEncoding, 415, 12, false),
            (Refusal::Method, 405, 12, false),
            (Refusal::NotFound, 404, 12, false),
            (Refusal::HttpVersion, 505, 12, false),
        ];
        for (refusal, http, grpc, retry) in table {
            let Answer::Refuse { http_status, grpc_code, retry_after, .. } = refusal.answer()
            else {
                panic!("{refusal:?} has another answer")
            };
            assert_eq!((http_status, grpc_code, retry_after.is_some()), (http, grpc, retry));
        }
    }
}
