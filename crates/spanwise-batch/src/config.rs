//! Configuration of the shards, and how it is adapted to a budget.

use spanwise_wire::{Chunk, SpanMeta};

/// Configuration of a [`ShardedBuffer`](crate::ShardedBuffer): number and size of its slots and chunks.
///
/// `ShardedBuffer::new` reduces these values to fit the budget: a chunk takes at most a quarter of it, and
/// open chunks at most half. [`ShardedBuffer::config`](crate::ShardedBuffer::config) returns the values in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardedBufferConfig {
    /// Slots, 1 to 64. Default: twice the cores, at least 2.
    pub slots: usize,
    /// Bytes of spans in a chunk, 1 KiB to 1 GiB. Default 64 KiB; a larger span gets a chunk of
    /// its own size.
    pub chunk_bytes: usize,
    /// Spans in a chunk, 1 to 1,048,576. Default 512.
    pub chunk_spans: usize,
    /// Spans of a batch, 1 or more: `maxExportBatchSize` of the batching processor. A push that completes
    /// a batch of spans in full chunks returns [`wake`](crate::Pushed::wake). A batch is at most half of
    /// the queue and a whole number of chunks. Default none: [`wake_at`](Self::wake_at) alone counts.
    pub batch_spans: Option<usize>,
    /// Full chunks at which [`push`](crate::ShardedBuffer::push) returns [`wake`](crate::Pushed::wake).
    /// Waking a thread costs more than the rest of a push, so with fewer chunks the worker finds
    /// them at its next tick. Default 32, and at most a quarter of the chunks that fit the budget.
    pub wake_at: usize,
    /// Copies, 0 to 8, that the push of a span larger than a chunk charges in advance, so that
    /// framing and compressing it needs no further memory. Default 0.
    pub large_span_copies: usize,
    /// Limit on waiting spans, 1 or more: `maxQueueSize` of the batching processor. A span counts
    /// from its push until its chunk is recycled or dropped. The limit is never exceeded; an open
    /// chunk holds permits for spans that have not ended, so that with 16 or more at least half of them can be
    /// used, and all by a single thread. Slots and chunks shrink to fit. Default none: only bytes
    /// are limited.
    pub max_queue_size: Option<usize>,
}

impl Default for ShardedBufferConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            slots: (2 * cores).clamp(2, 64),
            chunk_bytes: 64 * 1024,
            chunk_spans: 512,
            batch_spans: None,
            wake_at: 32,
            large_span_copies: 0,
            max_queue_size: None,
        }
    }
}

impl ShardedBufferConfig {
    /// Sets [`slots`](Self::slots).
    pub fn with_slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Sets [`chunk_bytes`](Self::chunk_bytes).
    pub fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Sets [`chunk_spans`](Self::chunk_spans).
    pub fn with_chunk_spans(mut self, spans: usize) -> Self {
        self.chunk_spans = spans;
        self
    }

    /// Sets [`batch_spans`](Self::batch_spans); `None` wakes for chunks alone.
    pub fn with_batch_spans(mut self, spans: impl Into<Option<usize>>) -> Self {
        self.batch_spans = spans.into();
        self
    }

    /// Sets [`wake_at`](Self::wake_at).
    pub fn with_wake_at(mut self, chunks: usize) -> Self {
        self.wake_at = chunks;
        self
    }

    /// Sets [`large_span_copies`](Self::large_span_copies).
    pub fn with_large_span_copies(mut self, copies: usize) -> Self {
        self.large_span_copies = copies;
        self
    }

    /// Sets [`max_queue_size`](Self::max_queue_size); `None` limits only bytes.
    pub fn with_max_queue_size(mut self, spans: impl Into<Option<usize>>) -> Self {
        self.max_queue_size = spans.into();
        self
    }

