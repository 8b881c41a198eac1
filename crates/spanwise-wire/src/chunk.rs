//! Chunks: encoded spans back to back, with a `SpanMeta` for each.

use crate::meta::SpanMeta;
use crate::model::TraceId;
use crate::read::{Fields, WireError};
use crate::write::{EncodeSpan, FinishedSpan, RawWriter, bytes_len, varint_len};

/// Finished spans, encoded for requests.
///
/// `bytes` holds each span as a field of `ScopeSpans`, so that a request copies a run of spans of one
/// scope without a change. `metas` has one entry per span, in the same order. A meta has the offset of
/// its span in 32 bits, so a chunk has less than 4 GiB.
#[derive(Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    metas: Vec<SpanMeta>,
    /// The scope of the first span, and whether any span has another scope: framing a chunk of one
    /// scope does not read its metas.
    scope: u32,
    mixed: bool,
    compacted: Option<Box<Compacted>>,
}

/// The facts about the metas of a compacted chunk that framing needs.
#[derive(Debug, Default)]
struct Compacted {
    spans: usize,
    /// Empty for a chunk of one scope.
    runs: Vec<ScopeRun>,
}

/// Neighbouring spans of one scope.
#[derive(Debug, Clone, Copy)]
struct ScopeRun {
    scope: u32,
    /// The offset at which the run ends; it begins at the end of the previous run.
    end: u32,
}

