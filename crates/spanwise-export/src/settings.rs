//! The settings of requests, and the division of the byte budget.

use crate::batch_config::BatchConfig;
use crate::hold_back::HoldBack;
use crate::machine::Routes;
use crate::metrics::{EndpointMetrics, ExportMetrics};
use crate::resource::SharedResource;
use crate::tail_sampling::TailSampling;
use spanwise_batch::ShardedBufferConfig;
use spanwise_wire::SpanMeta;
use std::sync::Arc;

/// The settings of batching and requests.
pub(crate) struct Settings {
    pub(crate) batch: Arc<BatchConfig>,
    /// Decides about drained chunks instead of [`BatchConfig::hold_back`].
    pub(crate) hold_back: Option<Box<dyn HoldBack>>,
    /// Decides about whole local traces before that.
    pub(crate) tail: Option<TailSampling>,
    /// Requests that the receiver does not accept are stored.
    pub(crate) has_spool: bool,
    /// Bytes of a usual request.
    pub(crate) request_bytes: usize,
    pub(crate) routes: Routes,
    /// Bytes of the requests that wait for one endpoint or are in flight to it.
    pub(crate) lane_share: usize,
    pub(crate) reserve: Reserve,
    pub(crate) resource: SharedResource,
    pub(crate) metrics: ExportMetrics,
    /// Of each lane.
    pub(crate) endpoints: Vec<Arc<EndpointMetrics>>,
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
    pub(crate) lane_share: usize,
}

impl Division {
    /// Divides `budget` bytes, for requests with a resource of at most `resource` bytes. `None`: they are too
    /// few for requests to all endpoints, or for a span of 16 KiB.
    pub(crate) fn new(
        budget: usize,
        routes: &Routes,
        resource: usize,
        batch: &BatchConfig,
    ) -> Option<Self> {
        let copies = routes.copies();
        let mut buffer = ShardedBufferConfig::default();
        // A small budget has small pieces, so that what is half empty is little of it.
        buffer.chunk_bytes = (budget / 256).clamp(MIN_CHUNK_BYTES, buffer.chunk_bytes);
        buffer.large_span_copies = copies;
        buffer.max_queue_size = batch.max_queue_size;
        // A chunk that is larger than a request would let its spans wait for others.
        buffer.batch_spans = batch.counts_spans().then_some(batch.max_export_batch_size);
        let headers = resource + SCOPE_HEADERS;
        let all_headers = routes.parts() * headers;
        let lanes = routes.lanes();
        let mut division = if lanes == 1 {
            // The spans of a chunk as a request, whatever else is charged.
            let least_bytes = buffer.chunk_bytes + all_headers;
            let stalled = (budget / 16).max(copies * least_bytes);
            let flowing = (budget / 4).max(stalled);
            let request_bytes = REQUEST_BYTES.min(flowing / 2 / copies).max(least_bytes);
            let reserve = Reserve { flowing, stalled };
            Self { buffer, request_bytes, reserve, lane_share: usize::MAX }
        } else {
            // Half of the budget is for requests: three quarters of that may wait for slow endpoints, so
            // that the rest is left for the requests to the others.
            let lane_share = budget / 8 * 3 / lanes;
            let at_once = budget / 8 / copies;
            // Two requests fit: a slightly larger one would leave half of the share unused.
            let in_lane = (lane_share / 2).saturating_sub(JSON_NAMES) / routes.lane_copies();
            // The parts of one chunk for all endpoints of a ring need memory at once, and a lane that for one
            // of them, which may have all spans.
            let chunk = in_lane.checked_sub(headers)?.min(at_once.checked_sub(all_headers)?);
            if chunk < MIN_CHUNK_BYTES {
                return None;
            }
            buffer.chunk_bytes = buffer.chunk_bytes.min(chunk);
            let stalled = (budget / 16).max(copies * (buffer.chunk_bytes + all_headers));
            let request_bytes = REQUEST_BYTES.min(at_once).min(in_lane * routes.spread());
            let reserve = Reserve { flowing: budget / 2, stalled };
            Self { buffer, request_bytes, reserve, lane_share }
        };
        division.buffer.chunk_spans = division.buffer.chunk_bytes / 128;
        let max_span_bytes = division.max_span_bytes(budget, batch.max_request_bytes);
        (max_span_bytes >= MIN_SPAN_BYTES).then_some(division)
    }

    /// The smallest budget that [`new`](Self::new) divides, rounded up by at most 64 KiB. `None`: it exceeds
    /// 16 GiB.
    pub(crate) fn least_budget(
        routes: &Routes,
        resource: usize,
        batch: &BatchConfig,
    ) -> Option<usize> {
        let is_enough = |budget| Self::new(budget, routes, resource, batch).is_some();
        let mut least = 64 << 10;
        while !is_enough(least) {
            least = (least < 16 << 30).then_some(2 * least)?;
        }
        let mut below = least / 2;
        while least - below > 64 << 10 {
            let middle = below + (least - below) / 2;
            match is_enough(middle) {
                true => least = middle,
                false => below = middle,
            }
        }
        Some(least)
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

/// The size of a usual request: small enough to be sent soon, large enough to amortize its overhead,
/// which above some 2,000 spans hardly falls per span.
const REQUEST_BYTES: usize = 896 << 10;
/// Bytes for the headers of a request's scopes: each has at most 8 KiB.
const SCOPE_HEADERS: usize = 10 << 10;
/// Bytes that the JSON of a request may have besides a multiple of its length, at most.
const JSON_NAMES: usize = 4 << 10;
/// Bytes of the smallest chunk.
const MIN_CHUNK_BYTES: usize = 16 << 10;
/// Bytes of the largest span, at least: a budget for none of that size would lose usual ones.
const MIN_SPAN_BYTES: usize = 16 << 10;
/// A name and a status message of a usual size, which a span has besides.
const SPAN_OVERHEAD: usize = 24 << 10;
