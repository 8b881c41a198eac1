//! Encoded spans back to back, with what is known of each beside them.

use crate::meta::SpanMeta;
use crate::write::{EncodeSpan, Room, bytes_len, varint_len};

/// Finished spans in the form requests are made of.
///
/// `bytes` holds each span as the field of `ScopeSpans` it will be, so that a run of spans of one
/// scope is sent as it lies there. `metas` has one entry a span, in the same order. A meta says
/// in 32 bits where its span is: a chunk is made for less than 4 GiB.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    metas: Vec<SpanMeta>,
    /// The first span's, and whether another span has another: a chunk of one scope is framed
    /// without a look at its metas.
    scope: u32,
    mixed: bool,
}

impl Chunk {
    /// A chunk with room for `bytes` of spans and `spans` metas.
    pub fn with_capacity(bytes: usize, spans: usize) -> Self {
        let (bytes, metas) = (Vec::with_capacity(bytes), Vec::with_capacity(spans));
        Self { bytes, metas, scope: 0, mixed: false }
    }

    /// Whether a span message of `len` bytes can be added without growing.
    #[inline(always)]
    pub fn fits(&self, len: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= len.saturating_add(FIELD_OVERHEAD)
            && self.metas.len() < self.metas.capacity()
    }

    /// Adds a complete `Span` message. `meta.offset` and `meta.len` are filled in here.
    ///
    /// Grows when there is no room; [`fits`](Self::fits) tells.
    #[inline(always)]
    pub fn push<S: EncodeSpan + ?Sized>(&mut self, span: &S, mut meta: SpanMeta) {
        // Read once: what follows must not depend on a second answer.
        let span = span.as_finished();
        let (offset, len) = (self.bytes.len(), span.encoded_len());
        let field = 1 + varint_len(len as u64) + len;
        let mut room = Room::new(&mut self.bytes, field);
        // SAFETY: tag, length and span: `field` bytes.
        unsafe {
            room.array([SPANS]);
            room.varint(len as u64);
            span.put(&mut room);
        }
        room.done();
        if offset == 0 {
            self.scope = meta.scope;
        }
        self.mixed |= meta.scope != self.scope;
        meta.offset = offset as u32;
        meta.len = field as u32;
        self.metas.push(meta);
    }

    /// The spans' fields, back to back.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One entry a span.
    pub fn metas(&self) -> &[SpanMeta] {
        &self.metas
    }

    /// The scope of all spans, if they have one.
    #[inline]
    pub(crate) fn only_scope(&self) -> Option<u32> {
        (!self.is_empty() && !self.mixed).then_some(self.scope)
    }

    /// Spans held.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.metas.len()
    }

    /// Whether there is no span.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.metas.is_empty()
    }

    /// Removes all spans; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.metas.clear();
        self.mixed = false;
    }

    /// Bytes of memory held, used or not.
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity() + self.metas.capacity() * size_of::<SpanMeta>()
    }

    /// Bytes of memory that a chunk made for one span message of `len` bytes takes at most.
    pub fn bytes_for_one(len: usize) -> usize {
        bytes_len(len) + FIELD_OVERHEAD + size_of::<SpanMeta>()
    }

    /// A chunk that holds one span and has room for no other.
    pub fn of_one<S: EncodeSpan + ?Sized>(span: &S, meta: SpanMeta) -> Self {
        let span = span.as_finished();
        let mut chunk = Self::with_capacity(span.encoded_len() + FIELD_OVERHEAD, 1);
        chunk.push(&span, meta);
        chunk
    }
}

/// Tag and longest length in front of a span message.
const FIELD_OVERHEAD: usize = 1 + 5;
/// `ScopeSpans.spans`.
const SPANS: u8 = 0x12;
