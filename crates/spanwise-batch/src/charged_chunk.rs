//! A chunk and the bytes it is charged for.

use crate::budget::{Budget, Charge};
use crate::config::ShardedBufferConfig;
use crate::queue::QueuePermits;
use spanwise_wire::write::FinishedSpan;
use spanwise_wire::{Chunk, SpanMeta};
use std::fmt;

/// A chunk of finished spans whose memory is charged to a budget for as long as it lives.
pub struct ChargedChunk {
    // Before `charge`: memory is given back first, the bytes for it then.
    pub(crate) chunk: Chunk,
    /// At least `chunk.capacity_bytes()`.
    charge: Charge,
    /// At least as many as the chunk has spans, and while it is open, as many as it can have. `None`
    /// where spans are not counted, and in a chunk that waits for reuse.
    permits: Option<QueuePermits>,
}

impl ChargedChunk {
    /// A chunk for `spans` spans, which are at most those of an ordinary one.
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

    /// Returns the permits that no span needs: no other comes in from here on.
    pub(crate) fn release_unused(&mut self) {
        if let Some(permits) = &mut self.permits {
            permits.shrink_to(self.chunk.len());
        }
    }

    /// All its permits: its spans are no longer among those that wait.
    pub(crate) fn take_permits(&mut self) -> Option<QueuePermits> {
        self.permits.take()
    }

    /// Whether it holds permits: its spans are counted.
    pub(crate) fn has_permits(&self) -> bool {
        self.permits.is_some()
    }

    /// Gives back the memory that framing does not need, and its charge: for a buffer that waits.
    /// See [`Chunk::compact`].
    pub fn compact(&mut self) {
        self.chunk.compact();
        self.charge.shrink_to(self.chunk.capacity_bytes() + size_of::<Self>());
    }

    /// Moves the spans of `other` behind those of this buffer and compacts it. While they move,
    /// memory exceeds what both are charged for by `max_bytes` at most.
    ///
    /// # Errors
    /// `other`, when its chunk cannot be added: it is charged to another budget, or both together
    /// hold more than `max_bytes` bytes of spans.
    pub fn append(&mut self, other: Self, max_bytes: usize) -> Result<(), Self> {
        let bytes = self.chunk.bytes().len() + other.chunk.bytes().len();
        if bytes > max_bytes || !self.charge.budget().is(other.charge.budget()) {
            return Err(other);
        }
        let Self { chunk, charge, permits } = other;
        self.chunk.append(&chunk);
        drop(chunk);
        // Of the same budget.
        let _ = self.charge.merge(charge);
        match (&mut self.permits, permits) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours, theirs) => *ours = ours.take().or(theirs),
        }
        self.compact();
        Ok(())
    }

    /// The charge alone; the spans are dropped.
    pub fn into_charge(self) -> Charge {
        self.charge
    }

    /// Empties this buffer, and says whether it is one of those that [`ChargedChunk::new`] makes with
    /// these arguments.
    pub(crate) fn clear_for(&mut self, budget: &Budget, config: &ShardedBufferConfig) -> bool {
        self.chunk.clear();
        self.charge.bytes() == config.chunk_charge()
            && self.charge.budget().is(budget)
            && self.chunk.capacity_bytes() >= config.chunk_charge()
            && self.chunk.fits(config.chunk_bytes - FIELD_OVERHEAD)
    }

    /// The spans.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// Bytes charged for this buffer.
    pub fn charged(&self) -> usize {
        self.charge.bytes()
    }
}

/// Numbers; never the spans, which hold whatever a program put into them.
impl fmt::Debug for ChargedChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChargedChunk")
            .field("spans", &self.chunk.len())
            .field("bytes", &self.chunk.bytes().len())
            .field("charged", &self.charged())
            .finish_non_exhaustive()
    }
}

/// What `Chunk::fits` adds to the length of a span.
const FIELD_OVERHEAD: usize = 6;
