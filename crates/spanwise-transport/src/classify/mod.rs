//! What an answer means: the specification's tables, as pure functions.
//!
//! OTLP 1.10, "OTLP/HTTP Response", "OTLP/gRPC Response" and "Failures".

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::advice::Advice;
use crate::compression::{self, InflateError};
use crate::message::{ExportResponse, RpcStatus};
use crate::retry::Cause;
use crate::{Failure, Status, explain};

/// A whole answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, BodyFault>,
    /// Whether the body is all there; of a failure it need not be.
    pub(crate) whole: bool,
    pub(crate) trailers: HeaderMap,
    /// Most bytes that the answer may have, before and after inflating.
    pub(crate) most: usize,
}

/// Why an answer's body was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// More bytes than it may have.
    TooLarge,
    /// The connection broke or the attempt's time was up.
    Lost(String),
}

/// What to make of one attempt. Texts are as the server sent them: clean before use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted {
        rejected: u64,
        message: Option<String>,
        /// Why the answer could not be read, if it could not.
        undecodable: Option<String>,
    },
    /// `open`: the request may have been taken all the same.
    Permanent {
        failure: Failure,
        detail: String,
        open: bool,
        advice: Option<Advice>,
    },
    Again {
        cause: Cause,
        throttle: Option<Duration>,
        detail: String,
        advice: Option<Advice>,
    },
}

impl Verdict {
    pub(crate) fn permanent(failure: Failure, detail: impl Into<String>) -> Self {
        let (detail, open) = (detail.into(), failure.is_ambiguous());
        Self::Permanent { failure, detail, open, advice: None }
    }

    /// Whether the attempt may have been taken although it was not accepted.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Accepted { .. } => false,
            Self::Permanent { open, .. } => *open,
            Self::Again { cause, .. } => cause.is_open(),
        }
    }

    pub(crate) fn again(cause: Cause, detail: impl Into<String>) -> Self {
        Self::Again { cause, throttle: None, detail: detail.into(), advice: None }
    }

    /// With the wait that the server asks for.
    fn throttled(mut self, wait: Option<Duration>) -> Self {
        if let Self::Again { throttle, .. } = &mut self {
            *throttle = wait;
        }
        self
    }

    /// With `helps` as what usually does.
    pub(crate) fn advised(mut self, helps: Option<Advice>) -> Self {
        match &mut self {
            Self::Accepted { .. } => {}
            Self::Permanent { advice, .. } | Self::Again { advice, .. } => *advice = helps,
        }
        self
    }
}

/// Reads an OTLP/HTTP answer. `now` serves a `Retry-After` that gives a date.
pub(crate) fn http(reply: &Reply, now: SystemTime) -> Verdict {
    let code = reply.status.as_u16();
    let status = Status::Http(code);
    match code {
        200..=299 => http_success(reply),
        300..=399 => Verdict::permanent(Failure::Redirect { status: code }, ""),
        429 | 502 | 503 | 504 => Verdict::again(Cause::Answered(status), said(reply))
            .throttled(reply.headers.get(RETRY_AFTER).and_then(|v| retry_after(v.as_bytes(), now))),
        413 => Verdict::permanent(Failure::TooLarge, said(reply)),
        // A gRPC server that also hears HTTP/1.1 says what it is.
        400..=499 if speaks_grpc(&reply.headers) => {
            Verdict::permanent(Failure::Rejected { status }, said(reply))
                .advised(Some(Advice::SpeakGrpc))
        }
        // A final 1xx is a protocol the client did not ask for.
        100..=199 => Verdict::permanent(Failure::AmbiguousResponse, said(reply)),
        _ => Verdict::permanent(Failure::Rejected { status }, said(reply)),
    }
}

fn http_success(reply: &Reply) -> Verdict {
    let body = match &reply.body {
        // The status alone does not say whether spans were left out.
        Err(BodyFault::Lost(detail)) => return Verdict::again(Cause::Ambiguous, detail),
        Err(BodyFault::TooLarge) => return too_large(reply),
        Ok(body) => body,
    };
    // The status said yes; a body that says nothing does not take it back.
    let unread = |what: String| Verdict::Accepted {
        rejected: 0,
        message: None,
        undecodable: Some(format!("{}, but the answer is not OTLP: {what}", named(reply))),
    };
    if speaks_grpc(&reply.headers)
        && let Some(code) = grpc_code(&reply.headers)
        && code > 0
    {
        // The status of HTTP is about the exchange alone, that of gRPC about the request.
        return Verdict::permanent(Failure::Rejected { status: Status::Grpc(code) }, "")
            .advised(Some(Advice::SpeakGrpc));
    }
    if let Some(other) = foreign_type(&reply.headers) {
        return unread(format!("its content type is {other}"));
    }
    let body = match Encoding::of(&reply.headers, CONTENT_ENCODING) {
        Encoding::Identity => Ok(body.clone()),
        Encoding::Gzip => compression::inflate(body, reply.most),
        Encoding::Unknown(name) => return unread(format!("its content encoding is {name}")),
    };
    match body.map(|body| ExportResponse::read(&body)) {
        Ok(Ok(ExportResponse { rejected, message })) => {
            Verdict::Accepted { rejected, message, undecodable: None }
        }
        Err(InflateError::TooLarge) => too_large(reply),
        Ok(Err(_)) => unread("its body is no ExportTraceServiceResponse".to_owned()),
        Err(InflateError::Broken) => unread("its body is no gzip".to_owned()),
    }
}

