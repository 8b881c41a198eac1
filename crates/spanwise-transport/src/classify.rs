//! What an answer means: the specification's tables, as pure functions.
//!
//! OTLP 1.10, "OTLP/HTTP Response", "OTLP/gRPC Response" and "Failures".

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::compression::{self, InflateError};
use crate::message::{ExportResponse, RpcStatus};
use crate::retry::Cause;
use crate::{Failure, Status};

/// A whole answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, BodyFault>,
    pub(crate) trailers: HeaderMap,
}

/// Why an answer's body was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// More than [`MAX_RESPONSE`] bytes.
    TooLarge,
    /// The connection broke or the attempt's time was up.
    Lost(String),
}

/// What to make of one attempt. Texts are as the server sent them: clean before use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted { rejected: u64, message: Option<String>, undecodable: bool },
    Permanent { failure: Failure, detail: String },
    Again { cause: Cause, throttle: Option<Duration>, detail: String },
}

impl Verdict {
    pub(crate) fn permanent(failure: Failure, detail: impl Into<String>) -> Self {
        Self::Permanent { failure, detail: detail.into() }
    }

    pub(crate) fn again(cause: Cause, detail: impl Into<String>) -> Self {
        Self::Again { cause, throttle: None, detail: detail.into() }
    }
}

/// Largest answer that is read, in bytes, before and after inflating.
pub(crate) const MAX_RESPONSE: usize = 64 * 1024;

/// Reads an OTLP/HTTP answer. `now` serves a `Retry-After` that gives a date.
pub(crate) fn http(reply: &Reply, now: SystemTime) -> Verdict {
    if reply.body == Err(BodyFault::TooLarge) {
        return Verdict::permanent(Failure::ResponseTooLarge, "");
    }
    let code = reply.status.as_u16();
    let status = Status::Http(code);
    match code {
        200..=299 => http_success(reply),
        300..=399 => Verdict::permanent(Failure::Redirect { status: code }, ""),
        429 | 502 | 503 | 504 => Verdict::Again {
            cause: Cause::Answered(status),
            throttle: reply.headers.get(RETRY_AFTER).and_then(|v| retry_after(v.as_bytes(), now)),
            detail: said(reply),
        },
        413 => Verdict::permanent(Failure::TooLarge, said(reply)),
        // A final 1xx is a protocol the client did not ask for.
        100..=199 => Verdict::permanent(Failure::AmbiguousResponse, said(reply)),
        _ => Verdict::permanent(Failure::Rejected { status }, said(reply)),
    }
}

fn http_success(reply: &Reply) -> Verdict {
    let body = match (&reply.body, encoding(&reply.headers)) {
        // The status alone does not say whether spans were left out.
        (Err(BodyFault::Lost(detail)), _) => return Verdict::again(Cause::Ambiguous, detail),
        (Err(BodyFault::TooLarge), _) => {
            return Verdict::permanent(Failure::ResponseTooLarge, "");
        }
        (Ok(body), Encoding::Identity) => Ok(body.clone()),
        (Ok(body), Encoding::Gzip) => compression::inflate(body, MAX_RESPONSE),
        (Ok(_), Encoding::Unknown) => Err(InflateError::Broken),
    };
    match body.map(|body| ExportResponse::read(&body)) {
        Ok(Ok(ExportResponse { rejected, message })) => {
            Verdict::Accepted { rejected, message, undecodable: false }
        }
        Err(InflateError::TooLarge) => Verdict::permanent(Failure::ResponseTooLarge, ""),
        // The status said yes; a body that says nothing does not take it back.
        Ok(Err(_)) | Err(InflateError::Broken) => {
            Verdict::Accepted { rejected: 0, message: None, undecodable: true }
        }
    }
}

/// Reads an OTLP/gRPC answer. `now` serves proxies, which answer in HTTP.
#[cfg_attr(
    not(feature = "grpc"),
    allow(dead_code, reason = "the tables are tested whether or not they are used")
)]
pub(crate) fn grpc(reply: &Reply, now: SystemTime) -> Verdict {
    // An answer without a body has its status among the headers ("trailers-only").
    let fields =
        if reply.trailers.contains_key(GRPC_STATUS) { &reply.trailers } else { &reply.headers };
    let Some(code) = fields.get(GRPC_STATUS) else {
        return match &reply.body {
            _ if !reply.status.is_success() => http(reply, now),
            Err(BodyFault::Lost(detail)) => Verdict::again(Cause::Ambiguous, detail),
            Err(BodyFault::TooLarge) => Verdict::permanent(Failure::ResponseTooLarge, ""),
            Ok(_) => Verdict::permanent(Failure::AmbiguousResponse, "no grpc-status"),
        };
    };
    let Some(code) = code.to_str().ok().and_then(|code| code.parse::<u32>().ok()) else {
        return Verdict::permanent(Failure::AmbiguousResponse, "grpc-status is not a number");
    };
    if code == 0 {
        return grpc_success(reply);
    }
    let details =
        fields.get(GRPC_DETAILS).and_then(|v| crate::message::base64_decoded(v.as_bytes()));
    // Details that cannot be read are as good as none.
    let details = details.and_then(|bytes| RpcStatus::read(&bytes).ok()).unwrap_or_default();
    let message =
        fields.get(GRPC_MESSAGE).map(|v| crate::headers::percent_decoded_text(v.as_bytes()));
    grpc_failure(code, message.unwrap_or(details.message), details.retry_delay)
}

