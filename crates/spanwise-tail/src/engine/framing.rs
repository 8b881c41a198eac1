//! The framing of a request: its groups and spans, without what is inside of a span.

use spanwise_wire::read::{Field, FieldValue, Fields, WireError};

/// The fields of a `ScopeSpans` message in wire order. Ends after the first error.
pub(crate) struct ScopeFields<'a> {
    rest: &'a [u8],
}

/// One field of a `ScopeSpans` message.
pub(crate) enum ScopeField<'a> {
    Span(&'a [u8]),
    Scope(&'a [u8]),
    SchemaUrl(&'a [u8]),
    Unknown,
}

impl<'a> ScopeFields<'a> {
    pub(crate) fn new(scope_spans: &'a [u8]) -> Self {
        Self { rest: scope_spans }
    }

    #[inline]
    fn read(&mut self) -> Result<ScopeField<'a>, WireError> {
        // Most spans have 128 to 16,383 bytes.
        if let [SPAN_KEY, low @ 0x80..=0xff, high @ ..0x80, behind @ ..] = self.rest
            && let len = usize::from(low & 0x7f) | usize::from(*high) << 7
            && let Some((span, rest)) = behind.split_at_checked(len)
        {
            self.rest = rest;
            return Ok(ScopeField::Span(span));
        }
        self.read_any()
    }

    fn read_any(&mut self) -> Result<ScopeField<'a>, WireError> {
        let mut fields = Fields::new(self.rest);
        let field = fields.next().transpose()?;
        self.rest = fields.rest();
        let Some(field) = field else { return Ok(ScopeField::Unknown) };
        Ok(match field.number {
            SCOPE => ScopeField::Scope(field.bytes()?),
            SPANS => ScopeField::Span(field.bytes()?),
            SCHEMA_URL => ScopeField::SchemaUrl(field.bytes()?),
            _ => ScopeField::Unknown,
        })
    }
}

impl<'a> Iterator for ScopeFields<'a> {
    type Item = Result<ScopeField<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// The fields of a `ScopeSpans` message beside its spans; in the encoded form they may stand behind these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ScopeHeader<'a> {
    pub(crate) scope: &'a [u8],
    /// Empty if it is not UTF-8.
    pub(crate) schema_url: &'a str,
    /// Number of spans.
    spans: u64,
}

impl<'a> ScopeHeader<'a> {
    /// Reads all fields of a `ScopeSpans` message; of a field that occurs twice the last one counts.
    pub(crate) fn read(scope_spans: &'a [u8]) -> Result<Self, WireError> {
        let mut header = Self::default();
        for field in ScopeFields::new(scope_spans) {
            match field? {
                ScopeField::Span(_) => header.spans += 1,
                ScopeField::Unknown => {}
                ScopeField::Scope(bytes) => header.scope = bytes,
                ScopeField::SchemaUrl(bytes) => {
                    header.schema_url = std::str::from_utf8(bytes).unwrap_or_default();
                }
            }
        }
        Ok(header)
    }
}

/// The checked framing of a request.
pub(crate) struct Framing<'a> {
    /// The headers of the first `ScopeSpans` messages, so that their spans are skimmed once. Bounded: a hostile request has millions.
    headers: Vec<ScopeHeader<'a>>,
    spans: u64,
}

