//! The body of a request in OTLP/JSON.

use spanwise_wire::json::{self, FromProtobufError};

use crate::framing::PREFIX;
use crate::json_memory::ProvidedBuffer;
pub(crate) use crate::json_memory::{bound, max_len};
use crate::{Failure, FramedRequest};

/// Transcodes `request` to JSON, once for all attempts; its own memory is freed.
///
/// # Errors
/// The failure of the request and its cause: bytes that are not protobuf, or more than [`max_len`] bytes
/// of JSON.
pub(crate) fn transcode(request: FramedRequest) -> Result<FramedRequest, (Failure, String)> {
    let message = request.message();
    let capacity = bound(message.len());
    let mut provided = request.json_memory().and_then(|memory| memory.take(capacity));
    let mut body = provided.as_mut().map(ProvidedBuffer::buffer).unwrap_or_default();
    // Allocated once: a buffer that grows would exist twice.
    body.try_reserve_exact(capacity)
        .map_err(|_| (Failure::TooLarge, "no memory for its JSON".to_owned()))?;
    body.extend_from_slice(&[0; PREFIX]);
    match json::from_protobuf(message, max_len(message.len()), &mut body) {
        Ok(()) => match provided {
            None => Ok(FramedRequest::from_prefixed(body)),
            Some(provided) => FramedRequest::from_shared(body, |body| provided.share(body))
                .ok_or_else(|| (Failure::Unsendable, "the memory of its JSON is lost".to_owned())),
        },
        Err(error @ FromProtobufError::TooLarge { .. }) => {
            Err((Failure::TooLarge, error.to_string()))
        }
        Err(error) => Err((Failure::Unsendable, error.to_string())),
    }
}

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

    /// A request with memory of this capacity for its JSON, and what the memory is.
    fn with_memory(capacity: usize) -> (FramedRequest, *const u8) {
        let memory = Vec::with_capacity(capacity);
        let address = memory.as_ptr();
        let span = Span { name: "name".into(), ..Span::default() };
        let request = of_spans(vec![span; 100]);
        (request.with_json_memory(memory, bytes::Bytes::from), address)
    }

    #[test]
    fn json_is_written_into_the_memory_of_the_caller_once() {
        let plain = with_memory(0).0;
        let capacity = FramedRequest::json_capacity(plain.message().len());
        let expected = transcode(plain).unwrap();
        for (capacity, is_used) in [(capacity, true), (capacity - 1, false)] {
            let (request, memory) = with_memory(capacity);
            let address = |json: &FramedRequest| json.message().as_ptr().wrapping_sub(PREFIX);
            let [first, second] = [(); 2].map(|()| transcode(request.clone()).unwrap());
            assert_eq!(address(&first) == memory, is_used);
            assert_ne!(address(&second), memory);
            assert_eq!(
                (first.message(), second.message()),
                (expected.message(), expected.message())
            );
        }
    }

    #[test]
    fn memory_that_is_not_returned_fails_the_request_alone() {
        #[allow(clippy::panic, reason = "the fault of the caller")]
        fn panics(_: Vec<u8>) -> bytes::Bytes {
            panic!("on purpose")
        }
        let other = |memory: Vec<u8>| bytes::Bytes::copy_from_slice(&memory);
        let plain = with_memory(0).0;
        let memory = || Vec::with_capacity(1 << 20);
        for request in [
            plain.clone().with_json_memory(memory(), other),
            plain.with_json_memory(memory(), panics),
        ] {
            assert_eq!(transcode(request.clone()).unwrap_err().0, Failure::Unsendable);
            assert!(transcode(request).is_ok());
        }
    }
}
