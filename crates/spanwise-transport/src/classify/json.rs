//! Responses in JSON.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use spanwise_wire::json;

use crate::Protocol;
use crate::message::ExportResponse;

/// The media type of a response in lower case, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes());
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Whether the body of a response is JSON: by its type, or by the protocol of the request when it has
/// none or a generic one.
pub(super) fn is_json(headers: &HeaderMap, protocol: Protocol) -> bool {
    match media_type(headers).as_deref() {
        Some("application/json") => true,
        None | Some("" | "application/octet-stream") => protocol == Protocol::HttpJson,
        Some(_) => false,
    }
}

/// Reads an `ExportTraceServiceResponse`; `None` if it is none.
pub(super) fn export_response(body: &[u8]) -> Option<ExportResponse> {
    let read = json::export_response(body).ok()?;
    Some(ExportResponse {
        rejected: u64::try_from(read.rejected_spans).unwrap_or(0),
        message: Some(read.error_message).filter(|message| !message.is_empty()),
    })
}

/// The message of a `google.rpc.Status`; `None` if the body is none or has none.
pub(super) fn status_message(body: &[u8]) -> Option<String> {
    json::status_message(body).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{now, reply};
    use super::super::{Accepted, AttemptOutcome, http};
    use crate::{Failure, Protocol, ResponseStatus};

    const JSON: (&str, &str) = ("content-type", "Application/JSON; charset=utf-8");

    fn of(status: u16, headers: &[(&'static str, &str)], body: &str) -> AttemptOutcome {
        http(&reply(status, headers, body.as_bytes()), Protocol::HttpJson, now())
    }

    #[test]
    fn a_partial_success_reads_in_json() {
        let body = r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"full"}}"#;
        let part = Accepted { rejected: 3, message: Some("full".into()), undecodable: None };
        for headers in [&[JSON][..], &[], &[("content-type", "application/octet-stream")]] {
            assert_eq!(of(200, headers, body), AttemptOutcome::Accepted(part.clone()));
            for full in ["", "{}", r#"{"partialSuccess":{"rejectedSpans":"-3"}}"#] {
                assert_eq!(of(200, headers, full), AttemptOutcome::Accepted(Accepted::default()));
            }
        }
        let protobuf = [("content-type", "application/x-protobuf")];
        let outcome = of(200, &protobuf, "\x0a\x02\x08\x03");
        assert_eq!(
            outcome,
            AttemptOutcome::Accepted(Accepted { rejected: 3, ..Accepted::default() })
        );
    }

    #[test]
    fn a_response_that_is_not_otlp_is_reported() {
        for (headers, body) in [
            (&[JSON][..], "<html>"),
            (&[JSON], "[]"),
            (&[JSON], "{\"partialSuccess\":3}"),
            (&[("content-type", "text/html")], "{}"),
        ] {
            let AttemptOutcome::Accepted(accepted) = of(200, headers, body) else {
                panic!("{body}")
            };
            assert!(accepted.undecodable.is_some(), "{body}");
        }
    }

    #[test]
    fn a_failure_has_the_message_of_its_status() {
        let rejected = Failure::Rejected { status: ResponseStatus::Http(400) };
        for (body, message) in [
            (r#"{"code":3,"message":"no such tenant","details":[{}]}"#, "no such tenant"),
            (r#"{"error":"no"}"#, r#"{"error":"no"}"#),
            ("plain", "plain"),
        ] {
            assert_eq!(of(400, &[JSON], body), AttemptOutcome::permanent(rejected, message));
        }
    }
}
