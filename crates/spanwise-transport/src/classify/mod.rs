//! Classification of responses: the tables of the specification as pure functions.
//!
//! OTLP 1.10, "OTLP/HTTP Response", "OTLP/gRPC Response" and "Failures".

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

#[cfg(feature = "tokio")]
use crate::Protocol;
use crate::advice::Advice;
use crate::message::ExportResponse;
use crate::retry::Cause;
use crate::{Failure, ResponseStatus};

mod coding;
mod grpc;
mod grpc_status;
mod http1;
mod json;

pub(crate) use grpc::grpc;
#[cfg(feature = "tokio")]
pub(crate) use grpc_status::grpc_code;
pub(crate) use http1::http;

/// A response: status, headers, body and trailers as far as they were received.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, BodyFault>,
    /// Whether the body is complete; that of a failure may be truncated.
    pub(crate) whole: bool,
    pub(crate) trailers: HeaderMap,
    /// Maximum bytes of the response body, as sent and inflated.
    pub(crate) max: usize,
}

impl Reply {
    /// Whether the server ended the connection because no request came in time (RFC 9110, 15.5.9).
    pub(crate) fn is_request_timeout(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT
    }
}

/// The reason why a response body was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// The body exceeds the limit.
    TooLarge,
    /// The connection failed or the attempt timed out.
    Lost(String),
}

/// The outcome of one attempt. Texts are as the server sent them: sanitize before use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    Accepted(Accepted),
    /// `ambiguous`: the server may have accepted the request nevertheless.
    Permanent {
        failure: Failure,
        detail: String,
        ambiguous: bool,
        advice: Option<Advice>,
    },
    Retryable {
        cause: Cause,
        throttle: Option<Duration>,
        detail: String,
        advice: Option<Advice>,
    },
}

/// An attempt that the server accepted. Texts are as the server sent them: sanitize before use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) rejected: u64,
    pub(crate) message: Option<String>,
    /// The reason why the response could not be decoded, if so.
    pub(crate) undecodable: Option<String>,
}

impl From<ExportResponse> for Accepted {
    fn from(ExportResponse { rejected, message }: ExportResponse) -> Self {
        Self { rejected, message, undecodable: None }
    }
}

impl AttemptOutcome {
    pub(crate) fn permanent(failure: Failure, detail: impl Into<String>) -> Self {
        let (detail, ambiguous) = (detail.into(), failure.is_ambiguous());
        Self::Permanent { failure, detail, ambiguous, advice: None }
    }

    /// The status of the response, if there was one with a status that counts. Success has only one: HTTP 200
    /// (OTLP 1.10, *Success*) or gRPC's `OK`.
    #[cfg(feature = "tokio")]
    pub(crate) fn status(&self, protocol: Protocol) -> Option<ResponseStatus> {
        match self {
            Self::Accepted(_) if protocol == Protocol::Grpc => Some(ResponseStatus::Grpc(0)),
            Self::Accepted(_) => Some(ResponseStatus::Http(200)),
            Self::Permanent { failure: Failure::Rejected { status }, .. }
            | Self::Retryable { cause: Cause::Answered(status), .. } => Some(*status),
            Self::Permanent { failure: Failure::Redirect { status }, .. } => {
                Some(ResponseStatus::Http(*status))
            }
            Self::Permanent { .. } | Self::Retryable { .. } => None,
        }
    }

    /// Whether the server may have accepted the attempt although it failed.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Accepted(_) => false,
            Self::Permanent { ambiguous, .. } => *ambiguous,
            Self::Retryable { cause, .. } => cause.is_ambiguous(),
        }
    }

    /// The status by which the receiver refuses the encoding of a compressed request: HTTP 415, HTTP 400
    /// with the message of the Collector, and gRPC's `UNIMPLEMENTED`, which may also mean the service.
    pub(crate) fn refused_encoding(&self) -> Option<ResponseStatus> {
        let Self::Permanent { failure: Failure::Rejected { status }, detail, .. } = self else {
            return None;
        };
        let is_refused = match *status {
            ResponseStatus::Http(415) | ResponseStatus::Grpc(UNIMPLEMENTED) => true,
            ResponseStatus::Http(400) => {
                detail.to_ascii_lowercase().contains("unsupported content-encoding")
            }
            _ => false,
        };
        is_refused.then_some(*status)
    }

    pub(crate) fn retryable(cause: Cause, detail: impl Into<String>) -> Self {
        Self::Retryable { cause, throttle: None, detail: detail.into(), advice: None }
    }

    /// Sets the wait that the server requests.
    fn with_throttle(mut self, wait: Option<Duration>) -> Self {
        if let Self::Retryable { throttle, .. } = &mut self {
            *throttle = wait;
        }
        self
    }

    /// Names the endpoint in the text of a failure, if it is one of several.
    #[cfg(feature = "tokio")]
    pub(crate) fn at_endpoint(mut self, authority: Option<&str>) -> Self {
        if let Self::Permanent { detail, .. } | Self::Retryable { detail, .. } = &mut self
            && let Some(authority) = authority
        {
            *detail = match detail.is_empty() {
                true => format!("at {authority}"),
                false => format!("{detail} (at {authority})"),
            };
        }
        self
    }

    /// Names the proxy that forwarded the request, in the text of a failed response: it may be its own answer, and
    /// 407 is.
    #[cfg(feature = "proxy")]
    pub(crate) fn through_proxy(mut self, proxy: &crate::Proxy) -> Self {
        let (status, detail, advice) = match &mut self {
            Self::Permanent { failure: Failure::Rejected { status }, detail, advice, .. }
            | Self::Retryable { cause: Cause::Answered(status), detail, advice, .. } => {
                (*status, detail, advice)
            }
            _ => return self,
        };
        let colon = if detail.is_empty() { "" } else { ": " };
        if status == ResponseStatus::Http(407) {
            *detail =
                format!("the proxy {proxy} requires credentials that it accepts{colon}{detail}");
            *advice = Some(Advice::Proxy);
        } else {
            *detail = format!("through the proxy {proxy}{colon}{detail}");
        }
        self
    }

    /// Sets the advice.
    pub(crate) fn with_advice(mut self, new: Option<Advice>) -> Self {
        match &mut self {
            Self::Accepted(_) => {}
            Self::Permanent { advice, .. } | Self::Retryable { advice, .. } => *advice = new,
        }
        self
    }
}

fn too_large(reply: &Reply) -> AttemptOutcome {
    let detail = format!("the answer is larger than {} bytes (with_max_response_bytes)", reply.max);
    AttemptOutcome::permanent(Failure::ResponseTooLarge, detail)
}

const UNIMPLEMENTED: u32 = 12;
/// Limit for the body of a failed response, as sent and inflated: enough for a sentence and the
/// details of gRPC.
pub(crate) const MAX_FAILURE_BODY_BYTES: usize = 8 << 10;

/// Responses for the tests of both protocols.
#[cfg(test)]
mod samples {
    use std::time::{SystemTime, UNIX_EPOCH};

    use http::{HeaderName, HeaderValue};

    use super::*;

    /// 2026-01-01T00:00:00Z
    pub(super) fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    pub(super) fn reply(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map(headers),
            body: Ok(Bytes::copy_from_slice(body)),
            whole: true,
            trailers: HeaderMap::new(),
            max: 64 << 10,
        }
    }

    pub(super) fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        headers.iter().map(pair).collect()
    }
}
