//! The memory that a transport takes for a request besides the request itself.

use crate::error::BuildError;
use spanwise_transport::{FramedRequest, Protocol, Transport};

/// Bytes that compression takes besides the copies it makes: one encoder, which works on one of them
/// at a time.
pub(crate) fn encoder_bytes(transport: &Transport) -> usize {
    transport.compressed_bound(MESSAGE).saturating_sub(copy_factor(transport) * MESSAGE)
}

/// Checks the bound that a sink states, which may be any number.
pub(crate) fn check_copy_bound(transport: &Transport) -> Result<(), BuildError> {
    let (len, bound) = (2 * MESSAGE, transport.compressed_bound(2 * MESSAGE));
    if bound / len <= MAX_FACTOR && encoder_bytes(transport) <= MAX_CONSTANT {
        return Ok(());
    }
    Err(BuildError::OutOfRange {
        setting: "Sink::copy_bound",
        value: format!("{bound} bytes for {len} ({})", transport.destination()),
        accepted: format!("at most {MAX_FACTOR} times the length, and 1 GiB"),
    })
}

/// Copies of a request that the transport makes, in multiples of its length: 0 without JSON and
/// compression.
pub(crate) fn copy_factor(transport: &Transport) -> usize {
    let bound = |len| transport.compressed_bound(len);
    bound(2 * MESSAGE).saturating_sub(bound(MESSAGE)).div_ceil(MESSAGE).min(MAX_FACTOR)
}

/// Memory of the JSON of a request in multiples of its length.
pub(crate) fn json_factor() -> usize {
    let capacity = FramedRequest::json_capacity;
    capacity(2 * MESSAGE).saturating_sub(capacity(MESSAGE)).div_ceil(MESSAGE)
}

/// Whether the transport is one to a sink, which alone shares bodies with none, not even with itself.
pub(crate) fn is_sink(transport: &Transport) -> bool {
    !transport.sends_same_bodies(transport)
}

/// Whether the transport sends JSON of its own making; a sink makes none.
pub(crate) fn is_json(transport: &Transport) -> bool {
    transport.protocol() == Protocol::HttpJson && !is_sink(transport)
}

/// The most copies that a sink may make. JSON and its compressed copy are 12.
const MAX_FACTOR: usize = 15;
/// The most bytes that it may take besides.
const MAX_CONSTANT: usize = 1 << 30;
/// Above every threshold of compression.
const MESSAGE: usize = 64 << 20;