impl<'a> Framing<'a> {
    /// Checks an `ExportTraceServiceRequest` as far as the framing of its spans.
    ///
    /// # Errors
    /// The first error in the framing. A span that is malformed inside is none.
    pub(crate) fn check(request: &'a [u8]) -> Result<Self, WireError> {
        let (mut headers, mut spans) = (Vec::new(), 0);
        for field in Fields::new(request) {
            let field = field?;
            if field.number != RESOURCE_SPANS {
                continue;
            }
            for field in Fields::new(field.bytes()?) {
                let field = field?;
                match field.number {
                    RESOURCE | SCHEMA_URL => _ = field.bytes()?,
                    SCOPE_SPANS => {
                        let header = ScopeHeader::read(field.bytes()?)?;
                        spans += header.spans;
                        if headers.len() < MAX_HEADERS {
                            headers.push(header);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(Self { headers, spans })
    }

    /// Number of spans.
    pub(crate) fn spans(&self) -> u64 {
        self.spans
    }

    /// The header of the `ScopeSpans` message at `index` of the request, whose bytes are `scope_spans`.
    pub(crate) fn header(&self, index: usize, scope_spans: &'a [u8]) -> ScopeHeader<'a> {
        match self.headers.get(index) {
            Some(header) => *header,
            None => ScopeHeader::read(scope_spans).unwrap_or_default(),
        }
    }
}

/// The `ScopeSpans` messages of a `ResourceSpans` message whose framing was checked.
pub(crate) fn scopes(resource_spans: &[u8]) -> impl Iterator<Item = &[u8]> {
    Fields::new(resource_spans).filter_map(|field| match field {
        Ok(Field { number: SCOPE_SPANS, value: FieldValue::Bytes(bytes) }) => Some(bytes),
        _ => None,
    })
}

const MAX_HEADERS: usize = 256;

// opentelemetry/proto/collector/trace/v1/trace_service.proto and trace/v1/trace.proto
const RESOURCE_SPANS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SCOPE: u32 = 1;
const SPANS: u32 = 2;
const SCHEMA_URL: u32 = 3;
/// [`SPANS`] as a key of wire type 2.
const SPAN_KEY: u8 = 0x12;

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_wire::read::TraceRequest;

    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn the_framing_is_the_one_that_the_reader_of_requests_finds() {
        // Spans of each length of a length, the scope before and behind them, and more groups than are listed.
        let span = |len: usize| message(2, &vec![0; len]);
        let scope = |index: usize| {
            let header =
                [message(1, &message(1, &[b'a' + (index % 26) as u8])), message(3, b"url")];
            let spans = [0, 1, 127, 128, 300, 16_383, 16_384].map(|len| span(len % (index + 90)));
            let parts = if index.is_multiple_of(2) {
                [header.concat(), spans.concat()]
            } else {
                [spans.concat(), header.concat()]
            };
            message(2, &parts.concat())
        };
        let scopes_of =
            |range: std::ops::Range<usize>| range.map(scope).collect::<Vec<_>>().concat();
        let groups = [0..1, 1..200, 200..200, 200..300].map(|range| message(1, &scopes_of(range)));
        let request = [&groups.concat()[..], &message(1, &message(2, &span(20_000)))].concat();
        let framing = Framing::check(&request).unwrap();
        let (mut index, mut spans) = (0, 0);
        for resource in TraceRequest::new(&request).resources() {
            let resource = resource.unwrap();
            let found: Vec<_> = scopes(resource.bytes()).collect();
            let expected: Vec<_> = resource.scopes().map(|scope| scope.unwrap()).collect();
            assert_eq!(found.len(), expected.len());
            for (bytes, expected) in found.into_iter().zip(expected) {
                let header = framing.header(index, bytes);
                assert_eq!(bytes, expected.bytes());
                assert_eq!(
                    (header.scope, Ok(header.schema_url)),
                    (expected.scope(), expected.schema_url())
                );
                let fields = ScopeFields::new(bytes).filter_map(Result::ok);
                spans += fields.filter(|field| matches!(field, ScopeField::Span(_))).count();
                index += 1;
            }
        }
        assert_eq!(Ok(spans as u64), TraceRequest::new(&request).count_spans());
        assert_eq!(framing.spans(), spans as u64);
        assert!(index > MAX_HEADERS);
        // Cut or changed anywhere: the same requests are refused.
        for at in 0..groups[1].len().min(3_000) {
            let cut = &request[..at];
            assert_eq!(
                Framing::check(cut).is_err(),
                TraceRequest::new(cut).count_spans().is_err(),
                "{at}"
            );
            let mut changed = request[..3_000].to_vec();
            changed[at] ^= 0x55;
            let expected = TraceRequest::new(&changed).count_spans().err();
            assert_eq!(Framing::check(&changed).err(), expected, "{at}");
        }
    }
}