fn named(reply: &Reply) -> String {
    explain::named(Status::Http(reply.status.as_u16()))
}

fn too_large(reply: &Reply) -> Verdict {
    let detail =
        format!("the answer is larger than {} bytes (with_max_response_bytes)", reply.most);
    Verdict::permanent(Failure::ResponseTooLarge, detail)
}

/// The code among `headers`, if there is one.
pub(crate) fn grpc_code(headers: &HeaderMap) -> Option<u32> {
    number(headers.get(GRPC_STATUS)?)
}

fn number(code: &HeaderValue) -> Option<u32> {
    code.to_str().ok()?.parse().ok()
}

fn speaks_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
}

/// The media type of an answer, if it is surely not that of OTLP/HTTP ("OTLP/HTTP Response": the
/// same as the request's). None, and one that says nothing, may still hold it.
fn foreign_type(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes());
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let ours = ["", "application/x-protobuf", "application/protobuf", "application/octet-stream"];
    (!ours.contains(&&*media)).then_some(media)
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
            Err(BodyFault::TooLarge) => too_large(reply),
            Ok(_) => Verdict::permanent(Failure::AmbiguousResponse, no_status(reply)),
        };
    };
    let Some(code) = number(code) else {
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
        () if again => Verdict::again(Cause::Answered(status), message).throttled(retry_info),
        () => Verdict::permanent(Failure::Rejected { status }, message),
    }
}

