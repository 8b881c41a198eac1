//! The queues of full and spilled chunks that wait for the worker.

use super::{Pushed, SPILL, ShardedBuffer};
use crate::charged_chunk::ChargedChunk;
use crate::push_error::PushError;
use crossbeam_queue::ArrayQueue;
use std::sync::atomic::Ordering::Relaxed;

/// Chunks and spilled spans that wait for the worker.
pub(super) struct Queues {
    pub(super) full: ArrayQueue<ChargedChunk>,
    /// Single spans that found every slot taken.
    pub(super) spilled: ArrayQueue<ChargedChunk>,
}

impl ShardedBuffer {
    /// Moves what is ready to `into`: at most `max_chunks` full chunks, and all spilled spans.
    /// Chunks still open stay.
    pub fn drain_full(&self, into: &mut Vec<ChargedChunk>, max_chunks: usize) {
        let before = into.len();
        let queues = self.queues.load();
        let Some(queues) = &*queues else { return };
        while into.len() - before < max_chunks {
            let Some(buffer) = queues.full.pop() else { break };
            self.ready.fetch_sub(self.weight(&buffer), Relaxed);
            into.push(buffer);
        }
        while let Some(buffer) = queues.spilled.pop() {
            into.push(buffer);
        }
    }

    /// Queues a chunk for the worker. True when the worker should be woken; the chunk itself when
    /// the queue is full.
    pub(super) fn hand_over(&self, mut buffer: ChargedChunk) -> Result<bool, ChargedChunk> {
        buffer.release_unused();
        let weight = self.weight(&buffer);
        // Counted before it can be popped: the count never goes below zero.
        let ready = self.ready.fetch_add(weight, Relaxed) + weight;
        let pushed = match &*self.queues.load() {
            Some(queues) => queues.full.push(buffer),
            None => Err(buffer),
        };
        if let Err(mut buffer) = pushed {
            self.ready.fetch_sub(weight, Relaxed);
            if buffer.has_permits() {
                // Compacted, it takes no other span, for which it has no permit any more.
                buffer.compact();
            }
            return Err(buffer);
        }
        Ok(ready >= self.config.wake_at)
    }

    /// Ordinary chunks that take as many bytes: a few large spans fill the budget too.
    fn weight(&self, buffer: &ChargedChunk) -> usize {
        (buffer.charged() / self.config.chunk_charge()).max(1)
    }

    pub(super) fn hand_over_spilled(&self, buffer: ChargedChunk) -> Result<Pushed, PushError> {
        let queues = self.queues.load();
        let Some(queues) = &*queues else { return Err(PushError::Closed) };
        queues.spilled.push(buffer).map_err(|_| PushError::Contended)?;
        Ok(Pushed { wake: queues.spilled.len() > SPILL / 2, spilled: true })
    }
}
