//! [`TraceStateField`]: a short trace state, encoded once for many spans.

use super::varint::put_bytes;

/// The encoded `trace_state` field of a span whose `tracestate` header is short, such as a sampler's
/// threshold.
///
/// [`SpanWriter::trace_state_field`](super::SpanWriter::trace_state_field) copies it with stores of fixed
/// sizes.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceStateField {
    pub(super) bytes: [u8; Self::CAPACITY],
    /// At most [`Self::CAPACITY`].
    len: u8,
}

impl TraceStateField {
    /// Bytes of a field: one for the tag, one for the length, and the header.
    pub(super) const CAPACITY: usize = 24;

    /// The longest header, in bytes.
    pub const MAX_HEADER: usize = Self::CAPACITY - 2;

    /// Encodes a W3C `tracestate` header; `None` if it is longer than [`MAX_HEADER`](Self::MAX_HEADER) bytes.
    /// An empty header encodes to no bytes.
    ///
    /// # Cost
    /// One allocation.
    pub fn new(header: &str) -> Option<Self> {
        let mut field = Vec::with_capacity(Self::CAPACITY);
        if !header.is_empty() {
            put_bytes(&mut field, TRACE_STATE, header.as_bytes());
        }
        let mut bytes = [0; Self::CAPACITY];
        bytes.get_mut(..field.len())?.copy_from_slice(&field);
        Some(Self { bytes, len: field.len() as u8 })
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }
}

/// The key of `Span.trace_state`, and of `Span.Link.trace_state`, which has the same number.
pub(super) const TRACE_STATE: u8 = 0x1a;