impl Chunk {
    /// A chunk with capacity for `bytes` bytes of spans and `spans` metas.
    pub fn with_capacity(bytes: usize, spans: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            metas: Vec::with_capacity(spans),
            ..Self::default()
        }
    }

    /// Whether a span message of `len` bytes can be added without growing.
    #[inline(always)]
    pub fn fits(&self, len: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= len.saturating_add(FIELD_OVERHEAD)
            && self.metas.len() < self.metas.capacity()
    }

    /// Adds a complete `Span` message if it [fits](Self::fits); returns false if it does not. Fills in
    /// `offset` and `len` of the meta.
    #[inline(always)]
    pub fn try_push<S: EncodeSpan + ?Sized>(
        &mut self,
        span: &S,
        meta: impl FnOnce() -> SpanMeta,
    ) -> bool {
        // Called once: a second call of foreign code may return another span.
        let span = span.as_finished();
        let fits = self.fits(span.encoded_len());
        if fits {
            self.put(&span, meta());
        }
        fits
    }

    /// As [`try_push`](Self::try_push), but the chunk grows if the span does not fit.
    #[inline]
    pub fn push<S: EncodeSpan + ?Sized>(&mut self, span: &S, meta: SpanMeta) {
        // Read once, as in `try_push`, which gets the result.
        let span = span.as_finished();
        if !self.try_push(&span, || meta) {
            self.push_growing(&span, meta);
        }
    }

    /// The spans' fields, back to back.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One entry per span; none after [`compact`](Self::compact).
    pub fn metas(&self) -> &[SpanMeta] {
        &self.metas
    }

    /// The encoded field of the span that `meta` of this chunk describes: tag, length and message.
    pub fn field(&self, meta: &SpanMeta) -> &[u8] {
        let start = meta.offset as usize;
        self.bytes.get(start..start + meta.len as usize).unwrap_or_default()
    }

    /// Whether `spans` fields of together `bytes` bytes can be added without growing, of a chunk that is not
    /// [compacted](Self::compact).
    pub fn has_capacity_for(&self, bytes: usize, spans: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= bytes
            && self.metas.capacity() - self.metas.len() >= spans
            && self.compacted.is_none()
    }

    /// Adds a span that another chunk holds as this `field`, if there is capacity for it; returns false if
    /// there is not, or if this chunk is [compacted](Self::compact).
    pub fn try_push_field(&mut self, field: &[u8], meta: &SpanMeta) -> bool {
        let offset = self.bytes.len();
        let fits = self.has_capacity_for(field.len(), 1);
        if fits {
            if offset == 0 {
                self.scope = meta.scope;
            }
            self.mixed |= meta.scope != self.scope;
            self.metas.push(SpanMeta { offset: offset as u32, len: field.len() as u32, ..*meta });
            self.bytes.extend_from_slice(field);
        }
        fits
    }

    /// Removes the spans for whose index `keep` returns false, in place: the others move to the front. Does
    /// nothing if this chunk is [compacted](Self::compact).
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        if self.compacted.is_some() {
            return;
        }
        let Self { bytes, metas, scope, mixed, .. } = self;
        let (mut index, mut end) = (0, 0);
        *mixed = false;
        metas.retain_mut(|meta| {
            let (start, len) = (meta.offset as usize, meta.len as usize);
            let stays = keep(index) && start >= end && start + len <= bytes.len();
            index += 1;
            if stays {
                bytes.copy_within(start..start + len, end);
                if end == 0 {
                    *scope = meta.scope;
                }
                *mixed |= meta.scope != *scope;
                meta.offset = end as u32;
                end += len;
            }
            stays
        });
        bytes.truncate(end);
    }

    /// Frees the memory of the metas, and of bytes that no span uses, of a chunk that waits to be sent.
    /// Framing works as before.
    ///
    /// # Cost
    /// A walk over the metas of a chunk with more than one scope, and a copy of the bytes when an
    /// eighth or more of them is unused.
    pub fn compact(&mut self) {
        if self.compacted.is_none() {
            let spans = self.metas.len();
            let runs = if self.mixed { scope_runs(&self.metas) } else { Vec::new() };
            self.metas = Vec::new();
            self.compacted = Some(Box::new(Compacted { spans, runs }));
        }
        if self.bytes.capacity() - self.bytes.len() > self.bytes.capacity() / 8 {
            self.bytes.shrink_to_fit();
        }
    }

    /// Appends the spans of `other`, and [compacts](Self::compact) this chunk.
    pub fn append(&mut self, other: &Self) {
        self.compact();
        let (spans, start) = (other.len(), self.bytes.len());
        if spans == 0 {
            return;
        }
        let was_empty = self.is_empty();
        self.bytes.reserve_exact(other.bytes.len());
        self.bytes.extend_from_slice(&other.bytes);
        let Some(compacted) = &mut self.compacted else { return };
        if was_empty {
            (self.scope, self.mixed) = (other.scope, other.mixed);
        } else if !self.mixed && (other.mixed || other.scope != self.scope) {
            self.mixed = true;
            compacted.runs.push(ScopeRun { scope: self.scope, end: start as u32 });
        }
        compacted.spans += spans;
        if self.mixed {
            let moved = |run: ScopeRun| ScopeRun { end: run.end + start as u32, ..run };
            match &other.compacted {
                _ if !other.mixed => compacted
                    .runs
                    .push(ScopeRun { scope: other.scope, end: self.bytes.len() as u32 }),
                Some(other) => compacted.runs.extend(other.runs.iter().copied().map(moved)),
                None => compacted.runs.extend(scope_runs(&other.metas).into_iter().map(moved)),
            }
        }
    }

    /// The scope of all spans, if they have one.
    #[inline]
    pub(crate) fn only_scope(&self) -> Option<u32> {
        (!self.is_empty() && !self.mixed).then_some(self.scope)
    }

    /// Scope, start and end of each span whose field starts at `offset` or later.
    pub(crate) fn spans_from(&self, offset: usize) -> impl Iterator<Item = (u32, usize, usize)> {
        let known = self.metas.partition_point(|meta| (meta.offset as usize) < offset);
        let metas = self.metas.get(known..).unwrap_or_default().iter();
        let metas = metas.map(|meta| {
            let start = meta.offset as usize;
            (meta.scope, start, start + meta.len as usize)
        });
        let walked = self.compacted.as_deref().map(|compacted| Walk {
            bytes: &self.bytes,
            runs: &compacted.runs,
            scope: self.scope,
            start: offset,
        });
        metas.chain(walked.into_iter().flatten())
    }

    /// Trace id of each span whose field starts at `offset` or later, in the order of
    /// [`spans_from`](Self::spans_from).
    pub(crate) fn trace_ids_from(&self, offset: usize) -> impl Iterator<Item = TraceId> {
        let known = self.metas.partition_point(|meta| (meta.offset as usize) < offset);
        let metas = self.metas.get(known..).unwrap_or_default().iter().map(|meta| meta.trace_id);
        let bytes = self.compacted.as_ref().and_then(|_| self.bytes.get(offset..));
        // This crate wrote these bytes; a field that does not parse would end the walk.
        let spans = Fields::new(bytes.unwrap_or_default()).map_while(Result::ok);
        metas.chain(spans.map(|span| span.bytes().and_then(trace_id).unwrap_or_default()))
    }

    /// Number of spans.
    #[inline(always)]
    pub fn len(&self) -> usize {
        match &self.compacted {
            None => self.metas.len(),
            Some(compacted) => compacted.spans,
        }
    }

    /// Whether there is no span.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all spans, and retains the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.metas.clear();
        self.mixed = false;
        self.compacted = None;
    }

    /// Bytes of memory held, used or not.
    pub fn capacity_bytes(&self) -> usize {
        let compacted = self.compacted.as_deref().map_or(0, |compacted| {
            size_of::<Compacted>() + compacted.runs.capacity() * size_of::<ScopeRun>()
        });
        self.bytes.capacity() + self.metas.capacity() * size_of::<SpanMeta>() + compacted
    }

    /// The most bytes of memory that a chunk of [`single`](Self::single) takes for a message of `len`
    /// bytes.
    pub fn capacity_for_one(len: usize) -> usize {
        bytes_len(len) + FIELD_OVERHEAD + size_of::<SpanMeta>()
    }

    /// A chunk with one span, and capacity for no other.
    pub fn single<S: EncodeSpan + ?Sized>(span: &S, meta: SpanMeta) -> Self {
        let span = span.as_finished();
        let mut chunk = Self::with_capacity(span.encoded_len() + FIELD_OVERHEAD, 1);
        chunk.push(&span, meta);
        chunk
    }

    /// Adds a span although there is no capacity for it.
    #[cold]
    #[inline(never)]
    fn push_growing(&mut self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        if self.compacted.is_some() {
            let alone = Self::single(span, meta);
            return self.append(&alone);
        }
        self.bytes.reserve(span.encoded_len() + FIELD_OVERHEAD);
        self.metas.reserve(1);
        self.put(span, meta);
    }

    /// Appends the span's field and its meta, for which there is capacity.
    #[inline(always)]
    fn put(&mut self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        let (offset, len) = (self.bytes.len(), span.encoded_len());
        let field = 1 + varint_len(len as u64) + len;
        if offset == 0 {
            self.scope = meta.scope;
        }
        self.mixed |= meta.scope != self.scope;
        // Before the bytes: after their stores the compiler would load and check the capacity again.
        self.metas.push(SpanMeta { offset: offset as u32, len: field as u32, ..meta });
        let mut writer = RawWriter::in_spare_capacity(&mut self.bytes, field);
        // SAFETY: tag, length and span: `field` bytes, for which the callers have checked the capacity.
        unsafe {
            writer.array([SPANS]);
            writer.varint(len as u64);
            span.put(&mut writer);
        }
        writer.done();
    }
}

