//! The receive buffer of a socket, read past the runtime.

use std::io;
use std::net;
use std::os::fd::AsFd as _;

use super::Socket;

/// Copies the bytes in the receive buffer into `buf` without consuming them, and returns their
/// length.
pub(super) fn peek(socket: &Socket, buf: &mut [u8]) -> Option<usize> {
    descriptor(socket).ok()?.peek(buf).ok()
}

/// Reads the bytes in the receive buffer into `buf`, and returns their length.
#[cfg(feature = "tls")]
pub(super) fn read(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    io::Read::read(&mut descriptor(socket)?, buf)
}

/// A second descriptor of the same socket, which does not block either.
///
/// Its calls reach the system at once: the runtime may not have received the readiness event yet. std
/// peeks at TCP sockets alone, by a call that any socket has.
fn descriptor(socket: &Socket) -> io::Result<net::TcpStream> {
    let descriptor = match socket {
        Socket::Tcp(stream) => stream.as_fd(),
        Socket::Unix(stream) => stream.as_fd(),
    };
    descriptor.try_clone_to_owned().map(net::TcpStream::from)
}
