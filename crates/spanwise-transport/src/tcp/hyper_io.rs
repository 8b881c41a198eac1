//! Adapts tokio streams to hyper's I/O traits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Adapts a tokio stream to hyper's [`Read`] and [`Write`], and shows an observer the bytes that are read.
#[derive(Debug)]
pub(crate) struct HyperIo<T, O = ()> {
    stream: T,
    observer: O,
}

/// An observer of the bytes that a peer sends.
pub(crate) trait ReadObserver {
    /// Observes the next `bytes`. An error ends the connection.
    fn observe(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl ReadObserver for () {
    fn observe(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl<T> HyperIo<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self { stream, observer: () }
    }

    /// The same stream with an observer.
    pub(crate) fn with_observer<O>(self, observer: O) -> HyperIo<T, O> {
        HyperIo { stream: self.stream, observer }
    }
}

impl<T: AsyncRead + Unpin, O: ReadObserver + Unpin> Read for HyperIo<T, O> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Responses are small: a copy of them costs less than `unsafe` that fills hyper's buffer.
        let mut bytes = [0; COPIED];
        let len = cursor.remaining().min(COPIED);
        let mut buf = ReadBuf::new(bytes.get_mut(..len).unwrap_or_default());
        let this = &mut *self;
        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf))?;
        this.observer.observe(buf.filled())?;
        cursor.put_slice(buf.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin, O: Unpin> Write for HyperIo<T, O> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Bytes of one read: as many as hyper's buffer begins with.
const COPIED: usize = 8 << 10;
