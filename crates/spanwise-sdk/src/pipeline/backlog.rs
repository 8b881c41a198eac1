//! Spans that were taken from the shards and are not in requests yet.

use spanwise_batch::{Charge, ChargedChunk, ShardedBuffer};
use spanwise_wire::{Chunk, Framer, Plan, Position, Request};
use std::collections::VecDeque;

/// Buffers in their order, numbered through, so that a flush knows what came before it.
pub(super) struct Backlog {
    waiting: VecDeque<Waiting>,
    /// So many of them, from the front, are compacted.
    compacted: usize,
    /// The head, while it becomes requests.
    batch: Option<Batch>,
    /// Buffers ever taken from the shards, and ever framed in whole.
    taken: u64,
    framed: u64,
    /// Bytes of spans in a chunk of the usual size.
    chunk_bytes: usize,
}

struct Waiting {
    buffer: ChargedChunk,
    /// Buffers as they were taken, of which this one holds the spans.
    count: u64,
}

/// Buffers that are framed together: one request, or several when they do not fit one.
pub(super) struct Batch {
    buffers: Vec<Waiting>,
    next: Position,
    large: bool,
}

impl Backlog {
    pub(super) fn new(chunk_bytes: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            compacted: 0,
            batch: None,
            taken: 0,
            framed: 0,
            chunk_bytes,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.batch.is_none()
    }

    /// Buffers ever taken: all spans that ended before now are in those below this number.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// All buffers below this number are in requests, whole.
    pub(super) fn framed(&self) -> u64 {
        self.framed
    }

    pub(super) fn extend(&mut self, taken: Vec<ChargedChunk>) {
        self.taken += taken.len() as u64;
        self.waiting.extend(taken.into_iter().map(|buffer| Waiting { buffer, count: 1 }));
    }

    /// Gives back the memory that framing does not need, and puts small buffers together, up to
    /// a chunk's bytes in one. A [large](Batch::is_large) one keeps what it is charged for.
    pub(super) fn compact(&mut self) {
        let max_bytes = self.chunk_bytes;
        // What was compacted before stays as it is, but for the last, which may take more.
        for Waiting { mut buffer, count } in self.waiting.split_off(self.compacted) {
            let large = buffer.chunk().bytes().len() > max_bytes;
            if !large && let Some(last) = self.waiting.back_mut() {
                match last.buffer.append(buffer, max_bytes) {
                    Ok(()) => {
                        last.count += count;
                        continue;
                    }
                    Err(other) => buffer = other,
                }
            }
            if !large {
                buffer.compact();
            }
            self.waiting.push_back(Waiting { buffer, count });
        }
        self.compacted = self.waiting.len();
    }

    /// Makes the head a batch, unless one is being framed: about `bytes` of spans and `spans` of
    /// them. A span larger than a chunk is alone.
    pub(super) fn begin_batch(&mut self, bytes: usize, spans: usize) {
        if self.batch.is_some() {
            return;
        }
        let (mut buffers, mut sum, mut large) = (Vec::new(), (0, 0), false);
        while let Some(Waiting { buffer, .. }) = self.waiting.front() {
            let chunk = buffer.chunk();
            let next = (sum.0 + chunk.bytes().len(), sum.1 + chunk.len());
            let is_large = chunk.bytes().len() > self.chunk_bytes;
            if !buffers.is_empty() && (is_large || next.0 > bytes || next.1 > spans) {
                break;
            }
            sum = next;
            buffers.extend(self.waiting.pop_front());
            if is_large {
                large = true;
                break;
            }
        }
        self.compacted = self.compacted.saturating_sub(buffers.len());
        if !buffers.is_empty() {
            self.batch = Some(Batch { buffers, next: Position::default(), large });
        }
    }

    /// What is being framed.
    pub(super) fn batch(&self) -> Option<&Batch> {
        self.batch.as_ref()
    }

    /// The request is made: what it holds has left the backlog. Chunks that are in requests whole
    /// go back to `shards`.
    pub(super) fn advance(&mut self, next: Option<Position>, shards: &ShardedBuffer) {
        let Some(batch) = &mut self.batch else { return };
        match next {
            Some(next) => batch.next = next,
            None => {
                let batch = self.batch.take();
                for Waiting { buffer, count } in batch.into_iter().flat_map(|batch| batch.buffers) {
                    self.framed += count;
                    shards.recycle([buffer]);
                }
            }
        }
    }

    /// As [`advance`](Self::advance) for a batch of one large span: its chunk is freed, and its
    /// charge goes on to pay for the `bytes` bytes of its request, together with `more`.
    pub(super) fn advance_large(&mut self, more: Option<Charge>, bytes: usize) -> Option<Charge> {
        let Waiting { buffer, count } = self.batch.take()?.buffers.pop()?;
        self.framed += count;
        let mut charge = buffer.into_charge();
        if let Some(more) = more {
            // Of the same budget.
            let _ = charge.merge(more);
        }
        charge.shrink_to(bytes);
        Some(charge)
    }

    /// Spans in here.
    pub(super) fn spans(&self) -> u64 {
        let waiting = self.waiting.iter().map(|waiting| waiting.buffer.chunk().len());
        let batched = self.batch.as_ref().map_or(0, Batch::spans_left);
        waiting.sum::<usize>() as u64 + batched
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        *self = Self { taken: self.taken, framed: self.taken, ..Self::new(self.chunk_bytes) };
    }
}

impl Batch {
    fn chunks(&self) -> Vec<&Chunk> {
        self.buffers.iter().map(|waiting| waiting.buffer.chunk()).collect()
    }

    /// Bytes of spans.
    pub(super) fn bytes(&self) -> usize {
        self.buffers.iter().map(|waiting| waiting.buffer.chunk().bytes().len()).sum()
    }

    /// Whether this is one span that is charged for its request already.
    pub(super) fn is_large(&self) -> bool {
        self.large
    }

    /// The next request of this batch.
    pub(super) fn plan<S, B>(&self, framer: &Framer<'_, S>) -> Option<Plan<B>>
    where
        S: Fn(u32) -> B,
        B: AsRef<[u8]>,
    {
        framer.plan(&self.chunks(), self.next)
    }

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

    fn spans_left(&self) -> u64 {
        self.next.spans_left(&self.chunks()) as u64
    }
}
