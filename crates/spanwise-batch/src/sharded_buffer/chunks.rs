//! The free list of chunks: allocation, reuse and eviction under the budget.

use super::{MAX_SPAN, ShardedBuffer};
use crate::charged_chunk::ChargedChunk;
use crate::push_error::PushError;
use crate::queue::QueuePermits;
use crate::try_lock::TryLockGuard;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::FinishedSpan;
use std::sync::atomic::Ordering::Relaxed;

impl ShardedBuffer {
    /// Returns chunks for reuse. Chunks of another size than the ordinary one are dropped, which
    /// returns their bytes to the budget.
    pub fn recycle(&self, buffers: impl IntoIterator<Item = ChargedChunk>) {
        let spans = self.sizes.chunk_spans();
        for mut buffer in buffers {
            // Dropped once the chunk is on the free list, so that the next producer finds it there.
            let _permits = buffer.take_permits();
            if buffer.clear_for(&self.budget, &self.initial, spans)
                && let Some(mut free) = self.free_list()
            {
                free.push(buffer);
                self.cached.store(free.len(), Relaxed);
            }
        }
        self.budget.space().notify_all();
    }

    /// Frees all cached chunks but `keep`. Returns the number freed.
    pub fn trim(&self, keep: usize) -> usize {
        let Some(mut free) = self.free_list() else { return 0 };
        let excess = free.len().saturating_sub(keep);
        let freed: Vec<ChargedChunk> = free.drain(..excess).collect();
        free.shrink_to(keep);
        self.cached.store(free.len(), Relaxed);
        // The memory is freed after the lock is released.
        drop(free);
        freed.len()
    }

    /// Whether a push could open a chunk of the usual size now: a chunk is cached or the budget has
    /// bytes for one, and the queue, if it has a size, has a permit left.
    ///
    /// # Cost
    /// A few loads, and the lock of the cached chunks if the budget is used up. Meant for a worker,
    /// not for each span.
    pub fn can_open_chunk(&self) -> bool {
        self.queue.has_permits()
            && (self.budget.can_charge(self.chunk_charge())
                || self.free_list().is_some_and(|free| !free.is_empty()))
    }

    /// Acquires permits for `spans` spans or, if the queue is nearly full, for fewer.
    fn acquire_permits(&self, spans: usize) -> Result<Option<QueuePermits>, PushError> {
        match self.queue.is_limited() {
            false => Ok(None),
            true => self.queue.try_acquire(spans).map(Some).ok_or(PushError::QueueFull),
        }
    }

    pub(super) fn next_chunk(&self) -> Result<ChargedChunk, PushError> {
        // Read once: the permits must cover the capacity.
        let chunk_spans = self.sizes.chunk_spans();
        let permits = self.acquire_permits(chunk_spans)?;
        let chunk = match permits.as_ref().map(QueuePermits::spans) {
            Some(spans) if spans < chunk_spans => self.small_chunk(spans),
            _ => self.ordinary_chunk(chunk_spans),
        };
        with_permits(chunk, permits)
    }

    /// Charge of an ordinary chunk, in bytes.
    fn chunk_charge(&self) -> usize {
        self.initial.charge_for(self.sizes.chunk_spans())
    }

    /// A chunk for the last permits of the queue: its capacity is their number.
    fn small_chunk(&self, spans: usize) -> Option<ChargedChunk> {
        let fresh = || self.counted(ChargedChunk::new(&self.budget, &self.initial, spans));
        fresh().or_else(|| {
            self.evict_cached(self.initial.charge_for(spans));
            fresh()
        })
    }

    fn ordinary_chunk(&self, spans: usize) -> Option<ChargedChunk> {
        let fresh = || self.counted(ChargedChunk::new(&self.budget, &self.initial, spans));
        for _ in 0..LOCK_TRIES {
            if let Some(mut free) = self.free.try_lock() {
                let reused = free.pop();
                self.cached.store(free.len(), Relaxed);
                drop(free);
                // A chunk of another size was cached while the sizes were set.
                let reused =
                    reused.filter(|chunk| chunk.charged() == self.initial.charge_for(spans));
                if reused.is_some() {
                    self.counts.reused();
                }
                return reused.or_else(fresh);
            }
            // Another thread holds the list. A second try helps only if the budget is used up.
            let fresh = fresh();
            if fresh.is_some() {
                return fresh;
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Counts a chunk that was allocated.
    fn counted(&self, fresh: Option<ChargedChunk>) -> Option<ChargedChunk> {
        if let Some(chunk) = &fresh {
            self.counts.allocated(chunk.charged());
        }
        fresh
    }

    pub(super) fn single_chunk(
        &self,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<ChargedChunk, PushError> {
        let len = span.encoded_len();
        let charge = self.initial.charge_for_one(len);
        if len > MAX_SPAN {
            return Err(PushError::Budget);
        }
        let permits = self.acquire_permits(1)?;
        let single = || self.counted(ChargedChunk::single(&self.budget, &self.initial, span, meta));
        let made = single().or_else(|| {
            self.evict_cached(charge);
            single()
        });
        with_permits(made, permits)
    }

    /// Frees as many cached chunks as `bytes` more bytes need, if the cache has that many: a cached
    /// chunk must not cause the loss of a span.
    fn evict_cached(&self, bytes: usize) {
        let left = self.budget.limit().saturating_sub(self.budget.charged());
        let count = bytes.saturating_sub(left).div_ceil(self.chunk_charge());
        if let Some(mut free) = self.free_list()
            && count <= free.len()
        {
            free.drain(..count);
            self.cached.store(free.len(), Relaxed);
        }
    }

    /// Locks the list of cached chunks. Each thread holds the lock for a few instructions only.
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

/// Attaches `permits` to `chunk`, or returns them to the queue if there is no chunk.
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

/// Attempts to lock the list of cached chunks.
const LOCK_TRIES: usize = 64;
