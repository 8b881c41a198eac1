//! A TLS session that remembers why its peer ended it.

use std::io::{self, IoSlice, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use crate::tcp::{PeerObservations, SigpipeFreeStream};
use crate::tls::rejection;

/// A TLS session that records the alert by which a server rejects our certificate.
///
/// In TLS 1.3 the alert comes after the handshake, while a request is written. A write then fails because
/// the server has closed, before the alert is read; and HTTP/2 drops the error that the alert is in.
#[derive(Debug)]
pub(crate) struct TlsSession {
    stream: TlsStream<SigpipeFreeStream>,
    observations: PeerObservations,
    /// Whether the server has sent data, so that it accepts our certificate.
    is_accepted: bool,
}

impl TlsSession {
    pub(super) fn new(
        stream: TlsStream<SigpipeFreeStream>,
        observations: &PeerObservations,
    ) -> Self {
        Self { stream, observations: observations.clone(), is_accepted: false }
    }

    /// Returns `written`, or in place of its error the alert that the server sent before it closed.
    fn with_alert<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(_)) = &written
            && let Some(alert) = self.received_alert()
        {
            return self.recorded(Poll::Ready(Err(io::Error::other(alert))));
        }
        written
    }

    /// Records the alert in `result`, if it has one.
    fn recorded<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result
            && let Some(alert) = rejection(error)
        {
            self.observations.set_rejection(Some(alert));
        }
        result
    }

    /// Reads the records that have arrived, up to the first with data, which stays in the session.
    fn received_alert(&mut self) -> Option<rustls::Error> {
        let (socket, session) = self.stream.get_mut();
        let mut arrived = Arrived(socket);
        while session.wants_read() {
            match session.read_tls(&mut arrived) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
            if let Err(error) = session.process_new_packets() {
                return Some(error);
            }
        }
        None
    }
}

/// The bytes that a socket has received.
struct Arrived<'a>(&'a SigpipeFreeStream);

impl Read for Arrived<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read_arrived(bytes)
    }
}

impl AsyncRead for TlsSession {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if !self.is_accepted && buf.filled().len() > before {
            self.is_accepted = true;
            self.observations.set_rejection(None);
        }
        self.recorded(read)
    }
}

impl AsyncWrite for TlsSession {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.with_alert(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.with_alert(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.with_alert(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
