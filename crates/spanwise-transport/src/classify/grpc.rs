//! OTLP/gRPC: "OTLP/gRPC Response" and "Failures".

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderName;
use http::header::CONTENT_TYPE;

use super::coding::ContentCoding;
use super::grpc_status::{GRPC_STATUS, parse_code};
use super::{AttemptOutcome, BodyFault, Reply, http, too_large};
use crate::inflate::{self, InflateError};
use crate::message::{ExportResponse, RpcStatus};
use crate::retry::Cause;
use crate::{Failure, Protocol, ResponseStatus};

/// Classifies an OTLP/gRPC response. A proxy answers in HTTP, whose `Retry-After` needs `now`.
pub(crate) fn grpc(reply: &Reply, now: SystemTime) -> AttemptOutcome {
    // A response without a body has its status among the headers ("trailers-only").
    let fields =
        if reply.trailers.contains_key(GRPC_STATUS) { &reply.trailers } else { &reply.headers };
    let Some(code) = fields.get(GRPC_STATUS) else {
        return match &reply.body {
            _ if !reply.status.is_success() => http(reply, Protocol::Grpc, now),
            Err(BodyFault::Lost(detail)) => AttemptOutcome::retryable(Cause::Ambiguous, detail),
            Err(BodyFault::TooLarge) => too_large(reply),
            Ok(_) => AttemptOutcome::permanent(Failure::AmbiguousResponse, no_status(reply)),
        };
    };
    let Some(code) = parse_code(code) else {
        return AttemptOutcome::permanent(
            Failure::AmbiguousResponse,
            "grpc-status is not a number",
        );
    };
    if code == 0 {
        return grpc_success(reply);
    }
    let details =
        fields.get(GRPC_DETAILS).and_then(|v| crate::message::base64_decoded(v.as_bytes()));
    // Details that cannot be decoded count as absent.
    let details = details.and_then(|bytes| RpcStatus::read(&bytes).ok()).unwrap_or_default();
    let message =
        fields.get(GRPC_MESSAGE).map(|v| crate::headers::percent_decoded_text(v.as_bytes()));
    grpc_failure(code, message.unwrap_or(details.message), details.retry_delay)
}

fn grpc_failure(code: u32, message: String, retry_info: Option<Duration>) -> AttemptOutcome {
    let status = ResponseStatus::Grpc(code);
    let again = match code {
        RESOURCE_EXHAUSTED => retry_info.is_some(),
        CANCELLED | DEADLINE_EXCEEDED | ABORTED | OUT_OF_RANGE | UNAVAILABLE | DATA_LOSS => true,
        _ => false,
    };
    // tonic returns OUT_OF_RANGE, the others RESOURCE_EXHAUSTED. The same bytes would be as large the next
    // time, so the retry that the table names cannot succeed.
    let size = matches!(code, RESOURCE_EXHAUSTED | OUT_OF_RANGE)
        && retry_info.is_none()
        && TOO_LARGE.iter().any(|text| message.contains(text));
    match () {
        () if size => AttemptOutcome::permanent(Failure::TooLarge, message),
        () if again => {
            AttemptOutcome::retryable(Cause::Answered(status), message).with_throttle(retry_info)
        }
        () => AttemptOutcome::permanent(Failure::Rejected { status }, message),
    }
}

fn grpc_success(reply: &Reply) -> AttemptOutcome {
    let body = match &reply.body {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => return too_large(reply),
        Err(BodyFault::Lost(detail)) => return AttemptOutcome::retryable(Cause::Ambiguous, detail),
    };
    let message = match crate::framing::message(body) {
        Some((packed, true)) => match unpacked(&packed, reply) {
            Ok(message) => message,
            Err(outcome) => return outcome,
        },
        Some((message, false)) => Some(message),
        None => None,
    };
    match message.map(|message| ExportResponse::read(&message)) {
        Some(Ok(response)) => AttemptOutcome::Accepted(response.into()),
        _ => AttemptOutcome::permanent(
            Failure::AmbiguousResponse,
            "the answer holds no OTLP message",
        ),
    }
}

