//! The body of a request in OTLP/JSON.

use spanwise_wire::json::{self, FromProtobufError};

use crate::framing::PREFIX;
use crate::{Failure, FramedRequest};

/// Transcodes `request` to JSON, once for all attempts; its own memory is freed.
///
/// # Errors
/// The failure of the request and its cause: bytes that are not protobuf, or more than [`max_len`] bytes
/// of JSON.
pub(crate) fn transcode(request: FramedRequest) -> Result<FramedRequest, (Failure, String)> {
    let message = request.message();
    let out_of_memory = || (Failure::TooLarge, "no memory for its JSON".to_owned());
    let mut body = Vec::new();
    // Allocated once: a buffer that grows would exist twice.
    body.try_reserve_exact(bound(message.len())).map_err(|_| out_of_memory())?;
    body.extend_from_slice(&[0; PREFIX]);
    match json::from_protobuf(message, max_len(message.len()), &mut body) {
        Ok(()) => Ok(FramedRequest::from_prefixed(body)),
        Err(error @ FromProtobufError::TooLarge { .. }) => {
            Err((Failure::TooLarge, error.to_string()))
        }
        Err(error) => Err((Failure::Unsendable, error.to_string())),
    }
}

/// The memory of the JSON of a message of `len` bytes, in bytes.
pub(crate) fn bound(len: usize) -> usize {
    max_len(len).saturating_add(PREFIX + OVERSHOOT)
}

/// Maximum bytes of the JSON of a message of `len` bytes.
///
/// A control character, which JSON writes as `\u0001`, has the largest factor of what strings contain;
/// a span without attributes has 4, usual spans about 2. Messages that exceed it are made of empty lists
/// and maps; a small one has the constant for its names.
pub(crate) fn max_len(len: usize) -> usize {
    len.saturating_mul(6).saturating_add(1 << 10)
}

/// Bytes by which the transcoder exceeds its limit before it fails.
const OVERSHOOT: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    fn of_spans(spans: Vec<Span>) -> FramedRequest {
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
    }

    #[test]
    fn spans_of_control_characters_and_spans_without_attributes_fit() {
        let control = Span { name: "\u{1}".repeat(100_000), ..Span::default() };
        let bare = Span {
            trace_id: vec![0xff; 16],
            span_id: vec![0xff; 8],
            parent_span_id: vec![0xff; 8],
            kind: 1,
            start_time_unix_nano: u64::MAX,
            end_time_unix_nano: u64::MAX,
            ..Span::default()
        };
        for request in [of_spans(vec![control]), of_spans(vec![bare; 1000])] {
            let len = request.message().len();
            let body = transcode(request).unwrap();
            assert!(body.message().starts_with(b"{\"resourceSpans\":[{\"scopeSpans\""));
            assert!(body.message().len() > 3 * len && body.message().len() <= max_len(len));
        }
    }

    #[test]
    fn a_request_without_json_is_a_failure_with_its_cause() {
        let of = |message: &[u8]| transcode(FramedRequest::from_message(message)).unwrap_err();
        assert_eq!(of(b"\x0a\x05ab").0, Failure::Unsendable);
        assert_eq!(
            of(b"\0\0\0\0\x01a").1,
            "no OTLP protobuf: a field number is outside 1..=536870911"
        );
        let empty = Span { dropped_attributes_count: 1, dropped_links_count: 1, ..Span::default() };
        let (failure, cause) = transcode(of_spans(vec![empty; 1000])).unwrap_err();
        assert_eq!(failure, Failure::TooLarge);
        assert!(cause.starts_with("larger than ") && cause.ends_with(" bytes as JSON"), "{cause}");
    }
}
