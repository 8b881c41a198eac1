//! The sockets of a receiver, TCP and Unix, and TLS sessions over them.

use std::io;
#[cfg(unix)]
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::{io::Interest, net::UnixStream};
#[cfg(unix)]
use tokio_util::either::Either;

/// A connected socket: TCP or Unix.
#[cfg(unix)]
pub(crate) type Socket = Either<TcpStream, UnixStream>;
#[cfg(not(unix))]
pub(crate) type Socket = TcpStream;

/// A connection: a socket or a TLS session, which is in a box because it is much larger.
#[cfg(feature = "tls")]
pub(crate) type Stream =
    tokio_util::either::Either<Socket, Box<tokio_rustls::server::TlsStream<Socket>>>;
#[cfg(not(feature = "tls"))]
pub(crate) type Stream = Socket;

/// Disables the delay of small writes, which a Unix socket does not have.
pub(crate) fn set_nodelay(socket: &Socket) {
    #[cfg(unix)]
    let Either::Left(socket) = socket else { return };
    _ = socket.set_nodelay(true);
}

/// Waits for bytes and copies them into `buf` without consuming them; 0 at the end of the stream.
pub(crate) async fn peek(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    #[cfg(unix)]
    match socket {
        Either::Left(stream) => stream.peek(buf).await,
        Either::Right(stream) => {
            loop {
                stream.readable().await?;
                // Neither std nor tokio peeks at a Unix socket; the system does, as at any other. A
                // connection without bytes has one descriptor only.
                let socket = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
                match stream.try_io(Interest::READABLE, || socket.peek(buf)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    peeked => return peeked,
                }
            }
        }
    }
    #[cfg(not(unix))]
    socket.peek(buf).await
}

/// Writes as much of the last bytes of a connection as the socket accepts at once.
pub(crate) fn try_write_last(mut stream: impl AsyncWrite + Unpin, bytes: &[u8]) {
    // No task is woken: nothing more will be written.
    let mut cx = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(_)) = Pin::new(&mut stream).poll_write(&mut cx, bytes) {
        let _closed_either_way = Pin::new(&mut stream).poll_flush(&mut cx);
    }
}
