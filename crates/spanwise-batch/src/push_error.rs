//! The error of a push.

use std::fmt;

/// Error of a push: the reason why the span was not stored.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError {
    /// The byte budget is used up, or the queue of full chunks is full, or the span is one that
    /// [never fits](crate::ShardedBuffer::can_fit).
    Budget,
    /// The queue holds [`max_queue_size`](crate::ShardedBufferConfig::max_queue_size) spans.
    QueueFull,
    /// Other threads held every slot and the spill queue was full.
    Contended,
    /// [`ShardedBuffer::close`](crate::ShardedBuffer::close) was called.
    Closed,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the span was not stored: the byte budget is used up, or the span is larger than it",
            Self::QueueFull => "the span was not stored: the queue holds `max_queue_size` spans",
            Self::Contended => "the span was not stored: other threads held every slot, and the spill queue is full",
            Self::Closed => "the span was not stored: the buffer is closed",
        })
    }
}

/// Formats as `Display` does, because `main` prints the `Debug` of its error.
impl fmt::Debug for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for PushError {}
