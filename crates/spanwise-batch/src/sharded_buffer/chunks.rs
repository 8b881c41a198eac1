//! The free list of chunks: allocation, reuse and eviction under the budget.

use super::{MAX_SPAN, ShardedBuffer};
use crate::charged_chunk::ChargedChunk;
use crate::config::ShardedBufferConfig;
use crate::push_error::PushError;
use crate::queue::QueuePermits;
use crate::try_lock::TryLockGuard;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::FinishedSpan;

impl ShardedBuffer {
    /// Returns chunks for reuse. Chunks of another size than the ordinary one are dropped, which
    /// returns their bytes to the budget.
    pub fn recycle(&self, buffers: impl IntoIterator<Item = ChargedChunk>) {
        let config = self.config.load();
        for mut buffer in buffers {
            // Dropped once the chunk is on the free list, so that the next producer finds it there.
            let _permits = buffer.take_permits();
            if buffer.clear_for(&self.budget, &config)
                && let Some(mut free) = self.free_list()
            {
                free.push(buffer);
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
            && (self.budget.can_charge(self.config.load().chunk_charge())
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
        let config = self.config.load();
        let permits = self.acquire_permits(config.chunk_spans)?;
        let chunk = match permits.as_ref().map(QueuePermits::spans) {
            Some(spans) if spans < config.chunk_spans => self.small_chunk(&config, spans),
            _ => self.ordinary_chunk(&config),
        };
        with_permits(chunk, permits)
    }

    /// A chunk for the last permits of the queue: its capacity is their number.
    fn small_chunk(&self, config: &ShardedBufferConfig, spans: usize) -> Option<ChargedChunk> {
        let fresh = || ChargedChunk::new(&self.budget, config, spans);
        fresh().or_else(|| {
            self.evict_cached(config.charge_for(spans));
            fresh()
        })
    }

    fn ordinary_chunk(&self, config: &ShardedBufferConfig) -> Option<ChargedChunk> {
        let fresh = || ChargedChunk::new(&self.budget, config, config.chunk_spans);
        for _ in 0..LOCK_TRIES {
            if let Some(mut free) = self.free.try_lock() {
                let reused = free.pop();
                drop(free);
                // A chunk of another size was cached while the sizes were set.
                let reused = reused.filter(|chunk| chunk.charged() == config.chunk_charge());
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

    pub(super) fn single_chunk(
        &self,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<ChargedChunk, PushError> {
        let len = span.encoded_len();
        // The sizes in bytes.
        let config = &self.initial;
        let charge = config.charge_for_one(len);
        if len > MAX_SPAN {
            return Err(PushError::Budget);
        }
        let permits = self.acquire_permits(1)?;
        let single = || ChargedChunk::single(&self.budget, config, span, meta);
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
        let chunk_charge = self.config.load().chunk_charge();
        let count = bytes.saturating_sub(left).div_ceil(chunk_charge);
        if let Some(mut free) = self.free_list()
            && count <= free.len()
        {
            free.drain(..count);
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
