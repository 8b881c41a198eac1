//! What a receiver has seen.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the start. Each is exact; together they are not one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests whose headers arrived, to any path.
    pub requests: u64,
    /// Spans taken: those of accepted exports, less what a partial answer rejected.
    pub spans: u64,
    /// Bytes of accepted exports after decompression, without gRPC framing.
    pub bytes: u64,
    /// Requests answered with an error, by a limit or by the handler.
    pub rejected_requests: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections closed at once because there were too many.
    pub refused_connections: u64,
    /// Bytes of request bodies held in memory now.
    pub bytes_in_memory: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: AtomicU64,
    pub spans: AtomicU64,
    pub bytes: AtomicU64,
    pub rejected_requests: AtomicU64,
    pub connections: AtomicU64,
    pub refused_connections: AtomicU64,
}

impl Counters {
    pub fn snapshot(&self, bytes_in_memory: usize) -> Stats {
        Stats {
            requests: self.requests.load(Relaxed),
            spans: self.spans.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            rejected_requests: self.rejected_requests.load(Relaxed),
            connections: self.connections.load(Relaxed),
            refused_connections: self.refused_connections.load(Relaxed),
            bytes_in_memory: bytes_in_memory as u64,
        }
    }
}
