//! TCP and Unix connections whose writes raise no signal.
//!
//! A write to a connection that the peer has closed raises SIGPIPE, which ends a process that has
//! it at its default: a C program with Rust inside, or a Rust one that restored it. std's plain
//! writes suppress the signal; its vectored writes, which hyper prefers, do not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

mod connect;
mod hyper_io;
#[cfg_attr(unix, path = "peek_unix.rs")]
#[cfg_attr(not(unix), path = "peek_other.rs")]
mod peek;
mod problem;
mod resolve;
mod sniff;
mod socket;
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
))]
#[path = "flagged.rs"]
mod vectored;
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
)))]
#[path = "other.rs"]
mod vectored;

pub(crate) use connect::connect;
#[cfg(unix)]
pub(crate) use connect::connect_unix;
pub(crate) use hyper_io::HyperIo;
#[cfg(feature = "grpc")]
pub(crate) use hyper_io::ReadObserver;
pub(crate) use problem::{CONNECT_TIMEOUT, ConnectProblem, os_message};
pub(crate) use sniff::{PeerObservations, PeerProtocol, PeerState, ProtocolSniffer};
pub(crate) use socket::Socket;

/// The host of an `http` or `https` URL, without the brackets of an IPv6 address, and its port.
pub(crate) fn host_and_port(uri: &Uri) -> (&str, u16) {
    let host = uri.host().unwrap_or_default();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    (address.unwrap_or(host), uri.port_u16().unwrap_or(default))
}

/// A socket whose writes raise no signal.
#[derive(Debug)]
pub(crate) struct SigpipeFreeStream {
    stream: Socket,
    sniffer: ProtocolSniffer,
}

impl SigpipeFreeStream {
    /// Wraps a connection whose first bytes from its peer are recorded in `observations`.
    pub(crate) fn new(stream: Socket, observations: &PeerObservations) -> Self {
        Self { stream, sniffer: observations.connected() }
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
            let mut bytes = [0; sniff::SNIFFED_BYTES];
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
