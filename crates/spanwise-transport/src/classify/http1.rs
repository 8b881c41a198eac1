//! OTLP/HTTP: "OTLP/HTTP Response" and "Failures".

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};

use super::coding::ContentCoding;
use super::grpc_status::{grpc_code, speaks_grpc};
use super::json;
use super::{Accepted, AttemptOutcome, BodyFault, MAX_FAILURE_BODY_BYTES, Reply, too_large};
use crate::advice::Advice;
use crate::inflate::{self, InflateError};
use crate::message::{ExportResponse, RpcStatus};
use crate::retry::Cause;
use crate::{Failure, Protocol, ResponseStatus};

/// Classifies an OTLP/HTTP response to a request of `protocol`. A `Retry-After` with a date needs `now`.
pub(crate) fn http(reply: &Reply, protocol: Protocol, now: SystemTime) -> AttemptOutcome {
    let code = reply.status.as_u16();
    let status = ResponseStatus::Http(code);
    match code {
        200..=299 => http_success(reply, protocol),
        300..=399 => AttemptOutcome::permanent(Failure::Redirect { status: code }, ""),
        429 | 502 | 503 | 504 => {
            AttemptOutcome::retryable(Cause::Answered(status), failure_message(reply, protocol))
                .with_throttle(
                    reply.headers.get(RETRY_AFTER).and_then(|v| retry_after(v.as_bytes(), now)),
                )
        }
        413 => AttemptOutcome::permanent(Failure::TooLarge, failure_message(reply, protocol)),
        // Go's `http.MaxBytesReader`, whose error the Collector's OTLP receiver answers with 400.
        400 if is_body_too_large(&failure_message(reply, protocol)) => {
            AttemptOutcome::permanent(Failure::TooLarge, failure_message(reply, protocol))
        }
        // A gRPC server that also accepts HTTP/1.1 names gRPC in its content type.
        400..=499 if speaks_grpc(&reply.headers) => AttemptOutcome::permanent(
            Failure::Rejected { status },
            failure_message(reply, protocol),
        )
        .with_advice(Some(Advice::SpeakGrpc)),
        // A final 1xx is a protocol that the client did not request.
        100..=199 => {
            AttemptOutcome::permanent(Failure::AmbiguousResponse, failure_message(reply, protocol))
        }
        _ => AttemptOutcome::permanent(
            Failure::Rejected { status },
            failure_message(reply, protocol),
        ),
    }
}

fn http_success(reply: &Reply, protocol: Protocol) -> AttemptOutcome {
    let body = match &reply.body {
        // The status alone does not state whether spans were rejected.
        Err(BodyFault::Lost(detail)) => return AttemptOutcome::retryable(Cause::Ambiguous, detail),
        Err(BodyFault::TooLarge) => return too_large(reply),
        Ok(body) => body,
    };
    // An empty body is a full success, independent of its content coding.
    let foreign_type = foreign_type(&reply.headers, protocol);
    if body.is_empty() && foreign_type.is_none() && !speaks_grpc(&reply.headers) {
        return AttemptOutcome::Accepted(Accepted::default());
    }
    // The status is a success; an undecodable body does not revoke it.
    let unread = |reason: String| {
        let status = ResponseStatus::Http(reply.status.as_u16()).with_reason();
        let undecodable = Some(format!("{status}, but the answer is not OTLP: {reason}"));
        AttemptOutcome::Accepted(Accepted { undecodable, ..Accepted::default() })
    };
    if speaks_grpc(&reply.headers)
        && let Some(code) = grpc_code(&reply.headers)
        && code > 0
    {
        // The status of HTTP is about the exchange alone, that of gRPC about the request.
        return AttemptOutcome::permanent(
            Failure::Rejected { status: ResponseStatus::Grpc(code) },
            "",
        )
        .with_advice(Some(Advice::SpeakGrpc));
    }
    if let Some(other) = foreign_type {
        return unread(format!("its content type is {other}"));
    }
    let body = match ContentCoding::of(&reply.headers, CONTENT_ENCODING) {
        ContentCoding::Identity => Ok(body.clone()),
        ContentCoding::Gzip => inflate::inflate(body, reply.max),
        ContentCoding::Unknown(name) => return unread(format!("its content encoding is {name}")),
    };
    let read = |body: Bytes| match json::is_json(&reply.headers, protocol) {
        true => json::export_response(&body),
        false => ExportResponse::read(&body).ok(),
    };
    match body.map(read) {
        Ok(Some(response)) => AttemptOutcome::Accepted(response.into()),
        Err(InflateError::TooLarge) => too_large(reply),
        Ok(None) => unread("its body is no ExportTraceServiceResponse".to_owned()),
        Err(InflateError::Broken) => unread("its body is no gzip".to_owned()),
    }
}

/// Whether the message of a 400 states that the request is larger than the receiver reads.
fn is_body_too_large(message: &str) -> bool {
    message.contains("request body too large")
}

/// The media type of a response, if it excludes OTLP/HTTP ("OTLP/HTTP Response": the type equals that
/// of the request). A missing or generic type does not exclude it.
fn foreign_type(headers: &HeaderMap, protocol: Protocol) -> Option<String> {
    let media = json::media_type(headers)?;
    let ours = ["", "application/x-protobuf", "application/protobuf", "application/octet-stream"];
    let is_ours =
        ours.contains(&&*media) || protocol == Protocol::HttpJson && media == "application/json";
    (!is_ours).then_some(media)
}