fn grpc_failure(code: u32, message: String, retry_info: Option<Duration>) -> Verdict {
    let status = Status::Grpc(code);
    let again = match code {
        RESOURCE_EXHAUSTED => retry_info.is_some(),
        CANCELLED | DEADLINE_EXCEEDED | ABORTED | OUT_OF_RANGE | UNAVAILABLE | DATA_LOSS => true,
        _ => false,
    };
    // tonic says OUT_OF_RANGE, grpc-go and grpc-java RESOURCE_EXHAUSTED. The same bytes would be
    // as large the next time, so this is no case for the retry that the table names.
    let size = matches!(code, RESOURCE_EXHAUSTED | OUT_OF_RANGE)
        && retry_info.is_none()
        && (message.contains("larger than max")
            || message.contains("length too large")
            || message.contains("exceeds maximum"));
    match () {
        () if size => Verdict::permanent(Failure::TooLarge, message),
        () if again => {
            Verdict::Again { cause: Cause::Answered(status), throttle: retry_info, detail: message }
        }
        () => Verdict::permanent(Failure::Rejected { status }, message),
    }
}

fn grpc_success(reply: &Reply) -> Verdict {
    let body = match &reply.body {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => return Verdict::permanent(Failure::ResponseTooLarge, ""),
        Err(BodyFault::Lost(detail)) => return Verdict::again(Cause::Ambiguous, detail),
    };
    let message = match crate::framing::message(body) {
        Some((message, true)) => match compression::inflate(&message, MAX_RESPONSE) {
            Ok(message) => Some(message),
            Err(InflateError::TooLarge) => {
                return Verdict::permanent(Failure::ResponseTooLarge, "");
            }
            Err(InflateError::Broken) => None,
        },
        Some((message, false)) => Some(message),
        None => None,
    };
    match message.map(|message| ExportResponse::read(&message)) {
        Some(Ok(ExportResponse { rejected, message })) => {
            Verdict::Accepted { rejected, message, undecodable: false }
        }
        _ => Verdict::permanent(Failure::AmbiguousResponse, "the answer holds no OTLP message"),
    }
}

/// `Retry-After` in seconds or as a date; `None` when it is neither.
fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// What a failed HTTP answer says: its `google.rpc.Status`, or its text.
fn said(reply: &Reply) -> String {
    let Ok(body) = &reply.body else { return String::new() };
    let body = match encoding(&reply.headers) {
        Encoding::Identity => body.clone(),
        Encoding::Gzip => compression::inflate(body, MAX_RESPONSE).unwrap_or_default(),
        Encoding::Unknown => return String::new(),
    };
    match RpcStatus::read(&body) {
        Ok(status) => status.message,
        Err(_) => std::str::from_utf8(&body).unwrap_or_default().trim().to_owned(),
    }
}

enum Encoding {
    Identity,
    Gzip,
    Unknown,
}

fn encoding(headers: &HeaderMap) -> Encoding {
    match headers.get(CONTENT_ENCODING).map(|v| v.as_bytes()) {
        None | Some(b"" | b"identity") => Encoding::Identity,
        Some(b"gzip" | b"x-gzip") => Encoding::Gzip,
        Some(_) => Encoding::Unknown,
    }
}

const GRPC_STATUS: &str = "grpc-status";
const GRPC_MESSAGE: &str = "grpc-message";
const GRPC_DETAILS: &str = "grpc-status-details-bin";

const CANCELLED: u32 = 1;
const DEADLINE_EXCEEDED: u32 = 4;
const RESOURCE_EXHAUSTED: u32 = 8;
const ABORTED: u32 = 10;
const OUT_OF_RANGE: u32 = 11;
const UNAVAILABLE: u32 = 14;
const DATA_LOSS: u32 = 15;
