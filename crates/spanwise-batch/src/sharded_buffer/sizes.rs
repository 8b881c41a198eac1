//! The sizes of a buffer in spans, which can change while threads push.

use super::ShardedBuffer;
use crate::config::ShardedBufferConfig;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The sizes in use. Each is read alone: a chunk that a thread opens at the instant of a change has either
/// size.
pub(super) struct Sizes {
    chunk_spans: AtomicUsize,
    /// `usize::MAX` without a batch size.
    batch_spans: AtomicUsize,
    wake_at: AtomicUsize,
}

impl Sizes {
    pub(super) fn new(config: &ShardedBufferConfig) -> Self {
        let [chunk_spans, batch_spans, wake_at] = [const { AtomicUsize::new(0) }; 3];
        let sizes = Self { chunk_spans, batch_spans, wake_at };
        sizes.set(config);
        sizes
    }

    pub(super) fn set(&self, config: &ShardedBufferConfig) {
        // ORDER: Relaxed. The numbers publish no memory.
        self.chunk_spans.store(config.chunk_spans, Relaxed);
        self.batch_spans.store(config.batch_spans.unwrap_or(usize::MAX), Relaxed);
        self.wake_at.store(config.wake_at, Relaxed);
    }

    /// Spans of an ordinary chunk.
    pub(super) fn chunk_spans(&self) -> usize {
        self.chunk_spans.load(Relaxed)
    }

    /// Whether to wake the worker for full chunks of the weight `ready` and with `spans` spans.
    pub(super) fn must_wake(&self, ready: usize, spans: usize) -> bool {
        ready >= self.wake_at.load(Relaxed) || spans >= self.batch_spans.load(Relaxed)
    }

    /// `config` with these sizes.
    pub(super) fn apply(&self, config: ShardedBufferConfig) -> ShardedBufferConfig {
        let batch = self.batch_spans.load(Relaxed);
        ShardedBufferConfig {
            chunk_spans: self.chunk_spans(),
            batch_spans: (batch < usize::MAX).then_some(batch),
            wake_at: self.wake_at.load(Relaxed),
            ..config
        }
    }
}

impl ShardedBuffer {
    /// Replaces the [batch size](ShardedBufferConfig::batch_spans) and the [queue
    /// size](ShardedBufferConfig::max_queue_size) while threads push. No span is lost: open and waiting chunks
    /// stay as they are, and the sizes apply to chunks that are opened from now on. Chunks that were opened
    /// without a queue size never count against one.
    ///
    /// Number of slots and bytes of chunks stay.
    pub fn set_sizes(&self, batch_spans: Option<usize>, max_queue_size: Option<usize>) {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        *requested = requested.with_batch_spans(batch_spans).with_max_queue_size(max_queue_size);
        let before = self.sizes.chunk_spans();
        let config = requested.refitted(&self.initial, self.limit);
        self.queue.set_max(config.max_queue_size);
        self.sizes.set(&config);
        if config.chunk_spans != before {
            // `next_chunk` drops a chunk of the size before that is cached meanwhile.
            self.trim(0);
        }
        self.budget.space().notify_all();
    }
}