/// The message that the response has in its `grpc-encoding`; `None` if it is invalid.
fn unpacked(packed: &[u8], reply: &Reply) -> Result<Option<Bytes>, AttemptOutcome> {
    let unpacked = match ContentCoding::of(&reply.headers, GRPC_ENCODING) {
        // grpc-go answers in the encoding of the request, whatever `grpc-accept-encoding` is.
        #[cfg(feature = "zstd")]
        ContentCoding::Unknown(name) if name == "zstd" => inflate::inflate_zstd(packed, reply.max),
        ContentCoding::Unknown(name) => {
            let detail = format!("the answer's grpc-encoding is {name}");
            return Err(AttemptOutcome::permanent(Failure::AmbiguousResponse, detail));
        }
        // The flag states a compressed message; without `grpc-encoding` it is gzip, which requests accept.
        ContentCoding::Gzip | ContentCoding::Identity => inflate::inflate(packed, reply.max),
    };
    match unpacked {
        Ok(message) => Ok(Some(message)),
        Err(InflateError::TooLarge) => Err(too_large(reply)),
        Err(InflateError::Broken) => Ok(None),
    }
}

/// Describes a response without `grpc-status`, by its content type.
fn no_status(reply: &Reply) -> String {
    let media = reply.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    match media {
        Some(media) if !media.starts_with(b"application/grpc") => {
            format!("no grpc-status: the content type is {}", String::from_utf8_lossy(media))
        }
        _ => "no grpc-status".to_owned(),
    }
}

/// Messages of servers that limit the size of a request: grpc-go and gRPC core, tonic, grpc-java, grpc-dotnet.
const TOO_LARGE: [&str; 4] = [
    "larger than max",
    "length too large",
    "exceeds maximum",
    "exceeds the maximum configured message size",
];
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_MESSAGE: &str = "grpc-message";
const GRPC_DETAILS: &str = "grpc-status-details-bin";

