//! TCP and Unix connections whose writes raise no signal.
//!
//! A write to a connection that the peer has closed raises SIGPIPE, which ends a process that has
//! it at its default: a C program with Rust inside, or a Rust one that restored it. std's plain
//! writes suppress the signal; its vectored writes, which hyper prefers, do not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::sniff::{OpenConnection, SNIFFED_BYTES};
use super::{PeerObservations, ProtocolSniffer, Socket, peek, vectored};

/// A socket whose writes raise no signal.
#[derive(Debug)]
pub(crate) struct SigpipeFreeStream {
    stream: Socket,
    sniffer: ProtocolSniffer,
    #[expect(dead_code, reason = "held for its drop")]
    open: OpenConnection,
}

impl SigpipeFreeStream {
    /// Wraps a connection whose first bytes from its peer are recorded in `observations`.
    pub(crate) fn new(stream: Socket, observations: &PeerObservations) -> Self {
        Self { stream, sniffer: observations.connected(), open: observations.opened() }
    }

    /// Reads what has arrived, whether or not the runtime knows of it.
    #[cfg(feature = "tls")]
    pub(crate) fn read_arrived(&self, buf: &mut [u8]) -> io::Result<usize> {
        peek::read(&self.stream, buf)
    }

    /// Returns `written`. After an error it first peeks at the bytes that the peer sent before it
    /// closed: hyper may not read them after a failed write.
    fn peek_on_write_error<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(written, Poll::Ready(Err(_))) && !self.sniffer.is_over() {
            let mut bytes = [0; SNIFFED_BYTES];
            let pending = peek::peek(&self.stream, &mut bytes).and_then(|len| bytes.get(..len));
            self.sniffer.observe_pending(pending.unwrap_or_default());
        }
        written
    }
}

impl AsyncRead for SigpipeFreeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // A read into an empty buffer does not mean the end of the stream.
        if this.sniffer.is_over() || buf.remaining() == 0 {
            return this.stream.poll_read(cx, buf);
        }
        let before = buf.filled().len();
        let polled = this.stream.poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) => {
                this.sniffer.observe(buf.filled().get(before..).unwrap_or_default());
            }
            Poll::Ready(Err(_)) => this.sniffer.observe(&[]),
            Poll::Pending => {}
        }
        polled
    }
}

impl AsyncWrite for SigpipeFreeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            // std's plain writes carry the flag.
            Socket::Tcp(_) => self.stream.poll_write(cx, buf),
            // Those to Unix sockets do so from a later version of std on.
            #[cfg(unix)]
            Socket::Unix(_) => vectored::poll_write(&mut self.stream, cx, &[IoSlice::new(buf)]),
        };
        self.peek_on_write_error(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = vectored::poll_write(&mut self.stream, cx, bufs);
        self.peek_on_write_error(written)
    }

    fn is_write_vectored(&self) -> bool {
        vectored::IS_WRITE_VECTORED
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }
}