/// Iterates over the spans of a chunk without metas by their lengths.
struct Walk<'a> {
    bytes: &'a [u8],
    runs: &'a [ScopeRun],
    /// The scope of all spans, if there are no runs.
    scope: u32,
    start: usize,
}

impl Iterator for Walk<'_> {
    type Item = (u32, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.start;
        let mut fields = Fields::new(self.bytes.get(start..)?);
        // This crate wrote these bytes; a field that does not parse would end the walk.
        fields.next()?.ok()?;
        let end = self.bytes.len() - fields.rest().len();
        self.start = end;
        while let [run, rest @ ..] = self.runs
            && run.end as usize <= start
        {
            self.runs = rest;
        }
        let scope = self.runs.first().map_or(self.scope, |run| run.scope);
        Some((scope, start, end))
    }
}

/// The trace id of an encoded span; invalid if it has none.
pub(crate) fn trace_id(span: &[u8]) -> Result<TraceId, WireError> {
    let mut id = TraceId::INVALID;
    for field in Fields::new(span) {
        let field = field?;
        if field.number == TRACE_ID {
            id = field.bytes()?.try_into().map_or(TraceId::INVALID, TraceId::from_bytes);
        }
    }
    Ok(id)
}

fn scope_runs(metas: &[SpanMeta]) -> Vec<ScopeRun> {
    let runs = metas.chunk_by(|a, b| a.scope == b.scope).filter_map(|run| run.last());
    let mut runs: Vec<_> =
        runs.map(|last| ScopeRun { scope: last.scope, end: last.offset + last.len }).collect();
    runs.shrink_to_fit();
    runs
}

/// Bytes of the tag and of the longest length of a span message.
const FIELD_OVERHEAD: usize = 1 + 5;
/// `ScopeSpans.spans`.
const SPANS: u8 = 0x12;
/// `Span.trace_id`.
const TRACE_ID: u32 = 1;
