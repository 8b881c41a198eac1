//! The settings of requests, and the division of the byte budget.

use crate::batch_config::BatchConfig;
use crate::hold_back::HoldBack;
use crate::resource::SharedResource;
use spanwise_batch::ShardedBufferConfig;
use spanwise_transport::Transport;
use spanwise_wire::SpanMeta;
use std::sync::Arc;

/// The settings of batching and requests.
pub(crate) struct Settings {
    pub(crate) batch: Arc<BatchConfig>,
    /// Decides about drained chunks instead of [`BatchConfig::hold_back`].
    pub(crate) hold_back: Option<Box<dyn HoldBack>>,
    /// Bytes of a usual request.
    pub(crate) request_bytes: usize,
    /// Memory of a request in multiples of its length: itself, its JSON, and a compressed copy.
    pub(crate) copies: usize,
    pub(crate) reserve: Reserve,
    pub(crate) resource: SharedResource,
}

/// The part of the budget that only requests may use, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserve {
    /// The reserve while the receiver accepts requests: enough for several at once.
    pub(crate) flowing: usize,
    /// The reserve while it accepts none: enough for a request of one chunk, so that waiting spans can
    /// use the remaining budget.
    pub(crate) stalled: usize,
}

/// The pieces that a budget is divided into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Division {
    pub(crate) buffer: ShardedBufferConfig,
    pub(crate) request_bytes: usize,
    pub(crate) reserve: Reserve,
    pub(crate) copies: usize,
}

impl Division {
    /// Divides `budget` bytes, for requests with a resource of at most `resource` bytes.
    pub(crate) fn new(
        budget: usize,
        transport: &Transport,
        resource: usize,
        batch: &BatchConfig,
    ) -> Self {
        let copies = 1 + copy_factor(transport);
        let mut buffer = ShardedBufferConfig::default();
        // A small budget has small pieces, so that what is half empty is little of it.
        buffer.chunk_bytes = (budget / 256).clamp(16 << 10, buffer.chunk_bytes);
        buffer.chunk_spans = buffer.chunk_bytes / 128;
        buffer.large_span_copies = copies;
        buffer.max_queue_size = batch.max_queue_size;
        // A chunk that is larger than a request would let its spans wait for others.
        buffer.batch_spans = batch.counts_spans().then_some(batch.max_export_batch_size);
        // The spans of a chunk as a request, whatever else is charged.
        let least = buffer.chunk_bytes + resource + SCOPE_HEADERS;
        let stalled = (budget / 16).max(copies * least);
        let flowing = (budget / 4).max(stalled);
        let request_bytes = REQUEST_BYTES.min(flowing / 2 / copies).max(least);
        Self { buffer, request_bytes, reserve: Reserve { flowing, stalled }, copies }
    }

    /// Bytes of the largest span that can be sent: a request needs space for it and the headers
    /// around it, and a `budget` of this many bytes for it and its copies beside an open chunk.
    pub(crate) fn max_span_bytes(&self, budget: usize, max_request_bytes: usize) -> usize {
        let open = self.buffer.chunk_bytes + self.buffer.chunk_spans * size_of::<SpanMeta>();
        let free = budget.saturating_sub(self.reserve.flowing + open);
        let copies = 1 + self.buffer.large_span_copies;
        (free / copies).saturating_sub(SPAN_OVERHEAD).min(max_request_bytes / 2)
    }
}

/// Bytes that compression takes besides the copies it makes: one encoder, which works on one of them
/// at a time.
pub(crate) fn encoder_bytes(transport: &Transport) -> usize {
    transport.compressed_bound(MESSAGE).saturating_sub(copy_factor(transport) * MESSAGE)
}

/// Copies of a request that the transport makes, in multiples of its length: 0 without JSON and
/// compression. A sink may state any bound; 15 is the most that a span is charged for.
fn copy_factor(transport: &Transport) -> usize {
    let bound = |len| transport.compressed_bound(len);
    bound(2 * MESSAGE).saturating_sub(bound(MESSAGE)).div_ceil(MESSAGE).min(15)
}

/// Above every threshold of compression.
const MESSAGE: usize = 64 << 20;

/// The size of a usual request: small enough to be sent soon, large enough to amortize its overhead,
/// which above some 2,000 spans hardly falls per span.
const REQUEST_BYTES: usize = 896 << 10;
/// Bytes for the headers of a request's scopes: each has at most 8 KiB.
const SCOPE_HEADERS: usize = 10 << 10;
/// A name and a status message of a usual size, which a span has besides.
const SPAN_OVERHEAD: usize = 24 << 10;
