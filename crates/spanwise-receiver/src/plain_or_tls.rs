//! The stream of a connection: a socket, or a TLS session over it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Socket;

/// A connection, in plain text or over TLS.
#[derive(Debug)]
pub(crate) enum PlainOrTls {
    Plain(Socket),
    /// In a box: a TLS session is much larger than a socket.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<Socket>>),
}

impl PlainOrTls {
    /// Writes as much of the last bytes of a connection as the socket accepts at once.
    pub fn try_write_last(&mut self, bytes: &[u8]) {
        // No task is woken: nothing more will be written.
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(_)) = Pin::new(&mut *self).poll_write(&mut cx, bytes) {
            let _closed_either_way = Pin::new(self).poll_flush(&mut cx);
        }
    }
}

/// Calls a method of the inner stream.
macro_rules! inner {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut *$self {
            Self::Plain($stream) => $call,
            #[cfg(feature = "tls")]
            Self::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for PlainOrTls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for PlainOrTls {
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
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
