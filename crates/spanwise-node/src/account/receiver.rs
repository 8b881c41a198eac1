//! The account of a receiver: connections that it closes, and requests that it rejects before the node accepts them.

use spanwise_receiver::Stats;

/// The account of a receiver since its start. The spans of requests that it read are in [`IntakeAccount`](super::IntakeAccount). Those of the
/// connections and requests counted here are unknown: the node did not accept them, and their senders still have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverAccount {
    /// Its name in the settings.
    pub name: String,
    /// The address or the path of the socket at which it listens.
    pub endpoint: String,
    /// Connections that it accepted.
    pub connections: u64,
    /// Connections that it closed.
    pub closed: ClosedConnections,
    /// Requests that it answered with an error, by a limit of its own or because the node refused them.
    pub rejected_requests: u64,
    /// Those of them that it rejected to free memory for other requests: they had the slowest bodies.
    pub evicted_requests: u64,
    /// Bytes of connections and of requests that are being read.
    pub memory_bytes: u64,
}

/// Connections that a receiver closed, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClosedConnections {
    /// At once: there were too many, or no memory was left for a TLS session.
    pub limit: u64,
    /// They sent far more control frames, tiny frames or chunks, headers or requests without spans than exports need.
    pub flood: u64,
    /// They sent bytes that are not HTTP, or more reset streams, empty frames or parts of headers than HTTP/2 clients need.
    pub broken: u64,
    /// Their TLS handshake failed, or took too long.
    pub tls_handshake: u64,
    /// They were idle or slow while others needed a connection or memory.
    pub evicted: u64,
    /// They had the age of `max_connection_age`. Open requests had 30 s, and clients connect again.
    pub age: u64,
}

impl ReceiverAccount {
    pub(crate) fn new(name: String, endpoint: String, stats: &Stats) -> Self {
        Self {
            name,
            endpoint,
            connections: stats.connections,
            closed: ClosedConnections {
                limit: stats.refused_connections,
                flood: stats.flood_connections,
                broken: stats.broken_connections,
                tls_handshake: stats.failed_handshakes,
                evicted: stats.evicted_connections,
                age: stats.aged_connections,
            },
            rejected_requests: stats.rejected_requests,
            evicted_requests: stats.evicted_requests,
            memory_bytes: stats.bytes_in_memory + stats.buffer_bytes + stats.cached_bytes,
        }
    }
}

impl ClosedConnections {
    /// Each number with its reason, as metrics and the account as JSON name it.
    pub fn by_reason(&self) -> [(&'static str, u64); 6] {
        let Self { limit, flood, broken, tls_handshake, evicted, age } = *self;
        [
            ("limit", limit),
            ("flood", flood),
            ("broken", broken),
            ("tls_handshake", tls_handshake),
            ("evicted", evicted),
            (AGE, age),
        ]
    }
}

/// The reason for an end that is no problem.
pub(crate) const AGE: &str = "age";
