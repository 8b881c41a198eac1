//! The memory that a transport takes for a request besides the request itself.

use spanwise_transport::{FramedRequest, Protocol, Transport};

/// Bytes that compression takes besides the copies it makes: one encoder, which works on one of them
/// at a time.
pub(crate) fn encoder_bytes(transport: &Transport) -> usize {
    transport.compressed_bound(MESSAGE).saturating_sub(copy_factor(transport) * MESSAGE)
}

/// Copies of a request that the transport makes, in multiples of its length: 0 without JSON and
/// compression. A sink may state any bound; 15 is the most that a span is charged for.
pub(crate) fn copy_factor(transport: &Transport) -> usize {
    let bound = |len| transport.compressed_bound(len);
    bound(2 * MESSAGE).saturating_sub(bound(MESSAGE)).div_ceil(MESSAGE).min(15)
}

/// Memory of the JSON of a request in multiples of its length.
pub(crate) fn json_factor() -> usize {
    let capacity = FramedRequest::json_capacity;
    capacity(2 * MESSAGE).saturating_sub(capacity(MESSAGE)).div_ceil(MESSAGE)
}

/// Whether the transport sends JSON of its own making; a sink makes none.
pub(crate) fn is_json(transport: &Transport) -> bool {
    transport.protocol() == Protocol::HttpJson && transport.sends_same_bodies(transport)
}

/// Above every threshold of compression.
const MESSAGE: usize = 64 << 20;
