//! An attempt, as far as the network knows it.

use spanwise_transport::Protocol;
use std::time::{Instant, SystemTime};

/// An attempt, as far as the network knows it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The start.
    pub now: Instant,
    /// The end, at the latest.
    pub until: Instant,
    /// Bytes of the request.
    pub bytes: u64,
    /// Spans of the request.
    pub spans: u64,
    /// Whether its body is compressed.
    pub is_compressed: bool,
    /// The wall clock.
    pub wall: SystemTime,
    /// The protocol.
    pub protocol: Protocol,
}
