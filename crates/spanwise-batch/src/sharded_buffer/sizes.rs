//! The sizes of a buffer in spans, which can change while threads push.

use crate::config::ShardedBufferConfig;
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