fn grpc_success(reply: &Reply) -> Verdict {
    let body = match &reply.body {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => return too_large(reply),
        Err(BodyFault::Lost(detail)) => return Verdict::again(Cause::Ambiguous, detail),
    };
    let message = match crate::framing::message(body) {
        Some((message, true)) => match Encoding::of(&reply.headers, GRPC_ENCODING) {
            Encoding::Unknown(name) => {
                let detail = format!("the answer's grpc-encoding is {name}");
                return Verdict::permanent(Failure::AmbiguousResponse, detail);
            }
            // A message that says it is compressed is, by the one encoding that we accept.
            Encoding::Gzip | Encoding::Identity => {
                match compression::inflate(&message, reply.most) {
                    Ok(message) => Some(message),
                    Err(InflateError::TooLarge) => return too_large(reply),
                    Err(InflateError::Broken) => None,
                }
            }
        },
        Some((message, false)) => Some(message),
        None => None,
    };
    match message.map(|message| ExportResponse::read(&message)) {
        Some(Ok(ExportResponse { rejected, message })) => {
            Verdict::Accepted { rejected, message, undecodable: None }
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

/// What the answer of somebody who does not speak gRPC is.
fn no_status(reply: &Reply) -> String {
    let media = reply.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    match media {
        Some(media) if !media.starts_with(b"application/grpc") => {
            format!("no grpc-status: the content type is {}", String::from_utf8_lossy(media))
        }
        _ => "no grpc-status".to_owned(),
    }
}

/// What a failed HTTP answer says: its `google.rpc.Status`, or its text, as far as it was read.
fn said(reply: &Reply) -> String {
    let Ok(body) = &reply.body else { return String::new() };
    let body = match Encoding::of(&reply.headers, CONTENT_ENCODING) {
        Encoding::Identity => body.clone(),
        Encoding::Gzip => compression::inflate_some(body, MOST_SAID).into(),
        Encoding::Unknown(_) => return String::new(),
    };
    match RpcStatus::read(&body) {
        Ok(status) => status.message,
        Err(_) => match std::str::from_utf8(&body) {
            Ok(text) => text.trim().to_owned(),
            // Cut within a character.
            Err(error) if !reply.whole && error.error_len().is_none() => {
                String::from_utf8_lossy(body.get(..error.valid_up_to()).unwrap_or_default())
                    .trim()
                    .to_owned()
            }
            Err(_) => String::new(),
        },
    }
}

/// How a body is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    /// As the header names it.
    Unknown(String),
}

impl Encoding {
    /// RFC 9110, 8.4: a list in any number of lines, in any case, whose empty members (5.6.1) and
    /// `identity` say nothing; `x-gzip` is `gzip` (8.4.1.3). One coding at most is undone.
    fn of(headers: &HeaderMap, name: HeaderName) -> Self {
        let mut found = Self::Identity;
        for line in headers.get_all(name) {
            for coding in line.as_bytes().split(|&byte| byte == b',') {
                let coding = coding.trim_ascii();
                if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
                    continue;
                }
                let is_gzip =
                    [&b"gzip"[..], b"x-gzip"].iter().any(|c| c.eq_ignore_ascii_case(coding));
                if !is_gzip || found != Self::Identity {
                    return Self::Unknown(String::from_utf8_lossy(line.as_bytes()).into_owned());
                }
                found = Self::Gzip;
            }
        }
        found
    }
}

/// What is inflated of a failure's text.
const MOST_SAID: usize = 8 << 10;
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use base64::Engine as _;
    use prost::encoding::{bytes, int32, int64, string};

    use super::*;

    /// 2026-01-01T00:00:00Z
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map(headers),
            body: Ok(Bytes::copy_from_slice(body)),
            whole: true,
            trailers: HeaderMap::new(),
            most: 64 << 10,
        }
    }

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        headers.iter().map(pair).collect()
    }

    #[test]
    fn every_http_status_with_every_retry_after() {
        let junk = "9".repeat(8192);
        let seconds = |s| Some(Duration::from_secs(s));
        let afters = [
            (None, None),
            (Some("0"), seconds(0)),
            (Some("120"), seconds(120)),
            (Some("-1"), None),
            (Some("1000000000000"), seconds(1_000_000_000_000)),
            (Some("Fri, 01 Jan 2016 00:00:00 GMT"), seconds(0)),
            (Some("Thu, 01 Jan 2026 00:02:00 GMT"), seconds(120)),
            (Some("soon"), None),
            (Some(junk.as_str()), seconds(u64::MAX)),
        ];
        let mut cases = 0;
        for status in 100..600 {
            for (after, throttle) in afters {
                let headers: Vec<_> = after.iter().map(|after| ("retry-after", *after)).collect();
                let verdict = http(&reply(status, &headers, b""), now());
                let permanent = |failure| Verdict::permanent(failure, "");
                let expected = match status {
                    200..300 => Verdict::Accepted { rejected: 0, message: None, undecodable: None },
                    429 | 502 | 503 | 504 => Verdict::Again {
                        cause: Cause::Answered(Status::Http(status)),
                        throttle,
                        detail: String::new(),
                        advice: None,
                    },
                    300..400 => permanent(Failure::Redirect { status }),
                    100..200 => permanent(Failure::AmbiguousResponse),
                    413 => permanent(Failure::TooLarge),
                    _ => permanent(Failure::Rejected { status: Status::Http(status) }),
                };
                assert_eq!(verdict, expected, "{status} {after:?}");
                cases += 1;
            }
        }
        assert_eq!(cases, 4500);
    }

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
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(status)
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
                let status = Status::Grpc(code);
                let retryable = match code {
                    1 | 4 | 10 | 11 | 14 | 15 => true,
                    8 => delay.is_some(),
                    _ => false,
                };
                let detail = "a b".to_owned();
                let expected = if retryable {
                    Verdict::again(Cause::Answered(status), detail).throttled(throttle)
                } else {
                    Verdict::permanent(Failure::Rejected { status }, detail)
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
        let unknown = Failure::Rejected { status: Status::Grpc(99) };
        assert_eq!(of(&[("grpc-status", "99")]), Verdict::permanent(unknown, ""));
        for code in ["", "-1", "ok", "99999999999"] {
            let Verdict::Permanent { failure, .. } = of(&[("grpc-status", code)]) else {
                panic!("{code} is no status")
            };
            assert_eq!(failure, Failure::AmbiguousResponse);
        }
        let broken = [("grpc-status", "8"), ("grpc-status-details-bin", "!")];
        let exhausted = Failure::Rejected { status: Status::Grpc(8) };
        assert_eq!(of(&broken), Verdict::permanent(exhausted, ""));
        let details = details(3, None);
        let silent = [("grpc-status", "3"), ("grpc-status-details-bin", details.as_str())];
        let invalid = Failure::Rejected { status: Status::Grpc(3) };
        assert_eq!(of(&silent), Verdict::permanent(invalid, "from the details"));
    }

    #[test]
    fn a_request_too_large_is_not_repeated() {
        let cases = [
            ("8", "grpc: received message larger than max (5000000 vs. 4194304)"),
            ("8", "gRPC message exceeds maximum size 4194304: 5000000"),
            ("11", "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes"),
        ];
        for (code, message) in cases {
            let verdict =
                grpc(&reply(200, &[("grpc-status", code), ("grpc-message", message)], b""), now());
            assert_eq!(verdict, Verdict::permanent(Failure::TooLarge, message));
        }
    }

    #[test]
    fn grpc_without_a_status_is_read_as_http_or_not_at_all() {
        let nothing = grpc(&reply(200, &[], b""), now());
        assert_eq!(nothing, Verdict::permanent(Failure::AmbiguousResponse, "no grpc-status"));
        let proxy = grpc(&reply(503, &[("retry-after", "5")], b"no upstream"), now());
        let expected = Verdict::Again {
            cause: Cause::Answered(Status::Http(503)),
            throttle: Some(Duration::from_secs(5)),
            detail: "no upstream".into(),
            advice: None,
        };
        assert_eq!(proxy, expected);
        let moved = grpc(&reply(307, &[("location", "http://b")], b""), now());
        assert_eq!(moved, Verdict::permanent(Failure::Redirect { status: 307 }, ""));
    }

    #[test]
    fn a_success_without_a_message_is_ambiguous_in_grpc() {
        let ok = [("grpc-status", "0")];
        for body in [&b""[..], b"<html>", &[0, 0, 0, 0, 1, 0xff], &[1, 0, 0, 0, 1, 7]] {
            let verdict = grpc(&reply(200, &ok, body), now());
            let Verdict::Permanent { failure, .. } = verdict else { panic!("{verdict:?}") };
            assert_eq!(failure, Failure::AmbiguousResponse, "{body:?}");
        }
    }

    #[test]
    fn an_undecodable_body_does_not_take_back_a_200() {
        let gzip = [("content-encoding", "gzip")];
        let brotli = [("content-encoding", "br")];
        let cases = [
            (&[][..], &b"<html>hello</html>"[..]),
            (&[], b"{}"),
            (&gzip, b"not gzip"),
            (&brotli, b"\x0b\x02\x80"),
        ];
        for (headers, body) in cases {
            let verdict = http(&reply(200, headers, body), now());
            let Verdict::Accepted { rejected: 0, message: None, undecodable: Some(what) } = verdict
            else {
                panic!("{verdict:?}")
            };
            assert!(what.starts_with("HTTP 200 OK, but the answer is not OTLP: its"), "{what}");
        }
    }

    #[test]
    fn faults_of_the_body_weigh_by_status() {
        let of = |status, fault: BodyFault| {
            http(&Reply { body: Err(fault), ..reply(status, &[], b"") }, now())
        };
        let lost = BodyFault::Lost("gone".into());
        assert_eq!(of(200, lost.clone()), Verdict::again(Cause::Ambiguous, "gone"));
        let verdict = of(200, BodyFault::TooLarge);
        let failure = Failure::ResponseTooLarge;
        assert!(
            verdict.is_open()
                && matches!(verdict, Verdict::Permanent { failure: f, .. } if f == failure)
        );
    }

    /// RFC 9110, 8.4, 8.4.1.3 and 5.6.1.
    #[test]
    fn codings_are_a_list_in_any_case() {
        let of = |lines: &[&str]| {
            let lines =
                lines.iter().map(|line| (CONTENT_ENCODING, HeaderValue::from_str(line).unwrap()));
            Encoding::of(&lines.collect(), CONTENT_ENCODING)
        };
        for none in [&[][..], &[""], &["identity"], &["Identity , ,"], &["", "IDENTITY"]] {
            assert_eq!(of(none), Encoding::Identity, "{none:?}");
        }
        for gzip in [&["gzip"][..], &["GZIP"], &["X-GZip"], &[", identity,\tgzip"], &["", "gzip"]] {
            assert_eq!(of(gzip), Encoding::Gzip, "{gzip:?}");
        }
        for unknown in [&["br"][..], &["gzip, gzip"], &["gzip", "x-gzip"], &["gzip;q=1"]] {
            assert!(matches!(of(unknown), Encoding::Unknown(_)), "{unknown:?}");
        }
    }

    #[test]
    fn failures_say_what_the_server_said() {
        let mut status = Vec::new();
        string::encode(2, &"no such tenant".to_owned(), &mut status);
        for body in [&status[..], b" no such tenant\n"] {
            let rejected = Failure::Rejected { status: Status::Http(401) };
            let expected = Verdict::permanent(rejected, "no such tenant");
            assert_eq!(http(&reply(401, &[], body), now()), expected);
        }
    }
}
