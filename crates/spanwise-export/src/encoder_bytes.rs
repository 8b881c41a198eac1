//! The memory that a transport takes for a request besides the request itself.

use spanwise_transport::Transport;

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

/// Above every threshold of compression.
const MESSAGE: usize = 64 << 20;