    /// The nearest values that fit a budget of `limit` bytes.
    pub(crate) fn fitted(mut self, limit: usize) -> Self {
        self.fit_slots();
        self.chunk_bytes = self.chunk_bytes.clamp(1 << 10, 1 << 30);
        self.chunk_spans = self.chunk_spans.clamp(1, 1 << 20);
        self.large_span_copies = self.large_span_copies.min(MAX_COPIES);
        let max = (limit / MIN_CHUNKS).max(1);
        let shrink = self.chunk_charge().div_ceil(max);
        if shrink > 1 {
            let meta = size_of::<SpanMeta>();
            let max_spans = max.saturating_sub(MIN_CHUNK_BYTES) / meta;
            self.chunk_spans = (self.chunk_spans / shrink).min(max_spans).max(1);
            let max_bytes = max.saturating_sub(self.chunk_spans * meta);
            self.chunk_bytes = (self.chunk_bytes / shrink).min(max_bytes).max(MIN_CHUNK_BYTES);
        }
        let chunks = limit / self.chunk_charge();
        self.slots = self.slots.min(chunks / 2).clamp(1, 64);
        self.fit_batch();
        self.fit_wake(limit);
        self
    }

    /// The nearest sizes in spans for a buffer whose slots and chunk bytes are those of `in_use`: what can be
    /// changed while the buffer is in use.
    pub(crate) fn refitted(mut self, in_use: &Self, limit: usize) -> Self {
        self.slots = in_use.slots;
        self.chunk_bytes = in_use.chunk_bytes;
        self.large_span_copies = in_use.large_span_copies;
        let max = (limit / MIN_CHUNKS).saturating_sub(self.chunk_bytes) / size_of::<SpanMeta>();
        self.chunk_spans = self.chunk_spans.clamp(1, 1 << 20).min(max).max(1);
        self.fit_queue();
        self.fit_batch();
        self.fit_wake(limit);
        self
    }

    /// Reduces slots and chunks until the permits held by all open chunks, and by one that the worker
    /// frames, are at most half of the queue.
    fn fit_slots(&mut self) {
        if let Some(max) = self.max_queue_size {
            self.slots = self.slots.min(max / SPANS_PER_SLOT).max(1);
        }
        self.fit_queue();
        // Bytes for more spans than a chunk can hold would be charged for nothing.
        if let Some(most) = self.most_chunk_spans() {
            let bytes = most.saturating_mul(BYTES_PER_SPAN).max(SMALL_CHUNK_BYTES);
            self.chunk_bytes = self.chunk_bytes.min(bytes);
        }
    }

    /// The maximum number of spans of a chunk, if the queue or the batch limits them.
    fn most_chunk_spans(&self) -> Option<usize> {
        let batch = self.batch_spans.unwrap_or(usize::MAX);
        let is_limited = self.max_queue_size.is_some() || batch < self.chunk_spans;
        is_limited.then(|| self.chunk_spans.min(batch).max(1))
    }

    /// Leaves a waiting batch beside the permits of open chunks, or half of the queue for a larger one.
    fn fit_queue(&mut self) {
        let Some(max) = &mut self.max_queue_size else { return };
        *max = (*max).max(1);
        let mut free = *max;
        if let Some(batch) = &mut self.batch_spans {
            *batch = (*batch).min(*max / 2).max(1);
            free -= (*batch).min(*max);
        }
        self.chunk_spans = self.chunk_spans.min(free / (2 * (self.slots.min(64) + 1))).max(1);
    }

    /// Makes a batch a whole number of chunks: otherwise a request leaves the rest of a chunk behind. The
    /// batch shrinks by less than the number of its chunks.
    fn fit_batch(&mut self) {
        let Some(batch) = &mut self.batch_spans else { return };
        let chunks = (*batch).max(1).div_ceil(self.chunk_spans);
        self.chunk_spans = (*batch).max(1) / chunks;
        *batch = self.chunk_spans * chunks;
    }

    fn fit_wake(&mut self, limit: usize) {
        let chunks = limit / self.chunk_charge();
        self.wake_at = self.wake_at.min(chunks / 4).max(1);
        if let Some(max) = self.max_queue_size {
            let spans = (max / 4).max(self.batch_spans.unwrap_or(0));
            self.wake_at = self.wake_at.min(spans / self.chunk_spans).max(1);
        }
    }

    /// Charge of an ordinary chunk, in bytes.
    pub(crate) fn chunk_charge(&self) -> usize {
        self.charge_for(self.chunk_spans)
    }

    /// Charge of a chunk with capacity for `spans` metas, in bytes.
    pub(crate) fn charge_for(&self, spans: usize) -> usize {
        self.chunk_bytes + spans * size_of::<SpanMeta>()
    }

    /// Charge of a chunk for one span message of `len` bytes, in bytes.
    pub(crate) fn charge_for_one(&self, len: usize) -> usize {
        let copies = if self.is_oversize(len) { self.large_span_copies } else { 0 };
        Chunk::capacity_for_one(len).saturating_add((len + COPY_OVERHEAD).saturating_mul(copies))
    }

