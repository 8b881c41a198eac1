//! The queues of full chunks and of spilled spans, which the worker drains.

use crate::charged_chunk::ChargedChunk;
use crossbeam_queue::ArrayQueue;

/// Full chunks and spilled spans that wait for the worker.
pub(super) struct Queues {
    pub(super) full: ArrayQueue<ChargedChunk>,
    /// Chunks of one span each, pushed while other threads held every slot.
    pub(super) spilled: ArrayQueue<ChargedChunk>,
}

impl Queues {
    /// Queues for at most `full` full chunks and `spilled` spilled spans.
    pub(super) fn new(full: usize, spilled: usize) -> Self {
        Self { full: ArrayQueue::new(full), spilled: ArrayQueue::new(spilled) }
    }
}
