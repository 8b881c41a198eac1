//! The observations that a batch size follows, and the limits that result.

use std::time::Duration;

/// The limits of a batch: it is complete when either is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Spans: `maxExportBatchSize` of the batching processor.
    pub spans: usize,
    /// Bytes of encoded spans.
    pub bytes: usize,
}

impl BatchLimits {
    /// A limit in spans alone: any number of bytes.
    pub const fn spans(spans: usize) -> Self {
        Self { spans, bytes: usize::MAX }
    }

    /// A limit in bytes alone: any number of spans.
    pub const fn bytes(bytes: usize) -> Self {
        Self { spans: usize::MAX, bytes }
    }

    /// The lower one of each limit.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self { spans: self.spans.min(other.spans), bytes: self.bytes.min(other.bytes) }
    }

    pub(super) fn at_least_one(self) -> Self {
        Self { spans: self.spans.max(1), bytes: self.bytes.max(1) }
    }
}

/// The state of an exporter at one time, for a [`BatchSizer`](crate::BatchSizer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchObservation {
    /// Spans that wait for a request: those in full chunks of the buffer, and those that were drained
    /// and are in no request yet. Open chunks may count or not.
    pub backlog_spans: u64,
    /// Encoded bytes of these spans; the bytes of their chunks are near enough.
    pub backlog_bytes: u64,
    /// A request that ended now. An end that is not reported counts as arrivals that never were.
    pub request: Option<RequestObservation>,
}

/// A request that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestObservation {
    /// Spans in it.
    pub spans: u64,
    /// Bytes of its message, before compression.
    pub bytes: usize,
    /// Time from its start to its end, with all retries.
    pub latency: Duration,
    /// Whether the receiver accepted it, in whole or in part.
    pub is_accepted: bool,
    /// Whether it took more than one attempt, so that its latency includes waits.
    pub is_retried: bool,
}
