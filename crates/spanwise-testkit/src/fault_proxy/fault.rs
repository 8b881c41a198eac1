//! The faults of the proxy.

use std::time::Duration;

/// The fault that a [`FaultProxy`](crate::FaultProxy) injects into its connections.
///
/// Byte counts are of one connection since it was accepted. "Request" means the bytes from the client
/// to the upstream, "response" the bytes from the upstream to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Relays both ways.
    Pass,
    /// Accepts and resets at once; the upstream sees nothing. Open connections are reset.
    Refuse,
    /// Accepts, reads nothing, writes nothing, and never connects to the upstream.
    BlackHole,
    /// Delays every chunk of up to 16 KiB by this time, both ways.
    Delay(Duration),
    /// Relays the response at this rate, the first portion at once.
    DripResponse {
        /// Bytes of each portion; zero counts as one.
        bytes_per_tick: usize,
        /// Pause after each portion.
        tick: Duration,
    },
    /// Relays exactly this many request bytes, then resets the client; the upstream sees a truncated
    /// request and an end of file.
    ResetAfterRequestBytes(u64),
    /// Relays exactly this many response bytes, then resets the client.
    ResetAfterResponseBytes(u64),
    /// Connects to the upstream and relays responses, but reads no further request byte.
    StopReading,
    /// Inverts every bit of the response, framing included: the peer no longer speaks the protocol.
    CorruptResponse,
}
