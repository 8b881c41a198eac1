//! A chunk and the bytes it is charged for.

use crate::budget::{Budget, Charge};
use crate::config::ShardsConfig;
use spanwise_wire::write::FinishedSpan;
use spanwise_wire::{Chunk, SpanMeta};

/// A chunk of finished spans whose memory is charged to a budget for as long as it lives.
#[derive(Debug)]
pub struct Buffer {
    // Before `charge`: memory is given back first, the bytes for it then.
    pub(crate) chunk: Chunk,
    /// At least `chunk.capacity_bytes()`.
    charge: Charge,
}

impl Buffer {
    pub(crate) fn new(budget: &Budget, config: &ShardsConfig) -> Option<Self> {
        let charge = budget.try_charge(config.chunk_charge())?;
        Some(Self { chunk: Chunk::with_capacity(config.chunk_bytes, config.chunk_spans), charge })
    }

    pub(crate) fn of_one(
        budget: &Budget,
        config: &ShardsConfig,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Option<Self> {
        let charge = budget.try_charge(config.charge_for_one(span.encoded_len()))?;
        Some(Self { chunk: Chunk::of_one(span, meta), charge })
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
        let Self { chunk, charge } = other;
        self.chunk.append(&chunk);
        drop(chunk);
        // Of the same budget.
        let _ = self.charge.merge(charge);
        self.compact();
        Ok(())
    }

    /// The charge alone; the spans are dropped.
    pub fn into_charge(self) -> Charge {
        self.charge
    }

    /// Empties this buffer, and says whether it is one of those that [`Buffer::new`] makes with
    /// these arguments.
    pub(crate) fn clear_for(&mut self, budget: &Budget, config: &ShardsConfig) -> bool {
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

/// What `Chunk::fits` adds to the length of a span.
const FIELD_OVERHEAD: usize = 6;
