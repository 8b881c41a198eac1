//! Systems without a peek that bypasses the runtime: returns nothing.

use super::Socket;

/// Returns `None`.
pub(super) fn peek(_: &Socket, _: &mut [u8]) -> Option<usize> {
    None
}

/// Returns an error: the runtime reads.
#[cfg(feature = "tls")]
pub(super) fn read(_: &Socket, _: &mut [u8]) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::WouldBlock.into())
}
