//! The field numbers that OTLP defines for each message of a trace request (opentelemetry-proto 1.x).

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// A message that can occur in an `ExportTraceServiceRequest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    Request,
    ResourceSpans,
    Resource,
    EntityRef,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    Status,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

/// A field that OTLP does not define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) message: Message,
    pub(crate) number: u32,
}

/// The first unknown field in `body`, an encoded `message`, or an error if `body` is malformed.
///
/// Recurses as deep as `body` nests: decode it with prost first, which bounds the depth.
pub(crate) fn first_unknown(
    message: Message,
    mut body: &[u8],
) -> Result<Option<Unknown>, DecodeError> {
    while !body.is_empty() {
        let (number, wire_type) = decode_key(&mut body)?;
        match (message.field(number), wire_type) {
            (None, _) => return Ok(Some(Unknown { message, number })),
            (Some(Some(nested)), WireType::LengthDelimited) => {
                let len = decode_varint(&mut body)?;
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                let Some((inner, rest)) = body.split_at_checked(len) else {
                    // prost reports the error: the length reaches past the end.
                    skip_field(wire_type, number, &mut body, DecodeContext::default())?;
                    return Ok(None);
                };
                if let Some(unknown) = first_unknown(nested, inner)? {
                    return Ok(Some(unknown));
                }
                body = rest;
            }
            (Some(_), _) => skip_field(wire_type, number, &mut body, DecodeContext::default())?,
        }
    }
    Ok(None)
}

impl Message {
    /// `None`: no such field; `Some(None)`: no message; `Some(Some(m))`: a message of kind `m`.
    ///
    /// The string-table indices of `KeyValue` (3) and `AnyValue` (8) are for profiles only, so they
    /// are unknown here.
    fn field(self, number: u32) -> Option<Option<Message>> {
        use Message::*;
        Some(match (self, number) {
            (Request, 1) => Some(ResourceSpans),
            (ResourceSpans, 1) => Some(Resource),
            (ResourceSpans, 2) => Some(ScopeSpans),
            (Resource, 3) => Some(EntityRef),
            (ScopeSpans, 1) => Some(Scope),
            (ScopeSpans, 2) => Some(Span),
            (Span, 11) => Some(Event),
            (Span, 13) => Some(Link),
            (Span, 15) => Some(Status),
            (Resource, 1) | (Scope | Event, 3) | (Link, 4) | (Span, 9) => Some(KeyValue),
            (KeyValue, 2) | (ArrayValue, 1) => Some(AnyValue),
            (KeyValueList, 1) => Some(KeyValue),
            (AnyValue, 5) => Some(ArrayValue),
            (AnyValue, 6) => Some(KeyValueList),
            (ResourceSpans | ScopeSpans, 3) | (Resource, 2) | (EntityRef, 1..=4) => None,
            (Scope, 1 | 2 | 4) | (Event, 1 | 2 | 4) | (Link, 1..=3 | 5 | 6) => None,
            (Span, 1..=8 | 10 | 12 | 14 | 16) | (Status, 2 | 3) | (KeyValue, 1) => None,
            (AnyValue, 1..=4 | 7) => None,
            _ => return None,
        })
    }
}
