//! Enqueues full chunks for the worker, and drains them and the spilled spans.

use super::{Pushed, SPILL, ShardedBuffer};
use crate::charged_chunk::ChargedChunk;
use crate::push_error::PushError;
use std::sync::atomic::Ordering::Relaxed;

impl ShardedBuffer {
    /// Drains at most `max_chunks` full chunks, and all spilled spans, into `into`. Open chunks stay.
    pub fn drain_full(&self, into: &mut Vec<ChargedChunk>, max_chunks: usize) {
        let before = into.len();
        let queues = self.queues.load();
        let Some(queues) = &*queues else { return };
        while into.len() - before < max_chunks {
            let Some(buffer) = queues.full.pop() else { break };
            self.ready.fetch_sub(self.weight(&buffer), Relaxed);
            self.ready_spans.fetch_sub(buffer.chunk().len(), Relaxed);
            into.push(buffer);
        }
        while let Some(buffer) = queues.spilled.pop() {
            into.push(buffer);
        }
    }

    /// As [`drain_all`](Self::drain_all), if full and open chunks hold at least `spans` spans together;
    /// otherwise drains nothing and returns 0.
    ///
    /// # Cost
    /// Takes each slot for an instant: meant for each tick of a worker, not for each of its turns.
    pub fn drain_batch(&self, spans: usize, into: &mut Vec<ChargedChunk>) -> usize {
        let mut waiting = self.ready_spans();
        for slot in &self.slots {
            if waiting >= spans {
                break;
            }
            // A thread that holds its slot is about to add a span: the next tick counts it.
            let open = slot.try_lock();
            waiting +=
                open.and_then(|open| open.as_ref().map(|open| open.chunk.len())).unwrap_or(0);
        }
        if waiting >= spans { self.drain_all(into) } else { 0 }
    }

    /// Spans that wait to be drained. Those of a slot that a thread holds at this instant are left out.
    ///
    /// # Cost
    /// As [`drain_batch`](Self::drain_batch) that drains nothing.
    pub fn waiting_spans(&self) -> usize {
        let spilled = self.queues.load().as_ref().map_or(0, |queues| queues.spilled.len());
        let open = self.slots.iter().filter_map(|slot| {
            // A thread that holds its slot leaves it after a few stores.
            let open = (0..SLOT_TRIES).find_map(|_| {
                let open = slot.try_lock();
                if open.is_none() {
                    std::hint::spin_loop();
                }
                open
            });
            open?.as_ref().map(|open| open.chunk.len())
        });
        self.ready_spans() + spilled + open.sum::<usize>()
    }

    /// Queues a chunk for the worker. Returns whether the caller should wake the worker, or the chunk
    /// itself if the queue is full.
    pub(super) fn enqueue(&self, mut buffer: ChargedChunk) -> Result<bool, ChargedChunk> {
        buffer.release_unused();
        let weight = self.weight(&buffer);
        // Counted before the worker can pop it, so that the count never drops below zero.
        let ready = self.ready.fetch_add(weight, Relaxed) + weight;
        let spans = buffer.chunk().len();
        let ready_spans = self.ready_spans.fetch_add(spans, Relaxed) + spans;
        let pushed = match &*self.queues.load() {
            Some(queues) => queues.full.push(buffer),
            None => Err(buffer),
        };
        if let Err(mut buffer) = pushed {
            self.ready.fetch_sub(weight, Relaxed);
            self.ready_spans.fetch_sub(spans, Relaxed);
            if buffer.has_permits() {
                // A compacted chunk takes no further span; its unused permits are already returned.
                buffer.compact();
            }
            return Err(buffer);
        }
        Ok(self.sizes.must_wake(ready, ready_spans))
    }

    /// Number of ordinary chunks of the same charge, because a few large spans fill the budget too.
    fn weight(&self, buffer: &ChargedChunk) -> usize {
        (buffer.charged() / self.initial.chunk_charge()).max(1)
    }

    pub(super) fn enqueue_spilled(&self, buffer: ChargedChunk) -> Result<Pushed, PushError> {
        let queues = self.queues.load();
        let Some(queues) = &*queues else { return Err(PushError::Closed) };
        queues.spilled.push(buffer).map_err(|_| PushError::Contended)?;
        Ok(Pushed { wake: queues.spilled.len() > SPILL / 2, spilled: true })
    }
}

/// Attempts to hold a slot whose spans are counted.
const SLOT_TRIES: usize = 16;
