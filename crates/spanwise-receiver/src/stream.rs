//! The socket of a connection, with limits on the reads of hyper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

use crate::frames::{Frames, go_away};
use crate::limits::READ_BUFFER;
use crate::socket::{Stream, try_write_last};
use crate::watch::Watch;

/// A socket that reads no more than its connection is charged for, yields to other connections, and
/// ends a flood.
///
/// hyper sizes its buffers by what it reads, so a bound on reads is a bound on buffers.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: Take<Stream>,
    watch: Arc<Watch>,
    reader: Reader,
    /// Maximum of bytes between HTTP/1 requests.
    max_idle: usize,
    turn: Turn,
    /// Whether the last write was partial, so that no frame can be inserted now.
    is_writing: bool,
}

/// The reads since the task was last polled. hyper polls a connection for every request that it
/// reads, so a pause lasts until the task itself is polled again.
#[derive(Debug, Default)]
struct Turn {
    number: u64,
    bytes: usize,
    frames: usize,
}

#[derive(Debug)]
enum Reader {
    /// Reads are small until a body fills one and a larger buffer is charged.
    Http1 { is_wide: bool },
    /// The size of reads is fixed at the start of the connection.
    Http2 { frames: Frames, read: usize },
}

impl Metered {
    /// An HTTP/1 connection. More than `max_idle` bytes between two requests are a flood.
    pub fn http1(stream: Stream, watch: Arc<Watch>, max_idle: usize) -> Self {
        Self::new(stream, watch, Reader::Http1 { is_wide: false }, max_idle)
    }

    /// An HTTP/2 connection that is charged for frames of up to `frame_bytes`.
    pub fn http2(
        stream: Stream,
        watch: Arc<Watch>,
        frame_bytes: usize,
        max_header_block: usize,
    ) -> Self {
        let frames = Frames::new(max_header_block);
        Self::new(stream, watch, Reader::Http2 { frames, read: frame_bytes }, 0)
    }

    fn new(stream: Stream, watch: Arc<Watch>, reader: Reader, max_idle: usize) -> Self {
        let stream = stream.take(0);
        Self { stream, watch, reader, max_idle, turn: Turn::default(), is_writing: false }
    }

    /// Maximum of bytes of the next read.
    fn max_read(&self) -> usize {
        match &self.reader {
            // Small reads between requests, because one read may contain many requests.
            Reader::Http1 { is_wide } if *is_wide && self.watch.is_busy() => READ_BUFFER,
            Reader::Http1 { .. } => NARROW,
            // Large reads are for large frames; a read with a small frame may contain many frames.
            Reader::Http2 { frames, read } => frames.remaining().min(*read).max(NARROW_FRAMES),
        }
    }

    fn account(&mut self, bytes: &[u8], max: usize) -> io::Result<()> {
        match &mut self.reader {
            Reader::Http1 { is_wide } => {
                self.watch.receive(bytes.len(), self.max_idle);
                let is_full = bytes.len() == max;
                if is_full && !*is_wide && self.watch.is_busy() {
                    // One buffer for reads, and one that a body still holds.
                    *is_wide = self.watch.charge().try_grow_buffer(2 * READ_BUFFER);
                }
            }
            Reader::Http2 { frames, .. } => match frames.parse(bytes) {
                Some(tally) => {
                    self.watch.spend(tally.cost);
                    self.turn.bytes += bytes.len();
                    self.turn.frames += tally.frames;
                }
                None => self.watch.flood(),
            },
        }
        if self.watch.is_flooded() {
            self.send_go_away();
            return Err(io::Error::other(FLOOD));
        }
        Ok(())
    }

    /// Sends an HTTP/2 client the reason of the close, if the socket accepts it at once.
    fn send_go_away(&mut self) {
        let Reader::Http2 { frames, .. } = &self.reader else { return };
        if !self.is_writing {
            let frame = go_away(frames.last_stream(), FLOOD.as_bytes());
            try_write_last(self.stream.get_mut(), &frame);
        }
    }

    fn record_write(
        &mut self,
        written: Poll<io::Result<usize>>,
        of: usize,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(len)) = written {
            self.is_writing = len < of;
        }
        written
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let max = this.max_read();
        let turn = match &this.reader {
            Reader::Http1 { .. } => usize::MAX,
            Reader::Http2 { read, .. } => *read,
        };
        if this.watch.charge().is_paused(cx) {
            return Poll::Pending;
        }
        // A client that sends much waits until its requests are handled.
        let number = this.watch.turns();
        if this.turn.number != number {
            this.turn = Turn { number, ..Turn::default() };
        }
        if this.turn.bytes >= turn || this.turn.frames >= TURN_FRAMES {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.stream.set_limit(max as u64);
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        Poll::Ready(this.account(&buf.filled()[before..], max))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(self.stream.get_mut()).poll_write(cx, buf);
        self.record_write(written, buf.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs);
        self.record_write(written, bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }
}

/// Size of the reads of every connection, whatever memory is left.
const NARROW: usize = 8 << 10;
/// The same for HTTP/2, whose largest frame has at least this size.
const NARROW_FRAMES: usize = 16 << 10;
const TURN_FRAMES: usize = 64;
const FLOOD: &str = "too many frames or requests without an export";
