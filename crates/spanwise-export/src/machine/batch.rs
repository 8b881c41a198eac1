//! Chunks that are framed together: spans that do not fit into a request begin the next one.

use crate::drained::DrainedChunk;
use crate::ticket_guard::TicketGuard;
use spanwise_batch::{BatchLimits, ChargedChunk};
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::Ring;
use spanwise_wire::{Chunk, Framer, Plan, Position, Request, TraceId};
use std::collections::VecDeque;

/// Chunks, and the tickets of those spans that are not in a request yet.
pub(super) struct Batch {
    chunks: VecDeque<BatchChunk>,
    tickets: TicketGuard,
    next: Position,
    is_large: bool,
}

struct BatchChunk {
    chunk: ChargedChunk,
    /// The number of drained chunks that the spans are from.
    count: u64,
}

/// Chunks whose spans are all in requests.
pub(super) struct Framed {
    pub(super) chunks: Vec<ChargedChunk>,
    /// The number of drained chunks that their spans are from.
    pub(super) count: u64,
}

impl Batch {
    /// A batch of one chunk, which has the spans of `count` drained ones.
    pub(super) fn new(chunk: DrainedChunk, count: u64, is_large: bool) -> Self {
        let (chunk, tickets) = chunk.into_parts();
        let chunks = VecDeque::from([BatchChunk { chunk, count }]);
        Self { chunks, tickets, next: Position::default(), is_large }
    }

    /// Adds a chunk.
    pub(super) fn push(&mut self, chunk: DrainedChunk, count: u64) {
        let (chunk, tickets) = chunk.into_parts();
        self.tickets.merge(tickets);
        self.chunks.push_back(BatchChunk { chunk, count });
    }

    /// Bytes of spans that are not in a request yet.
    pub(super) fn bytes(&self) -> usize {
        let all = self.chunks.iter().map(|it| it.chunk.chunk().bytes().len()).sum::<usize>();
        all.saturating_sub(self.next.bytes_before())
    }

    /// Spans that are not in a request yet.
    pub(super) fn spans(&self) -> u64 {
        self.tickets.spans()
    }

    /// Whether this is one span larger than a usual chunk, whose chunk is charged for its request
    /// already.
    pub(super) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Whether the spans that are not in a request reach one of the limits.
    pub(super) fn is_complete(&self, limits: BatchLimits) -> bool {
        self.bytes() >= limits.bytes || self.spans() >= limits.spans as u64
    }

    /// Plans the next request.
    pub(super) fn plan<S, B>(&self, framer: &Framer<'_, S>) -> Option<Plan<B>>
    where
        S: Fn(u32) -> B,
        B: AsRef<[u8]>,
    {
        framer.plan(&self.chunks(), self.next)
    }

    /// Splits the request that was planned over the endpoints of `ring`, by trace.
    pub(super) fn split<S, B>(
        &self,
        framer: &Framer<'_, S>,
        plan: &Plan<B>,
        ring: &Ring,
    ) -> Vec<Option<Plan<B>>>
    where
        S: Fn(u32) -> B,
        B: AsRef<[u8]>,
    {
        let endpoints = ring.endpoints().len();
        let endpoint = |trace_id: TraceId| ring.index(trace_id.to_bytes());
        #[cfg(feature = "planted-bugs")]
        let endpoint = |trace_id: TraceId| match self.chunks.front() {
            Some(first) if planted(Bug::RoutedByFirstTrace) => {
                first.chunk.chunk().metas().first().map_or(0, |meta| endpoint(meta.trace_id))
            }
            _ => endpoint(trace_id),
        };
        framer.split_by_trace(&self.chunks(), plan, endpoints, endpoint)
    }

    /// Writes a request that was planned.
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

    /// The next request begins at `next`. Returns the chunks before it.
    pub(super) fn advance(&mut self, next: Position) -> Framed {
        self.next = next.without_chunks_before();
        Framed::of(self.chunks.drain(..next.chunks_before().min(self.chunks.len())))
    }

    /// All chunks, whose spans are in requests.
    pub(super) fn finish(self) -> Framed {
        Framed::of(self.chunks.into_iter())
    }

    pub(super) fn drop_for(self, reason: DropReason) {
        self.tickets.dropped(reason);
    }

    fn chunks(&self) -> Vec<&Chunk> {
        self.chunks.iter().map(|it| it.chunk.chunk()).collect()
    }
}

impl Framed {
    fn of(chunks: impl Iterator<Item = BatchChunk>) -> Self {
        let mut framed = Self { chunks: Vec::new(), count: 0 };
        for BatchChunk { chunk, count } in chunks {
            framed.chunks.push(chunk);
            framed.count += count;
        }
        framed
    }
}