    /// Charge for a span of `len` bytes that fits no open chunk, in bytes.
    pub(crate) fn min_charge(&self, len: usize) -> usize {
        if self.is_oversize(len) { self.charge_for_one(len) } else { self.chunk_charge() }
    }

    /// Whether a span message of `len` bytes is too large for a chunk of these sizes.
    pub(crate) fn is_oversize(&self, len: usize) -> bool {
        len.saturating_add(SLACK) > self.chunk_bytes
    }
}

/// Chunks that fit every budget; their size shrinks if necessary.
const MIN_CHUNKS: usize = 4;
/// More copies than any worker makes.
const MAX_COPIES: usize = 64;
/// Bytes of a request beside its span: resource and scope of a usual size.
const COPY_OVERHEAD: usize = 1024;
/// A smaller chunk holds no usual span.
const MIN_CHUNK_BYTES: usize = 128;
/// Queued spans per slot, so that an open chunk holds a useful number of spans.
const SPANS_PER_SLOT: usize = 16;
/// Bytes that few spans exceed.
const BYTES_PER_SPAN: usize = 1 << 10;
/// Spans up to this size fit an ordinary chunk, whatever the size of the queue or the batch.
const SMALL_CHUNK_BYTES: usize = 16 << 10;
/// Tag and length in front of a span in a chunk.
const SLACK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_reduced_to_fit_the_budget() {
        for limit in (0..20).map(|bits| 37usize << bits).chain([usize::MAX]) {
            for value in [0, 1, 1000, 1 << 20, usize::MAX] {
                let requested = ShardedBufferConfig {
                    slots: value,
                    chunk_bytes: value,
                    chunk_spans: value,
                    batch_spans: (value % 2 == 1).then_some(value),
                    wake_at: value,
                    large_span_copies: value,
                    max_queue_size: None,
                };
                let config = requested.fitted(limit);
                assert!((1..=64).contains(&config.slots), "{limit} {config:?}");
                assert!(config.chunk_bytes >= MIN_CHUNK_BYTES && config.chunk_spans >= 1);
                let chunks = limit / config.chunk_charge();
                assert!((1..=chunks.max(4) / 4).contains(&config.wake_at), "{limit} {config:?}");
                assert!(config.slots <= (chunks / 2).max(1), "{limit} {config:?}");
                // A budget above 1 KiB holds several chunks.
                assert!(chunks >= 4 || limit < 1024, "{limit} {config:?}");
            }
        }
    }

    #[test]
    fn values_are_reduced_to_fit_the_queue() {
        for max in (0..25).map(|bits| 1usize << bits).chain([3, 17, 2047, usize::MAX]) {
            for slots in [1, 4, 64, usize::MAX] {
                let requested = ShardedBufferConfig {
                    slots,
                    max_queue_size: Some(max),
                    ..ShardedBufferConfig::default()
                };
                let config = requested.fitted(1 << 30);
                let permits = (config.slots + 1) * config.chunk_spans;
                assert!(permits <= max / 2 || config.chunk_spans == 1, "{max} {config:?}");
                assert!(config.slots == 1 || config.slots * 16 <= max, "{max} {config:?}");
                let ready_at = config.wake_at * config.chunk_spans;
                assert!(ready_at <= max / 4 || config.wake_at == 1, "{max} {config:?}");
            }
        }
    }

    #[test]
    fn an_ordinary_budget_preserves_the_defaults() {
        let config = ShardedBufferConfig { slots: 64, ..ShardedBufferConfig::default() };
        assert_eq!(config.fitted(16 << 20), config);
    }

    #[test]
    fn sizes_that_are_set_later_fit_the_slots_and_chunks_in_use() {
        let in_use = ShardedBufferConfig::default()
            .with_slots(2)
            .with_chunk_bytes(1 << 14)
            .with_large_span_copies(3);
        let requested = ShardedBufferConfig::default().with_slots(64).with_max_queue_size(1 << 10);
        let refitted = requested.refitted(&in_use, 1 << 24);
        let fixed = (refitted.slots, refitted.chunk_bytes, refitted.large_span_copies);
        assert_eq!(fixed, (2, 1 << 14, 3));
    }
}
