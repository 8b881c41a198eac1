//! Answers as HTTP responses of each protocol.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use spanwise_wire::json;

use crate::answer::{Answer, Protocol};
use crate::budget::Charge;
use crate::refusal::UNKNOWN;
use crate::status;

/// The body of a response: some data, and trailers for gRPC.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    data: Bytes,
    trailers: Option<HeaderMap>,
    /// Charge of the request until its response is sent.
    charge: Option<Charge>,
}

impl Reply {
    /// The response for `answer` in `protocol`. Delays in it are ignored.
    pub fn to(protocol: Protocol, answer: Answer) -> Response<Self> {
        match protocol {
            Protocol::Http => http(answer, false),
            Protocol::HttpJson => http(answer, true),
            Protocol::Grpc => grpc(answer),
        }
    }

    /// Holds `charge` until the response is dropped.
    pub fn hold(&mut self, charge: Option<Charge>) {
        self.charge = charge;
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.data.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.data)))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

fn http(answer: Answer, in_json: bool) -> Response<Reply> {
    let (_, answer) = answer.into_parts();
    let mut response = Response::<Reply>::default();
    response.headers_mut().insert(CONTENT_TYPE, if in_json { JSON } else { PROTOBUF });
    match answer {
        // In protobuf the empty message.
        Answer::Accept | Answer::After(..) if in_json => {
            response.body_mut().data = Bytes::from_static(b"{}");
        }
        Answer::Accept | Answer::After(..) => {}
        Answer::Partial { rejected, message } => {
            let message = first_part(&message);
            response.body_mut().data = Bytes::from(match in_json {
                false => status::partial_success(rejected, message),
                true => json::encode_export_response(rejected, message),
            });
        }
        Answer::Refuse { http_status, grpc_code, message, retry_after } => {
            *response.status_mut() = match http_status {
                400..=599 => StatusCode::from_u16(http_status).unwrap_or_default(),
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            }
            if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                // RFC 9110, 15.5.16: the content codings that the receiver accepts.
                response
                    .headers_mut()
                    .insert(ACCEPT_ENCODING, HeaderValue::from_static(CONTENT_CODINGS));
            }
            if response.status() == StatusCode::UNAUTHORIZED {
                // RFC 9110, 15.5.2: the scheme that a handler or an interceptor asks for.
                let scheme = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            }
            if let Some(delay) = retry_after {
                let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            let (code, message) = (code(grpc_code), first_part(&message));
            response.body_mut().data = Bytes::from(match in_json {
                false => status::rpc_status(code, message, None),
                true => json::encode_status(code.into(), message),
            });
        }
    }
    response
}

fn grpc(answer: Answer) -> Response<Reply> {
    let (_, answer) = answer.into_parts();
    let mut response = Response::<Reply>::default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(GRPC_ENCODINGS));
    let message = match answer {
        Answer::Accept | Answer::After(..) => Vec::new(),
        Answer::Partial { rejected, message } => {
            status::partial_success(rejected, first_part(&message))
        }
        Answer::Refuse { grpc_code, message, retry_after, .. } => {
            // An error without a message needs no trailers: the headers contain its status and end
            // the response.
            let (code, message) = (code(grpc_code), first_part(&message));
            let headers = response.headers_mut();
            headers.insert(STATUS, HeaderValue::from(code));
            put(headers, MESSAGE, status::percent_encoded(message));
            if retry_after.is_some() {
                let details = status::rpc_status(code, message, retry_after);
                put(headers, STATUS_DETAILS, STANDARD_NO_PAD.encode(details));
            }
            return response;
        }
    };
    let mut data = vec![0];
    // A message of this crate has a few kilobytes at most.
    data.extend_from_slice(&(message.len() as u32).to_be_bytes());
    data.extend_from_slice(&message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    *response.body_mut() =
        Reply { data: Bytes::from(data), trailers: Some(trailers), charge: None };
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn code(grpc_code: u16) -> u16 {
    if (1..=16).contains(&grpc_code) { grpc_code } else { UNKNOWN }
}

/// The first part of a message, short enough for the header limit of clients even when escaped.
fn first_part(message: &str) -> &str {
    let mut end = message.len().min(MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

const CONTENT_CODINGS: &str = if cfg!(feature = "zstd") { "gzip, zstd" } else { "gzip" };
const GRPC_ENCODINGS: &str =
    if cfg!(feature = "zstd") { "gzip,zstd,identity" } else { "gzip,identity" };
const MESSAGE_BYTES: usize = 1 << 10;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn refuse(http_status: u16, grpc_code: u16, retry_after: Option<Duration>) -> Answer {
        Answer::Refuse { http_status, grpc_code, message: "no".into(), retry_after }
    }

    #[test]
    fn a_status_that_is_no_error_is_replaced() {
        for (given, sent) in [(0, 500), (200, 500), (399, 500), (400, 400), (599, 599), (600, 500)]
        {
            assert_eq!(http(refuse(given, 1, None), false).status(), sent);
        }
        for (given, sent) in [(0, "2"), (1, "1"), (16, "16"), (17, "2")] {
            assert_eq!(grpc(refuse(500, given, None)).headers()["grpc-status"], sent);
        }
    }

    #[test]
    fn the_retry_delay_is_rounded_up_to_seconds() {
        for (delay, header) in [(0, "0"), (1, "1"), (1000, "1"), (1001, "2"), (2500, "3")] {
            let reply = http(refuse(503, 14, Some(Duration::from_millis(delay))), false);
            assert_eq!(reply.headers()["retry-after"], header);
        }
        let forever = http(refuse(503, 14, Some(Duration::MAX)), true);
        assert_eq!(forever.headers()["retry-after"], u64::MAX.to_string());
        assert!(http(refuse(503, 14, None), false).headers().get("retry-after").is_none());
    }

    #[test]
    fn long_messages_are_truncated_between_characters() {
        assert_eq!(first_part("short"), "short");
        let long = format!("{}é", "x".repeat(MESSAGE_BYTES - 1));
        assert_eq!(first_part(&long), "x".repeat(MESSAGE_BYTES - 1));
    }
}
