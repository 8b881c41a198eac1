//! Peeks at the receive buffer of a socket.

use std::net;
use std::os::fd::AsFd as _;

use tokio::net::TcpStream;

/// Copies the bytes in the receive buffer into `buf` without consuming them, and returns their
/// length.
///
/// Calls the system at once: the runtime may not have received the readiness event yet.
pub(super) fn peek(stream: &TcpStream, buf: &mut [u8]) -> Option<usize> {
    // A second descriptor of the same socket, which does not block either.
    let stream = net::TcpStream::from(stream.as_fd().try_clone_to_owned().ok()?);
    stream.peek(buf).ok()
}
