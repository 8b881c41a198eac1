//! The request with the doctor's span.

use spanwise_wire::write::{SpanHeader, SpanWriter, encode_scope};
use spanwise_wire::{Chunk, Framer, RequestLimits, SpanId, SpanLimits, SpanMeta, TraceId};
use spanwise_worker::{clock, random_bytes, random_seed};

/// A request with one span, and its trace id.
pub(super) struct ProbeRequest {
    pub(super) trace_id: TraceId,
    pub(super) bytes: Vec<u8>,
}

impl ProbeRequest {
    /// A root span named [`NAME`], sampled, of the service that `resource` (encoded) describes.
    pub(super) fn new(resource: &[u8]) -> Self {
        let trace_id = TraceId(u128::from_be_bytes(random_bytes()) | 1);
        let start = clock::start();
        let limits = SpanLimits::default();
        let mut span = SpanWriter::new();
        span.begin(&limits, NAME);
        // Above the default threshold of compression, and smaller when compressed: a receiver that refuses the
        // compression is detected.
        span.attribute(&limits, "description", &*DESCRIPTION.repeat(20));
        let header = SpanHeader {
            trace_id,
            span_id: SpanId(random_seed() | 1),
            start_unix_nanos: start.unix_nanos,
            end_unix_nanos: clock::end(start),
            ..SpanHeader::default()
        };
        let chunk = Chunk::single(&span.finish(&header), SpanMeta::default());
        let no_attributes = [("", ""); 0];
        let scope = encode_scope(NAME, env!("CARGO_PKG_VERSION"), no_attributes, "");
        let mut bytes = Vec::new();
        let mut framer = Framer::new(resource, |_| &scope, RequestLimits::default());
        framer.frame(&[&chunk], |request| bytes = request.into_message());
        Self { trace_id, bytes }
    }
}

/// The name of the span and of its scope.
pub(super) const NAME: &str = "spanwise doctor";
const DESCRIPTION: &str = "This span checks whether spans arrive, compressed ones too. ";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_wire::read::TraceRequest;
    use spanwise_wire::write::encode_resource;

    #[test]
    fn a_request_has_one_valid_span_of_the_service() {
        let request = ProbeRequest::new(&encode_resource([("service.name", "shop")], ""));
        let read = TraceRequest::new(&request.bytes);
        let spans: Vec<_> = read.spans().map(Result::unwrap).collect();
        assert_eq!(spans.len(), 1);
        assert_eq!((spans[0].name(), spans[0].scope_name()), (Ok(NAME), Ok(NAME)));
        let again = ProbeRequest::new(&[]);
        assert!(request.trace_id != again.trace_id && request.trace_id.0 != 0);
    }
}
