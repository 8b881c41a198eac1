//! Where chunks come from, and where they go to be used again.

use super::{MAX_SPAN, ShardedBuffer};
use crate::charged_chunk::ChargedChunk;
use crate::push_error::PushError;
use crate::queue::QueuePermits;
use crate::try_lock::TryLockGuard;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::FinishedSpan;

impl ShardedBuffer {
    /// Gives chunks back for new spans. Those of an odd size are dropped, and their bytes return
    /// to the budget.
    pub fn recycle(&self, buffers: impl IntoIterator<Item = ChargedChunk>) {
        for mut buffer in buffers {
            // Dropped after the chunk is on the free list, so that the next producer finds it.
            let _permits = buffer.take_permits();
            if buffer.clear_for(&self.budget, &self.config)
                && let Some(mut free) = self.free_list()
            {
                free.push(buffer);
            }
        }
        self.budget.room().open();
    }

    /// Lets go of chunks that wait for reuse, all but `keep`. Returns how many went.
    pub fn trim(&self, keep: usize) -> usize {
        let Some(mut free) = self.free_list() else { return 0 };
        let excess = free.len().saturating_sub(keep);
        let gone: Vec<ChargedChunk> = free.drain(..excess).collect();
        free.shrink_to(keep);
        // Memory is given back with the list free for others.
        drop(free);
        gone.len()
    }

    /// Permits for `spans` spans or, near the end of the queue, for fewer.
    fn acquire_permits(&self, spans: usize) -> Result<Option<QueuePermits>, PushError> {
        match &self.queue {
            None => Ok(None),
            Some(queue) => queue.take(spans).map(Some).ok_or(PushError::QueueFull),
        }
    }

    pub(super) fn next_chunk(&self) -> Result<ChargedChunk, PushError> {
        let permits = self.acquire_permits(self.config.chunk_spans)?;
        let chunk = match permits.as_ref().map(QueuePermits::spans) {
            Some(spans) if spans < self.config.chunk_spans => self.small_chunk(spans),
            _ => self.ordinary_chunk(),
        };
        with_permits(chunk, permits)
    }

    /// The last of the queue: a chunk that can have no more spans than there are permits.
    fn small_chunk(&self, spans: usize) -> Option<ChargedChunk> {
        let fresh = || ChargedChunk::new(&self.budget, &self.config, spans);
        fresh().or_else(|| {
            self.make_room(self.config.charge_for(spans));
            fresh()
        })
    }

    fn ordinary_chunk(&self) -> Option<ChargedChunk> {
        let fresh = || ChargedChunk::new(&self.budget, &self.config, self.config.chunk_spans);
        for _ in 0..LOCK_TRIES {
            if let Some(mut free) = self.free.try_lock() {
                let reused = free.pop();
                drop(free);
                return reused.or_else(fresh);
            }
            // Another thread holds the list. A second try pays only when the budget is used up.
            let fresh = fresh();
            if fresh.is_some() {
                return fresh;
            }
            std::hint::spin_loop();
        }
        None
    }

    pub(super) fn chunk_of_one(
        &self,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<ChargedChunk, PushError> {
        let len = span.encoded_len();
        let charge = self.config.charge_for_one(len);
        if len > MAX_SPAN {
            return Err(PushError::Budget);
        }
        let permits = self.acquire_permits(1)?;
        let single = || ChargedChunk::single(&self.budget, &self.config, span, meta);
        let made = single().or_else(|| {
            self.make_room(charge);
            single()
        });
        with_permits(made, permits)
    }

    /// Frees as many cached chunks as `bytes` more need, if there are so many: what only
    /// waits for reuse must not keep a span out.
    fn make_room(&self, bytes: usize) {
        let left = self.budget.limit().saturating_sub(self.budget.charged());
        let count = bytes.saturating_sub(left).div_ceil(self.config.chunk_charge());
        if let Some(mut free) = self.free_list()
            && count <= free.len()
        {
            free.drain(..count);
        }
    }

    /// The chunks that wait for reuse. Nobody keeps them longer than a few instructions.
    fn free_list(&self) -> Option<TryLockGuard<'_, Vec<ChargedChunk>>> {
        (0..LOCK_TRIES).find_map(|_| {
            let free = self.free.try_lock();
            if free.is_none() {
                std::hint::spin_loop();
            }
            free
        })
    }
}

/// `chunk` with `permits`, which are returned when there is no chunk.
fn with_permits(
    chunk: Option<ChargedChunk>,
    permits: Option<QueuePermits>,
) -> Result<ChargedChunk, PushError> {
    match chunk {
        Some(chunk) => Ok(chunk.with_permits(permits)),
        None => {
            if let Some(permits) = permits {
                permits.cancel();
            }
            Err(PushError::Budget)
        }
    }
}

/// Tries to get at the free chunks.
const LOCK_TRIES: usize = 64;
