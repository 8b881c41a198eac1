//! The sockets of a receiver: TCP and Unix.

use std::io::{self, IoSlice};
#[cfg(unix)]
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::{io::Interest, net::UnixStream};

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// Disables the delay of small writes, which a Unix socket does not have.
    pub fn set_nodelay(&self) {
        match self {
            Self::Tcp(stream) => _ = stream.set_nodelay(true),
            #[cfg(unix)]
            Self::Unix(_) => {}
        }
    }

    /// Waits for bytes and copies them into `buf` without consuming them; 0 at the end of the stream.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.peek(buf).await,
            #[cfg(unix)]
            Self::Unix(stream) => {
                // Neither std nor tokio peeks at a Unix socket; the system does, as at any other.
                let socket = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
                loop {
                    stream.readable().await?;
                    match stream.try_io(Interest::READABLE, || socket.peek(buf)) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        peeked => return peeked,
                    }
                }
            }
        }
    }
}

/// Calls a method of the inner stream.
macro_rules! inner {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut *$self {
            Self::Tcp($stream) => $call,
            #[cfg(unix)]
            Self::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        inner!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