/// Parses `Retry-After` in seconds or as a date; `None` when it is neither.
fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The message of a failed HTTP response: that of its `google.rpc.Status`, or its text, as far as it
/// was read.
fn failure_message(reply: &Reply, protocol: Protocol) -> String {
    let Ok(body) = &reply.body else { return String::new() };
    let body = match ContentCoding::of(&reply.headers, CONTENT_ENCODING) {
        ContentCoding::Identity => body.clone(),
        ContentCoding::Gzip => inflate::inflate_some(body, MAX_FAILURE_BODY_BYTES).into(),
        ContentCoding::Unknown(_) => return String::new(),
    };
    if json::is_json(&reply.headers, protocol)
        && let Some(message) = json::status_message(&body)
    {
        return message;
    }
    match RpcStatus::read(&body) {
        Ok(status) => status.message,
        Err(_) => match std::str::from_utf8(&body) {
            Ok(text) => text.trim().to_owned(),
            // Truncated within a character.
            Err(error) if !reply.whole && error.error_len().is_none() => {
                String::from_utf8_lossy(body.get(..error.valid_up_to()).unwrap_or_default())
                    .trim()
                    .to_owned()
            }
            Err(_) => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use prost::encoding::string;

    use super::*;
    use crate::classify::samples::{now, reply};

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
                let outcome = http(&reply(status, &headers, b""), Protocol::HttpProtobuf, now());
                let permanent = |failure| AttemptOutcome::permanent(failure, "");
                let expected = match status {
                    200..300 => AttemptOutcome::Accepted(Accepted::default()),
                    429 | 502 | 503 | 504 => AttemptOutcome::Retryable {
                        cause: Cause::Answered(ResponseStatus::Http(status)),
                        throttle,
                        detail: String::new(),
                        advice: None,
                    },
                    300..400 => permanent(Failure::Redirect { status }),
                    100..200 => permanent(Failure::AmbiguousResponse),
                    413 => permanent(Failure::TooLarge),
                    _ => permanent(Failure::Rejected { status: ResponseStatus::Http(status) }),
                };
                assert_eq!(outcome, expected, "{status} {after:?}");
                cases += 1;
            }
        }
        assert_eq!(cases, 4500);
    }

    #[test]
    fn a_400_of_a_collector_may_mean_too_large() {
        let mut status = Vec::new();
        string::encode(2, &"http: request body too large".to_owned(), &mut status);
        let text = "http: request body too large";
        for (code, body, failure) in [
            (400, &status[..], Failure::TooLarge),
            (400, b"http: request body too large\n", Failure::TooLarge),
            (400, b"too large", Failure::Rejected { status: ResponseStatus::Http(400) }),
            // Another status is about something else.
            (401, text.as_bytes(), Failure::Rejected { status: ResponseStatus::Http(401) }),
            (500, text.as_bytes(), Failure::Rejected { status: ResponseStatus::Http(500) }),
        ] {
            let AttemptOutcome::Permanent { failure: found, .. } =
                http(&reply(code, &[], body), Protocol::HttpProtobuf, now())
            else {
                panic!("{code} is permanent")
            };
            assert_eq!(found, failure, "{code} {}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn an_undecodable_body_does_not_revoke_a_200() {
        let gzip = [("content-encoding", "gzip")];
        let brotli = [("content-encoding", "br")];
        let cases = [
            (&[][..], &b"<html>hello</html>"[..]),
            (&[], b"{}"),
            (&gzip, b"not gzip"),
            (&brotli, b"\x0b\x02\x80"),
        ];
        for (headers, body) in cases {
            let outcome = http(&reply(200, headers, body), Protocol::HttpProtobuf, now());
            let AttemptOutcome::Accepted(Accepted {
                rejected: 0,
                message: None,
                undecodable: Some(what),
            }) = outcome
            else {
                panic!("{outcome:?}")
            };
            assert!(what.starts_with("HTTP 200 OK, but the answer is not OTLP: its"), "{what}");
        }
    }

    #[test]
    fn a_body_fault_is_classified_by_the_status() {
        let of = |status, fault: BodyFault| {
            http(
                &Reply { body: Err(fault), ..reply(status, &[], b"") },
                Protocol::HttpProtobuf,
                now(),
            )
        };
        let lost = BodyFault::Lost("reset".into());
        assert_eq!(of(200, lost.clone()), AttemptOutcome::retryable(Cause::Ambiguous, "reset"));
        let outcome = of(200, BodyFault::TooLarge);
        let failure = Failure::ResponseTooLarge;
        assert!(
            outcome.is_ambiguous()
                && matches!(outcome, AttemptOutcome::Permanent { failure: f, .. } if f == failure)
        );
    }

    #[test]
    fn a_failure_has_the_message_of_the_server() {
        let mut status = Vec::new();
        string::encode(2, &"no such tenant".to_owned(), &mut status);
        for body in [&status[..], b" no such tenant\n"] {
            let rejected = Failure::Rejected { status: ResponseStatus::Http(401) };
            let expected = AttemptOutcome::permanent(rejected, "no such tenant");
            assert_eq!(http(&reply(401, &[], body), Protocol::HttpProtobuf, now()), expected);
        }
    }
}
