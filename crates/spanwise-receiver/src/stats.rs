//! What a receiver has seen.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::answer::Answer;

/// Counts since the start. Each is exact; together they are not one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests whose headers arrived, to any path.
    pub requests: u64,
    /// Spans taken: those of accepted exports, less what a partial answer rejected, whether or not
    /// the client stayed for the answer.
    pub spans: u64,
    /// Bytes of accepted exports after decompression, without gRPC framing.
    pub bytes: u64,
    /// Requests answered with an error, by a limit or by the handler.
    pub rejected_requests: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections closed at once because there were too many.
    pub refused_connections: u64,
    /// Connections closed because of what they sent: control frames, tiny frames, tiny chunks or
    /// requests without spans, far more than exports call for, or headers without end.
    pub flood_connections: u64,
    /// Connections closed because what they sent is not HTTP, or is more streams reset, frames
    /// without data or parts of one head than its library takes.
    pub broken_connections: u64,
    /// Connections closed because others needed their place or their memory, and they had been
    /// of no use for the longest time, or were the slowest.
    pub evicted_connections: u64,
    /// Requests refused because others needed their memory, and they were the slowest to bring
    /// their bodies.
    pub evicted_requests: u64,
    /// Bytes of request bodies, and of headers above 4 KiB, held in memory now; of an export that
    /// waits for a handler also the rest of its headers and 2 KiB.
    pub bytes_in_memory: u64,
    /// Bytes of read buffers held in memory now, beyond what every connection may have. Together
    /// with `bytes_in_memory` it is what [`memory_bytes`](crate::Limits::memory_bytes) limits.
    pub buffer_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: AtomicU64,
    pub spans: AtomicU64,
    pub bytes: AtomicU64,
    pub rejected_requests: AtomicU64,
    pub connections: AtomicU64,
    pub refused_connections: AtomicU64,
    pub flood_connections: AtomicU64,
    pub broken_connections: AtomicU64,
    pub evicted_connections: AtomicU64,
    pub evicted_requests: AtomicU64,
}

impl Counters {
    /// Counts what a handler took by `answer` of an export of so many spans and bytes.
    pub fn count_export(&self, answer: &Answer, spans: u64, bytes: u64) {
        let taken = match answer.innermost() {
            Answer::Accept => spans,
            // A handler may say any number; what was not sent cannot be rejected.
            Answer::Partial { rejected, .. } => {
                spans.saturating_sub(u64::try_from(*rejected).unwrap_or(0))
            }
            Answer::Refuse { .. } | Answer::After(..) => return,
        };
        self.spans.fetch_add(taken, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub fn snapshot(&self, bytes_in_memory: usize, buffer_bytes: usize) -> Stats {
        Stats {
            requests: self.requests.load(Relaxed),
            spans: self.spans.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            rejected_requests: self.rejected_requests.load(Relaxed),
            connections: self.connections.load(Relaxed),
            refused_connections: self.refused_connections.load(Relaxed),
            flood_connections: self.flood_connections.load(Relaxed),
            broken_connections: self.broken_connections.load(Relaxed),
            evicted_connections: self.evicted_connections.load(Relaxed),
            evicted_requests: self.evicted_requests.load(Relaxed),
            bytes_in_memory: bytes_in_memory as u64,
            buffer_bytes: buffer_bytes as u64,
        }
    }
}
