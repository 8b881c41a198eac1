//! Why a span was not stored.

use std::fmt;

/// Why a span was not stored.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError {
    /// The byte budget is used up, or no more chunks can wait for the worker; also for a span that
    /// [never fits](crate::ShardedBuffer::can_fit).
    Budget,
    /// The queue holds [`max_queue_size`](crate::ShardedBufferConfig::max_queue_size) spans.
    QueueFull,
    /// Every slot was taken and there was no room to spill.
    Contended,
    /// [`ShardedBuffer::close`](crate::ShardedBuffer::close) was called.
    Closed,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the span was not stored: the byte budget is used up, or the span is larger than it",
            Self::QueueFull => "the span was not stored: the queue holds `max_queue_size` spans",
            Self::Contended => "the span was not stored: every slot was taken, and the room for spilled spans is full",
            Self::Closed => "the span was not stored: the shards are closed",
        })
    }
}

/// As it reads in `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for PushError {}
