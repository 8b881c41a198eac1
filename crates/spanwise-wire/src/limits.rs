//! How much one span may hold.

/// Limits of one span (specification, *Span Limits* and *Attribute Limits*).
///
/// What exceeds a count is left out and counted in the span's own `dropped_*_count` field; a
/// string that is too long is cut. Nothing else of the span is lost with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanLimits {
    /// Attributes of a span. Default 128.
    pub attributes: u32,
    /// Events of a span. Default 128.
    pub events: u32,
    /// Links of a span. Default 128.
    pub links: u32,
    /// Attributes of one event. Default 128.
    pub attributes_per_event: u32,
    /// Attributes of one link. Default 128.
    pub attributes_per_link: u32,
    /// Characters of a string value, also inside an array; bytes of a byte string. Names, keys
    /// and status messages are no values. Default 65,536 — the specification has no limit here,
    /// a guest in another process needs one.
    pub value_chars: usize,
    /// Bytes one span may take encoded; attributes, events and links beyond are left out. What
    /// comes on top is bounded by itself: the name (4,096 characters), a status message (16,384, or
    /// this limit), the fixed fields and the `tracestate`. Default 1 MiB, at most 2 GiB: with the default a
    /// span always fits a request.
    pub span_bytes: usize,
}

impl SpanLimits {
    /// Length that a buffer with attributes, events and links may reach.
    #[inline(always)]
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.span_bytes.min(MAX_SPAN_BYTES)
    }
}

/// What a buffer never grows beyond: offsets in it have 32 bits.
pub(crate) const MAX_SPAN_BYTES: usize = i32::MAX as usize;

impl Default for SpanLimits {
    fn default() -> Self {
        Self {
            attributes: 128,
            events: 128,
            links: 128,
            attributes_per_event: 128,
            attributes_per_link: 128,
            value_chars: 65_536,
            span_bytes: 1 << 20,
        }
    }
}
