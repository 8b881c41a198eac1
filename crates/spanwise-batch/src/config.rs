//! Sizes of the pieces, and what a budget makes of them.

use spanwise_wire::{Chunk, SpanMeta};

/// Sizes of the pieces of a [`ShardedBuffer`](crate::ShardedBuffer).
///
/// What is asked for is fitted to the budget: a chunk takes at most a quarter of it, and open
/// chunks at most half. [`ShardedBuffer::config`](crate::ShardedBuffer::config) tells what came of it.
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
    /// Ready chunks at which [`push`](crate::ShardedBuffer::push) asks for the worker. Waking a thread
    /// costs more than all else a span does, so below this the worker's own tick finds them.
    /// Default 32, and at most a quarter of what the budget holds.
    pub wake_at: usize,
    /// Copies, 0 to 8, that a span larger than a chunk is charged for when it is stored: framing
    /// and compressing it then needs no further memory. Default 0.
    pub large_span_copies: usize,
    /// Spans that may wait at once, from their push until their chunk is recycled or dropped, 1 or
    /// more (the batching processor's `maxQueueSize`). Never exceeded; an open chunk holds permits for
    /// spans that are not there yet, so that with 16 or more at least half of them can be used, and
    /// by a single thread all. Slots and chunks are made smaller to fit. Default none: only bytes
    /// count.
    pub max_queue_size: Option<usize>,
}

impl Default for ShardedBufferConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            slots: (2 * cores).clamp(2, 64),
            chunk_bytes: 64 * 1024,
            chunk_spans: 512,
            wake_at: 32,
            large_span_copies: 0,
            max_queue_size: None,
        }
    }
}

impl ShardedBufferConfig {
    /// The nearest sizes that a budget of `limit` bytes can carry.
    pub(crate) fn fitted(mut self, limit: usize) -> Self {
        self.fit_queue();
        self.chunk_bytes = self.chunk_bytes.clamp(1 << 10, 1 << 30);
        self.chunk_spans = self.chunk_spans.clamp(1, 1 << 20);
        self.large_span_copies = self.large_span_copies.min(MAX_COPIES);
        let most = (limit / MIN_CHUNKS).max(1);
        let shrink = self.chunk_charge().div_ceil(most);
        if shrink > 1 {
            let meta = size_of::<SpanMeta>();
            let most_spans = most.saturating_sub(MIN_CHUNK_BYTES) / meta;
            self.chunk_spans = (self.chunk_spans / shrink).min(most_spans).max(1);
            let most_bytes = most.saturating_sub(self.chunk_spans * meta);
            self.chunk_bytes = (self.chunk_bytes / shrink).min(most_bytes).max(MIN_CHUNK_BYTES);
        }
        let chunks = limit / self.chunk_charge();
        self.slots = self.slots.min(chunks / 2).clamp(1, 64);
        self.wake_at = self.wake_at.min(chunks / 4).max(1);
        if let Some(max) = self.max_queue_size {
            self.wake_at = self.wake_at.min(max / (4 * self.chunk_spans)).max(1);
        }
        self
    }

    /// Pieces so small that the permits held by open chunks, and by one on its way into requests, are
    /// at most half of the queue.
    fn fit_queue(&mut self) {
        let Some(max) = &mut self.max_queue_size else { return };
        *max = (*max).max(1);
        self.slots = self.slots.min(*max / SPANS_PER_SLOT).max(1);
        self.chunk_spans = self.chunk_spans.min(*max / (2 * (self.slots.min(64) + 1))).max(1);
        // Bytes for spans that a chunk cannot have would keep others out.
        let bytes = self.chunk_spans.saturating_mul(ROOM_PER_SPAN).max(QUEUE_CHUNK_BYTES);
        self.chunk_bytes = self.chunk_bytes.min(bytes);
    }

    /// Bytes one chunk is charged for.
    pub(crate) fn chunk_charge(&self) -> usize {
        self.charge_for(self.chunk_spans)
    }

