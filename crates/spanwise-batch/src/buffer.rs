//! A chunk and the bytes it is charged for.

use crate::budget::{Budget, Charge};
use spanwise_wire::{Chunk, SpanMeta};

/// A chunk of finished spans whose memory is charged to a budget for as long as it lives.
#[derive(Debug)]
pub struct Buffer {
    pub(crate) chunk: Chunk,
    /// At least `chunk.capacity_bytes()`.
    charge: Charge,
}

impl Buffer {
    pub(crate) fn new(budget: &Budget, bytes: usize, spans: usize) -> Option<Self> {
        let charge = budget.try_charge(bytes + spans * size_of::<SpanMeta>())?;
        Some(Self { chunk: Chunk::with_capacity(bytes, spans), charge })
    }

    pub(crate) fn of_one(budget: &Budget, span: &[u8], meta: SpanMeta) -> Option<Self> {
        let charge = budget.try_charge(Chunk::bytes_for_one(span.len()))?;
        Some(Self { chunk: Chunk::of_one(span, meta), charge })
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
