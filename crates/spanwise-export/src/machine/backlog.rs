//! Drained chunks that are not in requests yet.

use crate::drained::DrainedChunk;
use crate::machine::batch::Batch;
use crate::ticket_guard::TicketGuard;
use spanwise_batch::{BatchLimits, Charge, ChargedChunk};
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_wire::Position;
use std::collections::VecDeque;

/// Chunks in the order in which they entered, numbered, so that a flush waits for those that came
/// before it and no others. A chunk enters once it may be framed, which may be long after its drain.
pub(super) struct Backlog {
    waiting: VecDeque<Waiting>,
    /// The number of compacted chunks at the front of `waiting`.
    compacted: usize,
    /// The chunks that are being framed as requests.
    batch: Option<Batch>,
    /// Chunks that ever entered, and that were ever framed completely.
    entered: u64,
    framed: u64,
    /// Bytes of spans in a chunk of the usual size.
    chunk_bytes: usize,
}

struct Waiting {
    chunk: DrainedChunk,
    /// The number of chunks that this one has the spans of.
    count: u64,
}

impl Backlog {
    pub(super) fn new(chunk_bytes: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            compacted: 0,
            batch: None,
            entered: 0,
            framed: 0,
            chunk_bytes,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.batch.is_none()
    }

    /// Chunks that ever entered: all spans that may be framed are in those below this number.
    pub(super) fn entered(&self) -> u64 {
        self.entered
    }

    /// All chunks below this number are in requests, with all their spans.
    pub(super) fn framed(&self) -> u64 {
        self.framed
    }

    /// Spans without an outcome.
    pub(super) fn spans(&self) -> u64 {
        let waiting = self.waiting.iter().map(|waiting| waiting.chunk.spans()).sum::<u64>();
        waiting + self.batch.as_ref().map_or(0, Batch::spans)
    }

    /// Bytes of spans that are in no request.
    pub(super) fn bytes(&self) -> usize {
        let waiting = self.waiting.iter().map(|waiting| waiting.chunk.chunk().bytes().len());
        waiting.sum::<usize>() + self.batch.as_ref().map_or(0, Batch::bytes)
    }

    pub(super) fn extend(&mut self, chunks: Vec<DrainedChunk>) {
        self.entered += chunks.len() as u64;
        self.waiting.extend(chunks.into_iter().map(|chunk| Waiting { chunk, count: 1 }));
    }

    /// Frees the memory that framing does not need, and merges small chunks, up to the bytes of a
    /// usual chunk in one. The chunk of a [large](Batch::is_large) span stays as it is charged.
    pub(super) fn compact(&mut self) {
        let max_bytes = self.chunk_bytes;
        // Chunks that were compacted before stay as they are, but for the last, which may take more.
        for Waiting { mut chunk, count } in self.waiting.split_off(self.compacted) {
            let is_large = chunk.chunk().bytes().len() > max_bytes;
            if !is_large && let Some(last) = self.waiting.back_mut() {
                match last.chunk.append(chunk, max_bytes) {
                    #[cfg(feature = "planted-bugs")]
                    Ok(()) if planted(Bug::MergedChunkMiscounted) => continue,
                    Ok(()) => {
                        last.count += count;
                        continue;
                    }
                    Err(other) => chunk = *other,
                }
            }
            if !is_large {
                chunk.compact();
            }
            self.waiting.push_back(Waiting { chunk, count });
        }
        self.compacted = self.waiting.len();
    }

    /// Moves chunks from the front to the batch that is being framed, until it is complete. The chunk of a span
    /// larger than a usual chunk is a batch of its own.
    pub(super) fn fill_batch(&mut self, complete: BatchLimits) {
        while let Some(Waiting { chunk, .. }) = self.waiting.front() {
            let is_large = chunk.chunk().bytes().len() > self.chunk_bytes;
            if let Some(batch) = &self.batch
                && (is_large || batch.is_large() || batch.is_complete(complete))
            {
                return;
            }
            self.compacted = self.compacted.saturating_sub(1);
            let Some(Waiting { chunk, count }) = self.waiting.pop_front() else { return };
            match &mut self.batch {
                Some(batch) => batch.push(chunk, count),
                None => self.batch = Some(Batch::new(chunk, count, is_large)),
            }
        }
    }

    /// The batch that is being framed.
    pub(super) fn batch(&self) -> Option<&Batch> {
        self.batch.as_ref()
    }

    /// Takes `spans` tickets out of the batch for a request, to be booked for `on_drop` if that
    /// request gets no outcome.
    pub(super) fn take_tickets(&mut self, spans: u64, on_drop: DropReason) -> Option<TicketGuard> {
        self.batch.as_mut().map(|batch| batch.take_tickets(spans, on_drop))
    }

    /// The spans of the batch before `next` are in requests, or all of them. Returns the chunks that are
    /// framed completely.
    pub(super) fn advance(&mut self, next: Option<Position>) -> Vec<ChargedChunk> {
        #[cfg(feature = "planted-bugs")]
        if next.is_some() && planted(Bug::ChunkRecycledEarly) {
            return self.finish_batch();
        }
        let framed = match (next, &mut self.batch) {
            (Some(next), Some(batch)) => batch.advance(next),
            _ => return self.finish_batch(),
        };
        self.framed += framed.count;
        framed.chunks
    }

    /// As [`advance`](Self::advance) for a batch of one large span: its chunk is freed, and the
    /// charge of the chunk goes on to pay for the `bytes` bytes of its request, with `more`.
    pub(super) fn advance_large(&mut self, more: Option<Charge>, bytes: usize) -> Option<Charge> {
        let mut charge = self.finish_batch().pop()?.into_charge();
        if let Some(more) = more {
            // Of the same budget.
            let _ = charge.merge(more);
        }
        charge.shrink_to(bytes);
        Some(charge)
    }

    fn finish_batch(&mut self) -> Vec<ChargedChunk> {
        let Some(framed) = self.batch.take().map(Batch::finish) else { return Vec::new() };
        self.framed += framed.count;
        framed.chunks
    }

    /// Frees all chunks and books their spans as lost for `reason`.
    pub(super) fn drop_all(&mut self, reason: DropReason) {
        for Waiting { chunk, .. } in self.waiting.drain(..) {
            chunk.drop_for(reason);
        }
        if let Some(batch) = self.batch.take() {
            batch.drop_for(reason);
        }
        self.compacted = 0;
        self.framed = self.entered;
    }
}