    /// Bytes a chunk is charged for that has room for the metas of only `spans` spans.
    pub(crate) fn charge_for(&self, spans: usize) -> usize {
        self.chunk_bytes + spans * size_of::<SpanMeta>()
    }

    /// Bytes that a chunk made for one span message of `len` bytes is charged for.
    pub(crate) fn charge_for_one(&self, len: usize) -> usize {
        let copies = if self.is_oversize(len) { self.large_span_copies } else { 0 };
        Chunk::capacity_for_one(len).saturating_add((len + COPY_OVERHEAD).saturating_mul(copies))
    }

    /// Bytes that a span of `len` bytes is charged for when there is no open chunk with room.
    pub(crate) fn least_charge(&self, len: usize) -> usize {
        if self.is_oversize(len) { self.charge_for_one(len) } else { self.chunk_charge() }
    }

    /// Whether a span message of `len` bytes is too large for a chunk of these sizes.
    pub(crate) fn is_oversize(&self, len: usize) -> bool {
        len.saturating_add(SLACK) > self.chunk_bytes
    }
}

/// Chunks that any budget holds, if need be by making them smaller.
const MIN_CHUNKS: usize = 4;
/// More than any worker makes.
const MAX_COPIES: usize = 8;
/// Bytes of a request besides its span: resource and scope of a usual size.
const COPY_OVERHEAD: usize = 1024;
/// Smaller ones help nobody.
const MIN_CHUNK_BYTES: usize = 128;
/// Of the queue, so that its open chunks are worth being filled.
const SPANS_PER_SLOT: usize = 16;
/// Bytes that hardly any span exceeds.
const ROOM_PER_SPAN: usize = 1 << 10;
/// Spans up to this go into ordinary chunks, whatever the length of the queue.
const QUEUE_CHUNK_BYTES: usize = 16 << 10;
/// Tag and length in front of a span in a chunk.
const SLACK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_makes_the_pieces_fit() {
        for limit in (0..20).map(|bits| 37usize << bits).chain([usize::MAX]) {
            for ask in [0, 1, 1000, 1 << 20, usize::MAX] {
                let asked = ShardedBufferConfig {
                    slots: ask,
                    chunk_bytes: ask,
                    chunk_spans: ask,
                    wake_at: ask,
                    large_span_copies: ask,
                    max_queue_size: None,
                };
                let config = asked.fitted(limit);
                assert!((1..=64).contains(&config.slots), "{limit} {config:?}");
                assert!(config.chunk_bytes >= MIN_CHUNK_BYTES && config.chunk_spans >= 1);
                let chunks = limit / config.chunk_charge();
                assert!((1..=chunks.max(4) / 4).contains(&config.wake_at), "{limit} {config:?}");
                assert!(config.slots <= (chunks / 2).max(1), "{limit} {config:?}");
                // Above a KiB there are always several chunks.
                assert!(chunks >= 4 || limit < 1024, "{limit} {config:?}");
            }
        }
    }

    #[test]
    fn a_queue_makes_the_pieces_fit() {
        for max in (0..25).map(|bits| 1usize << bits).chain([3, 17, 2047, usize::MAX]) {
            for slots in [1, 4, 64, usize::MAX] {
                let asked = ShardedBufferConfig {
                    slots,
                    max_queue_size: Some(max),
                    ..ShardedBufferConfig::default()
                };
                let config = asked.fitted(1 << 30);
                let kept = (config.slots + 1) * config.chunk_spans;
                assert!(kept <= max / 2 || config.chunk_spans == 1, "{max} {config:?}");
                assert!(config.slots == 1 || config.slots * 16 <= max, "{max} {config:?}");
                let ready_at = config.wake_at * config.chunk_spans;
                assert!(ready_at <= max / 4 || config.wake_at == 1, "{max} {config:?}");
            }
        }
    }

    #[test]
    fn an_ordinary_budget_changes_nothing() {
        let config = ShardedBufferConfig { slots: 64, ..ShardedBufferConfig::default() };
        assert_eq!(config.fitted(16 << 20), config);
    }
}
