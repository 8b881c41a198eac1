//! A chunk and its charge.

use crate::budget::{Budget, Charge};
use crate::config::ShardedBufferConfig;
use crate::queue::QueuePermits;
use spanwise_wire::write::FinishedSpan;
use spanwise_wire::{Chunk, SpanMeta};
use std::fmt;

/// A chunk of finished spans, charged to a budget until it is dropped.
pub struct ChargedChunk {
    // Before `charge`: drop frees the memory first, then returns the charge.
    pub(crate) chunk: Chunk,
    /// A charge of at least `chunk.capacity_bytes()`.
    charge: Charge,
    /// At least one permit for each span of the chunk and, while it is open, for each that it can hold.
    /// `None` without a queue size, and in a free chunk.
    permits: Option<QueuePermits>,
}

impl ChargedChunk {
    /// A chunk for `spans` spans, at most as many as an ordinary chunk holds.
    pub(crate) fn new(budget: &Budget, config: &ShardedBufferConfig, spans: usize) -> Option<Self> {
        let charge = budget.try_charge(config.charge_for(spans))?;
        Some(Self { chunk: Chunk::with_capacity(config.chunk_bytes, spans), charge, permits: None })
    }

    pub(crate) fn single(
        budget: &Budget,
        config: &ShardedBufferConfig,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Option<Self> {
        let charge = budget.try_charge(config.charge_for_one(span.encoded_len()))?;
        Some(Self { chunk: Chunk::single(span, meta), charge, permits: None })
    }

    /// Attaches the queue permits that cover this chunk's spans.
    pub(crate) fn with_permits(self, permits: Option<QueuePermits>) -> Self {
        Self { permits, ..self }
    }

    /// Returns the permits that no span uses, of a chunk that takes no further span.
    pub(crate) fn release_unused(&mut self) {
        if let Some(permits) = &mut self.permits {
            permits.shrink_to(self.chunk.len());
        }
    }

    /// Takes out all permits: the spans no longer count as waiting.
    pub(crate) fn take_permits(&mut self) -> Option<QueuePermits> {
        self.permits.take()
    }

    /// An empty chunk for `spans` spans of together `bytes` bytes, charged to the whole budget, for spans that
    /// leave other chunks. `None` without memory.
    pub fn reserved(budget: &Budget, bytes: usize, spans: usize) -> Option<Self> {
        let charged = bytes + spans * size_of::<SpanMeta>() + size_of::<Self>();
        let charge = budget.try_charge_reserved(charged)?;
        Some(Self { chunk: Chunk::with_capacity(bytes, spans), charge, permits: None })
    }

    /// As [`Chunk::try_push_field`].
    pub fn try_push_field(&mut self, field: &[u8], meta: &SpanMeta) -> bool {
        self.chunk.try_push_field(field, meta)
    }

    /// As [`Chunk::retain`]. The memory stays as it is.
    pub fn retain(&mut self, keep: impl FnMut(usize) -> bool) {
        self.chunk.retain(keep);
    }

    /// Returns the permits of the maximum queue size beyond `spans`: the other spans of this chunk no longer
    /// count as waiting.
    pub fn release_permits_beyond(&mut self, spans: usize) {
        if let Some(permits) = &mut self.permits {
            permits.shrink_to(spans);
        }
    }

    /// Whether it holds permits.
    pub(crate) fn has_permits(&self) -> bool {
        self.permits.is_some()
    }

    /// Frees the memory that framing does not need, and returns its charge: for a chunk that waits
    /// for export. See [`Chunk::compact`].
    pub fn compact(&mut self) {
        self.chunk.compact();
        self.charge.shrink_to(self.chunk.capacity_bytes() + size_of::<Self>());
    }

    /// Appends the spans of `other` to those of this chunk and compacts it. During the copy, memory
    /// exceeds the charges of both by `max_bytes` at most.
    ///
    /// # Errors
    /// `other`, if it is charged to another budget, or if both together hold more than `max_bytes`
    /// bytes of spans.
    pub fn append(&mut self, other: Self, max_bytes: usize) -> Result<(), Self> {
        let bytes = self.chunk.bytes().len() + other.chunk.bytes().len();
        if bytes > max_bytes || !self.charge.budget().ptr_eq(other.charge.budget()) {
            return Err(other);
        }
        let Self { chunk, charge, permits } = other;
        self.chunk.append(&chunk);
        drop(chunk);
        // Checked above: both are charged to one budget.
        let _ = self.charge.merge(charge);
        match (&mut self.permits, permits) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours, theirs) => *ours = ours.take().or(theirs),
        }
        self.compact();
        Ok(())
    }

    /// Drops the spans and returns their charge.
    pub fn into_charge(self) -> Charge {
        self.charge
    }

    /// Empties this chunk and returns whether [`ChargedChunk::new`] with these arguments makes one of the
    /// same size.
    pub(crate) fn clear_for(
        &mut self,
        budget: &Budget,
        config: &ShardedBufferConfig,
        spans: usize,
    ) -> bool {
        self.chunk.clear();
        let charge = config.charge_for(spans);
        !self.charge.is_reserved()
            && self.charge.bytes() == charge
            && self.charge.budget().ptr_eq(budget)
            && self.chunk.capacity_bytes() >= charge
            && self.chunk.fits(config.chunk_bytes - FIELD_OVERHEAD)
    }

    /// The chunk with the spans.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// Bytes charged for this chunk.
    pub fn charged(&self) -> usize {
        self.charge.bytes()
    }
}

/// Formats numbers only, because spans may contain confidential values.
impl fmt::Debug for ChargedChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChargedChunk")
            .field("spans", &self.chunk.len())
            .field("bytes", &self.chunk.bytes().len())
            .field("charged", &self.charged())
            .finish_non_exhaustive()
    }
}

/// Bytes that `Chunk::fits` adds to the length of a span.
const FIELD_OVERHEAD: usize = 6;
