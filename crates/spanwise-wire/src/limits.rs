//! The limits of one span.

/// Limits of one span (specification, *Span Limits* and *Attribute Limits*).
///
/// The writer drops attributes, events and links beyond a limit and counts them in the span's
/// `dropped_*_count` fields; it cuts strings that are too long. The rest of the span stays.
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
    /// and status messages are no values. Default 65,536, to bound the memory of the process; the
    /// specification's default is no limit.
    pub value_chars: usize,
    /// Bytes of the encoded name, `tracestate`, attributes, events and links of one span; the writer drops
    /// attributes, events and links beyond it. The other fields have limits of their own: a status message
    /// (16,384 characters, or this limit) and the fixed fields; so has the name (4,096 characters). Default
    /// 1 MiB, at most 2 GiB: with the default a span always fits into a request.
    pub span_bytes: usize,
}

impl SpanLimits {
    /// Sets [`attributes`](Self::attributes).
    #[inline]
    #[must_use]
    pub fn with_attributes(mut self, attributes: u32) -> Self {
        self.attributes = attributes;
        self
    }

    /// Sets [`events`](Self::events).
    #[inline]
    #[must_use]
    pub fn with_events(mut self, events: u32) -> Self {
        self.events = events;
        self
    }

    /// Sets [`links`](Self::links).
    #[inline]
    #[must_use]
    pub fn with_links(mut self, links: u32) -> Self {
        self.links = links;
        self
    }

    /// Sets [`attributes_per_event`](Self::attributes_per_event).
    #[inline]
    #[must_use]
    pub fn with_attributes_per_event(mut self, attributes: u32) -> Self {
        self.attributes_per_event = attributes;
        self
    }

    /// Sets [`attributes_per_link`](Self::attributes_per_link).
    #[inline]
    #[must_use]
    pub fn with_attributes_per_link(mut self, attributes: u32) -> Self {
        self.attributes_per_link = attributes;
        self
    }

    /// Sets [`value_chars`](Self::value_chars).
    #[inline]
    #[must_use]
    pub fn with_value_chars(mut self, chars: usize) -> Self {
        self.value_chars = chars;
        self
    }

    /// Sets [`span_bytes`](Self::span_bytes).
    #[inline]
    #[must_use]
    pub fn with_span_bytes(mut self, bytes: usize) -> Self {
        self.span_bytes = bytes;
        self
    }

    /// The most bytes of a buffer with attributes, events and links.
    #[inline(always)]
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.span_bytes.min(MAX_SPAN_BYTES)
    }
}

/// The most bytes of any buffer, because offsets have 32 bits.
pub(crate) const MAX_SPAN_BYTES: usize = i32::MAX as usize;

impl Default for SpanLimits {
    #[inline]
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
