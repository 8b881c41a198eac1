//! What waits to be read, without taking it.

use std::net;
use std::os::fd::AsFd as _;

use tokio::net::TcpStream;

/// Copies what waits to be read into `buf`, as far as there is any, and returns its length.
///
/// Asks the system at once: the runtime may not know yet that there is something.
pub(super) fn peek(stream: &TcpStream, buf: &mut [u8]) -> Option<usize> {
    // A second descriptor of the same socket, which does not block either.
    let stream = net::TcpStream::from(stream.as_fd().try_clone_to_owned().ok()?);
    stream.peek(buf).ok()
}
