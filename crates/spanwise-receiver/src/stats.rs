//! The counters of a receiver.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::answer::Answer;
use crate::budget::Budget;

/// Counters of a receiver since its start. Each is exact; together they are no snapshot of one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests whose headers arrived, to any path.
    pub requests: u64,
    /// Accepted spans: those of accepted exports, without the spans that a partial answer rejected,
    /// whether or not the client waited for the response.
    pub spans: u64,
    /// Bytes of accepted exports after decompression, without gRPC framing.
    pub bytes: u64,
    /// Requests answered with an error, by a limit or by the handler.
    pub rejected_requests: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections closed at once because of the limit on connections, or of the memory for a TLS session.
    pub refused_connections: u64,
    /// Connections closed because of what they sent: control frames, tiny frames, tiny chunks or
    /// requests without spans, far more than exports need, or endless headers.
    pub flood_connections: u64,
    /// Connections closed because of bytes that are not HTTP, or because of more reset streams, empty
    /// frames or parts of one header block than hyper accepts.
    pub broken_connections: u64,
    /// Connections closed because their TLS handshake failed or took longer than
    /// [`header_timeout`](crate::Limits::with_header_timeout).
    pub failed_handshakes: u64,
    /// Connections closed in favour of others that needed a connection or memory: the longest idle ones,
    /// or the slowest.
    pub evicted_connections: u64,
    /// Connections ended because of their [age](crate::Limits::with_connection_age), also those that their client ended after the GOAWAY.
    pub aged_connections: u64,
    /// Requests rejected in favour of others that needed memory: those with the slowest bodies.
    pub evicted_requests: u64,
    /// Bytes of request bodies, and of headers above 4 KiB, held in memory now; of an export that
    /// waits for a handler also the rest of its headers and 2 KiB.
    pub bytes_in_memory: u64,
    /// Bytes of TLS sessions and read buffers held in memory now, beyond the uncharged part of every connection.
    /// [`memory_bytes`](crate::Limits::with_memory_bytes) limits the sum of this, `bytes_in_memory` and
    /// `cached_bytes`.
    pub buffer_bytes: u64,
    /// Bytes of buffers that are cached for the next bodies, and freed when a request needs their memory:
    /// at most an eighth of `memory_bytes`.
    pub cached_bytes: u64,
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
    pub failed_handshakes: AtomicU64,
    pub evicted_connections: AtomicU64,
    pub aged_connections: AtomicU64,
    pub evicted_requests: AtomicU64,
}

impl Counters {
    /// Counts the spans and bytes of an export that `answer` accepts.
    pub fn count_export(&self, answer: &Answer, spans: u64, bytes: u64) {
        let accepted = match answer.innermost() {
            Answer::Accept => spans,
            // A handler may return any number, but cannot reject more spans than were sent.
            Answer::Partial { rejected, .. } => {
                spans.saturating_sub(u64::try_from(*rejected).unwrap_or(0))
            }
            Answer::Refuse { .. } | Answer::After(..) => return,
        };
        self.spans.fetch_add(accepted, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub fn snapshot(&self, budget: &Budget) -> Stats {
        let buffer_bytes = budget.buffers();
        Stats {
            requests: self.requests.load(Relaxed),
            spans: self.spans.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            rejected_requests: self.rejected_requests.load(Relaxed),
            connections: self.connections.load(Relaxed),
            refused_connections: self.refused_connections.load(Relaxed),
            flood_connections: self.flood_connections.load(Relaxed),
            broken_connections: self.broken_connections.load(Relaxed),
            failed_handshakes: self.failed_handshakes.load(Relaxed),
            evicted_connections: self.evicted_connections.load(Relaxed),
            aged_connections: self.aged_connections.load(Relaxed),
            evicted_requests: self.evicted_requests.load(Relaxed),
            bytes_in_memory: budget.used().saturating_sub(buffer_bytes) as u64,
            buffer_bytes: buffer_bytes as u64,
            cached_bytes: budget.cached() as u64,
        }
    }
}
