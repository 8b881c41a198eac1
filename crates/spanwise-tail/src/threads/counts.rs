//! The account of a sampler with threads.

use std::time::Duration;

use crate::engine::TailCounts;

/// The account of a [`TailSamplerThreads`](crate::TailSamplerThreads). At any time, `accepted_spans` is the sum of `queued_spans` and
/// the spans that the shards received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TailThreadCounts {
    /// The account of all shards, each as of its last 1,024 spans or tick.
    pub shards: TailCounts,
    /// Spans of requests that were accepted.
    pub accepted_spans: u64,
    /// Accepted spans that no shard has taken yet.
    pub queued_spans: u64,
    /// Bytes of the requests that wait, lists included.
    pub queued_bytes: u64,
    /// Requests that were refused because the queue was full, or because they are larger than the queue.
    pub refused_requests: u64,
    /// Spans of these requests.
    pub refused_spans: u64,
    /// Requests whose framing is malformed; their spans are in no other count.
    pub malformed_requests: u64,
    /// Calls of an output that panicked. The spans of a request whose output panicked count as sampled.
    pub output_panics: u64,
    /// The longest time by which a tick was late, since the start: because a call took that long, or the thread did not run.
    pub max_tick_delay: Duration,
}

impl TailThreadCounts {
    /// Whether every accepted span is queued, pending, or has exactly one outcome.
    pub fn is_balanced(&self) -> bool {
        let received = self.shards.received_spans;
        self.shards.is_balanced() && self.accepted_spans == self.queued_spans + received
    }
}
