//! TCP connections whose writes raise no signal.
//!
//! A write to a connection that the peer has closed raises SIGPIPE, which ends a process that has
//! it at its default: a C program with Rust inside, or a Rust one that restored it. std's plain
//! writes tell the system not to; its vectored ones, which hyper prefers, do not.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

use problem::Resolver;
use sniff::ProtocolSniffer;

#[cfg_attr(unix, path = "peek_unix.rs")]
#[cfg_attr(not(unix), path = "peek_other.rs")]
mod peek;
mod problem;
mod sniff;
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

pub(crate) use problem::{ConnectProblem, os_message};
pub(crate) use sniff::{PeerObservations, PeerProtocol, PeerState};

/// Connects to what a URL names, for HTTP and below TLS.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector<Resolver>,
    observations: PeerObservations,
}

impl Connector {
    /// Records the first bytes of each peer in `observations`.
    pub(crate) fn new(observations: PeerObservations) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEP_ALIVE));
        // What runs over the connection is for those above to say.
        tcp.enforce_http(false);
        Self { tcp, observations }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Quiet>;
    type Error = ConnectProblem;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(cx).map_err(|error| ConnectProblem::of(&error))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, observations) = (self.tcp.call(uri), self.observations.clone());
        Box::pin(async move {
            let stream = connecting.await.map_err(|error| ConnectProblem::of(&error))?;
            Ok(TokioIo::new(Quiet {
                stream: stream.into_inner(),
                sniffer: observations.connected(),
            }))
        })
    }
}

/// A TCP stream whose writes raise no signal.
#[derive(Debug)]
pub(crate) struct Quiet {
    stream: TcpStream,
    sniffer: ProtocolSniffer,
}

impl Quiet {
    /// Returns `written`. After an error it first peeks at what the peer sent before it closed:
    /// who cannot write any more may never read it.
    fn peek_on_write_error<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(written, Poll::Ready(Err(_))) && !self.sniffer.is_over() {
            let mut bytes = [0; sniff::ENOUGH];
            let waiting = peek::peek(&self.stream, &mut bytes).and_then(|len| bytes.get(..len));
            self.sniffer.observe_pending(waiting.unwrap_or_default());
        }
        written
    }
}

impl Connection for Quiet {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl AsyncRead for Quiet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // A read into nothing is no end.
        if this.sniffer.is_over() || buf.remaining() == 0 {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
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

impl AsyncWrite for Quiet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
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
        vectored::IS_QUIET
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