const CANCELLED: u32 = 1;
const DEADLINE_EXCEEDED: u32 = 4;
const RESOURCE_EXHAUSTED: u32 = 8;
const ABORTED: u32 = 10;
const OUT_OF_RANGE: u32 = 11;
const UNAVAILABLE: u32 = 14;
const DATA_LOSS: u32 = 15;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use prost::encoding::{bytes, int32, int64, string};

    use super::*;
    use crate::classify::samples::{map, now, reply};

    /// A `google.rpc.Status` as a header, with a `RetryInfo` of that delay among its details.
    fn details(code: i32, delay: Option<(i64, i32)>) -> String {
        let any = |name: &str, value: Vec<u8>| {
            let mut any = Vec::new();
            string::encode(1, &format!("type.googleapis.com/google.rpc.{name}"), &mut any);
            bytes::encode(2, &value, &mut any);
            any
        };
        let mut status = Vec::new();
        int32::encode(1, &code, &mut status);
        string::encode(2, &"from the details".to_owned(), &mut status);
        bytes::encode(3, &any("ErrorInfo", vec![10, 1, b'x']), &mut status);
        if let Some((seconds, nanos)) = delay {
            let (mut duration, mut info) = (Vec::new(), Vec::new());
            int64::encode(1, &seconds, &mut duration);
            int32::encode(2, &nanos, &mut duration);
            bytes::encode(1, &duration, &mut info);
            bytes::encode(3, &any("RetryInfo", info), &mut status);
        }
        STANDARD_NO_PAD.encode(status)
    }

    #[test]
    fn every_grpc_code_with_every_retry_info() {
        let seconds = |s| Some(Duration::from_secs(s));
        let infos = [
            (None, None),
            (Some((0, 0)), seconds(0)),
            (Some((5, 0)), seconds(5)),
            (Some((1_000_000_000, 0)), seconds(1_000_000_000)),
            (Some((-5, -7)), seconds(0)),
        ];
        for code in 1..=16 {
            for (delay, throttle) in infos {
                let status = ResponseStatus::Grpc(code);
                let retryable = match code {
                    1 | 4 | 10 | 11 | 14 | 15 => true,
                    8 => delay.is_some(),
                    _ => false,
                };
                let detail = "a b".to_owned();
                let expected = if retryable {
                    AttemptOutcome::retryable(Cause::Answered(status), detail)
                        .with_throttle(throttle)
                } else {
                    AttemptOutcome::permanent(Failure::Rejected { status }, detail)
                };
                let details = details(code as i32, delay);
                let code = code.to_string();
                let fields = [
                    ("grpc-status", code.as_str()),
                    ("grpc-message", "a%20b"),
                    ("grpc-status-details-bin", &details),
                ];
                // Among the headers, and as trailers after a body.
                assert_eq!(grpc(&reply(200, &fields, b""), now()), expected, "{code} {delay:?}");
                let trailed = Reply { trailers: map(&fields), ..reply(200, &[], b"") };
                assert_eq!(grpc(&trailed, now()), expected, "{code} {delay:?}");
            }
        }
    }

    #[test]
    fn grpc_codes_outside_the_table() {
        let of = |fields: &[(&'static str, &str)]| grpc(&reply(200, fields, b""), now());
        let unknown = Failure::Rejected { status: ResponseStatus::Grpc(99) };
        assert_eq!(of(&[("grpc-status", "99")]), AttemptOutcome::permanent(unknown, ""));
        for code in ["", "-1", "ok", "99999999999"] {
            let AttemptOutcome::Permanent { failure, .. } = of(&[("grpc-status", code)]) else {
                panic!("{code} is no status")
            };
            assert_eq!(failure, Failure::AmbiguousResponse);
        }
        let broken = [("grpc-status", "8"), ("grpc-status-details-bin", "!")];
        let exhausted = Failure::Rejected { status: ResponseStatus::Grpc(8) };
        assert_eq!(of(&broken), AttemptOutcome::permanent(exhausted, ""));
        let details = details(3, None);
        let silent = [("grpc-status", "3"), ("grpc-status-details-bin", details.as_str())];
        let invalid = Failure::Rejected { status: ResponseStatus::Grpc(3) };
        assert_eq!(of(&silent), AttemptOutcome::permanent(invalid, "from the details"));
    }

    #[test]
    fn a_request_too_large_is_not_repeated() {
        let cases = [
            ("8", "grpc: received message larger than max (5000000 vs. 4194304)"),
            (
                "8",
                "grpc: received message after decompression larger than max (5000000 vs. 4194304)",
            ),
            ("8", "received message after decompression larger than max 4194304"),
            ("8", "Received message exceeds the maximum configured message size."),
            ("8", "gRPC message exceeds maximum size 4194304: 5000000"),
            ("11", "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes"),
        ];
        for (code, message) in cases {
            let outcome =
                grpc(&reply(200, &[("grpc-status", code), ("grpc-message", message)], b""), now());
            assert_eq!(outcome, AttemptOutcome::permanent(Failure::TooLarge, message));
        }
    }

    #[test]
    fn grpc_without_a_status_is_read_as_http_or_not_at_all() {
        let nothing = grpc(&reply(200, &[], b""), now());
        assert_eq!(
            nothing,
            AttemptOutcome::permanent(Failure::AmbiguousResponse, "no grpc-status")
        );
        let proxy = grpc(&reply(503, &[("retry-after", "5")], b"no upstream"), now());
        let expected = AttemptOutcome::Retryable {
            cause: Cause::Answered(ResponseStatus::Http(503)),
            throttle: Some(Duration::from_secs(5)),
            detail: "no upstream".into(),
            advice: None,
        };
        assert_eq!(proxy, expected);
        let moved = grpc(&reply(307, &[("location", "http://b")], b""), now());
        assert_eq!(moved, AttemptOutcome::permanent(Failure::Redirect { status: 307 }, ""));
    }

    /// As grpc-go answers a request that is compressed so.
    #[cfg(feature = "zstd")]
    #[test]
    fn an_answer_in_zstd_is_read_up_to_its_limit() {
        let fields = [("grpc-status", "0"), ("grpc-encoding", "zstd")];
        let of = |packed: &[u8]| {
            let mut body = vec![1];
            body.extend_from_slice(&(packed.len() as u32).to_be_bytes());
            body.extend_from_slice(packed);
            grpc(&reply(200, &fields, &body), now())
        };
        let zstd = |plain: &[u8]| {
            let mut packed = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
            zstd_safe::compress(&mut packed, plain, 1).unwrap();
            packed
        };
        // A partial success without fields, as the Collector has it in every answer.
        assert!(matches!(of(&zstd(&[10, 0])), AttemptOutcome::Accepted(_)));
        assert!(matches!(of(&zstd(b"")), AttemptOutcome::Accepted(_)));
        let mut message = Vec::new();
        string::encode(2, &"a warning ".repeat(3000), &mut message);
        let mut response = Vec::new();
        bytes::encode(1, &message, &mut response);
        let AttemptOutcome::Accepted(accepted) = of(&zstd(&response)) else { panic!("refused") };
        assert!(accepted.message.is_some());
        let max = reply(200, &[], b"").max;
        for wrong in [&zstd(&vec![0; max + 1])[..], b"not zstd"] {
            assert!(matches!(of(wrong), AttemptOutcome::Permanent { .. }));
        }
    }

    #[test]
    fn a_success_without_a_message_is_ambiguous_in_grpc() {
        let ok = [("grpc-status", "0")];
        for body in [&b""[..], b"<html>", &[0, 0, 0, 0, 1, 0xff], &[1, 0, 0, 0, 1, 7]] {
            let outcome = grpc(&reply(200, &ok, body), now());
            let AttemptOutcome::Permanent { failure, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(failure, Failure::AmbiguousResponse, "{body:?}");
        }
    }
}
