//! What a connection has been doing, to tell when it is only in the way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::body::FOREVER;

/// When a connection last did something useful.
///
/// hyper's own header timeout also runs while a kept connection rests between requests, and
/// would cut it there; here a head is timed from its first byte.
#[derive(Debug)]
pub(crate) struct Watch {
    born: Instant,
    heads: bool,
    requests: AtomicU64,
    /// Milliseconds from `born` to the end of the last request.
    resting: AtomicU64,
    /// Milliseconds from `born` to the first byte of a head, or [`NEVER`].
    head: AtomicU64,
}

impl Watch {
    /// A watch that starts now. With `heads`, bytes between requests are the head of the next:
    /// so it is in HTTP/1, where HTTP/2 has pings too.
    pub fn new(heads: bool) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            heads,
            requests: AtomicU64::new(0),
            resting: AtomicU64::new(0),
            head: AtomicU64::new(NEVER),
        })
    }

    /// Marks a request as being answered until the result is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.head.store(NEVER, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Whether a request is being answered.
    pub fn is_busy(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// When the connection will be overdue if nothing happens; `None` during a request.
    pub fn deadline(&self, header_timeout: Duration, idle_timeout: Duration) -> Option<Instant> {
        if self.is_busy() {
            return None;
        }
        let (since, allowed) = match self.head.load(Relaxed) {
            NEVER => (self.resting.load(Relaxed), idle_timeout),
            head => (head, header_timeout),
        };
        Some(self.born + Duration::from_millis(since) + allowed.min(FOREVER))
    }

    fn heard(&self) {
        if self.heads && !self.is_busy() && self.head.load(Relaxed) == NEVER {
            self.head.store(self.now(), Relaxed);
        }
    }

    fn now(&self) -> u64 {
        // Half a billion years before it wraps.
        self.born.elapsed().as_millis() as u64
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Watch>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.resting.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// A connection that tells its watch what it hears.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TcpStream,
    watch: Arc<Watch>,
}

impl Watched {
    pub fn new(stream: TcpStream, watch: Arc<Watch>) -> Self {
        Self { stream, watch }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.heard();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_head_is_timed_from_its_first_byte_and_rest_from_the_last_answer() {
        let watch = Watch::new(true);
        let start = Instant::now();
        let due = |watch: &Watch| watch.deadline(HEADER, IDLE).map(|due| due - start);
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(due(&watch), seconds(60));
        advance(Duration::from_secs(5)).await;
        watch.heard();
        advance(Duration::from_secs(5)).await;
        watch.heard();
        assert_eq!(due(&watch), seconds(15));
        let one = watch.begin();
        let two = watch.begin();
        watch.heard();
        assert_eq!(due(&watch), None);
        advance(Duration::from_secs(100)).await;
        drop(one);
        assert_eq!(due(&watch), None);
        drop(two);
        assert_eq!(due(&watch), seconds(110 + 60));
    }

    #[tokio::test(start_paused = true)]
    async fn without_heads_only_requests_count() {
        let watch = Watch::new(false);
        advance(Duration::from_secs(5)).await;
        watch.heard();
        assert_eq!(watch.deadline(HEADER, IDLE), Some(watch.born + IDLE));
        assert!(watch.deadline(HEADER, Duration::MAX).is_some());
    }
}
