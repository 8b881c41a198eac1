//! Chunks that are framed together: one request, or several when they do not fit into one.

use crate::ticket_guard::TicketGuard;
use spanwise_batch::ChargedChunk;
use spanwise_ledger::DropReason;
use spanwise_wire::{Chunk, Framer, Plan, Position, Request};

/// Chunks, and the tickets of those spans that are not in a request yet.
pub(super) struct Batch {
    chunks: Vec<ChargedChunk>,
    tickets: TicketGuard,
    /// The number of drained chunks that the spans are from.
    count: u64,
    next: Position,
    is_large: bool,
}

impl Batch {
    pub(super) fn new(
        chunks: Vec<ChargedChunk>,
        tickets: TicketGuard,
        count: u64,
        is_large: bool,
    ) -> Self {
        Self { chunks, tickets, count, next: Position::default(), is_large }
    }

    /// Bytes of spans.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.chunk().bytes().len()).sum()
    }

    /// Spans that are not in a request yet.
    pub(super) fn spans(&self) -> u64 {
        self.tickets.spans()
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether this is one span larger than a usual chunk, whose chunk is charged for its request
    /// already.
    pub(super) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Plans the next request.
    pub(super) fn plan<S, B>(&self, framer: &Framer<'_, S>) -> Option<Plan<B>>
    where
        S: Fn(u32) -> B,
        B: AsRef<[u8]>,
    {
        framer.plan(&self.chunks(), self.next)
    }

    /// Writes the request that was planned.
    pub(super) fn write<S, B>(
        &self,
        framer: &Framer<'_, S>,
        plan: &Plan<B>,
        memory: Vec<u8>,
    ) -> Request
    where
        S: Fn(u32) -> B,
        B: AsRef<[u8]>,
    {
        framer.write(&self.chunks(), plan, memory)
    }

    pub(super) fn take_tickets(&mut self, spans: u64, on_drop: DropReason) -> TicketGuard {
        self.tickets.split(spans, on_drop)
    }

    /// The next request begins at `next`.
    pub(super) fn advance(&mut self, next: Position) {
        self.next = next;
    }

    pub(super) fn into_chunks(self) -> Vec<ChargedChunk> {
        self.chunks
    }

    pub(super) fn drop_for(self, reason: DropReason) {
        self.tickets.dropped(reason);
    }

    fn chunks(&self) -> Vec<&Chunk> {
        self.chunks.iter().map(ChargedChunk::chunk).collect()
    }
}
