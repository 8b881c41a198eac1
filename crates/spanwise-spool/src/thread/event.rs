//! The answers of a spool's thread.

use std::fmt;

use crate::{Losses, RecordId, SpoolError, StoredRequest};

/// An answer or a report of a [`SpoolThread`](crate::SpoolThread), in the order of the commands.
#[non_exhaustive]
pub enum SpoolEvent {
    /// The request of [`SpoolHandle::store`](crate::SpoolHandle::store) is stored, or its spans are the
    /// caller's to account for.
    Stored {
        /// The number that the caller chose.
        token: u64,
        /// The count of spans.
        spans: u64,
        /// The reason why it is not stored.
        result: Result<(), SpoolError>,
    },
    /// The answer to [`SpoolHandle::read_next`](crate::SpoolHandle::read_next): `None` if no record is left
    /// now.
    Read(Result<Option<StoredRequest>, SpoolError>),
    /// The answer to [`SpoolHandle::read_into`](crate::SpoolHandle::read_into).
    ReadInto {
        /// The buffer, with the request appended if the outcome is [`ReadOutcome::Record`].
        buffer: Vec<u8>,
        /// The record; an error as that of [`Spool::read_next`](crate::Spool::read_next).
        result: Result<ReadOutcome, SpoolError>,
    },
    /// Spans that were on disk and are lost.
    Lost(Losses),
}

/// The record that [`SpoolHandle::read_into`](crate::SpoolHandle::read_into) read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadOutcome {
    /// The buffer has the request.
    Record {
        /// For [`SpoolHandle::acknowledge`](crate::SpoolHandle::acknowledge).
        id: RecordId,
        /// The count of its spans.
        spans: u64,
    },
    /// The request does not fit the capacity of the buffer. The record counts as read: a
    /// [`rewind`](crate::SpoolHandle::rewind) makes it the next one again.
    TooLarge {
        /// For [`SpoolHandle::acknowledge`](crate::SpoolHandle::acknowledge).
        id: RecordId,
        /// Bytes of the request.
        bytes: usize,
        /// The count of its spans.
        spans: u64,
    },
    /// No record is left now.
    Empty,
}

/// Formats no payload.
impl fmt::Debug for SpoolEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { token, spans, result } => {
                write!(f, "Stored {{ token: {token}, spans: {spans}, result: {result:?} }}")
            }
            Self::Read(result) => f.debug_tuple("Read").field(result).finish(),
            Self::ReadInto { result, .. } => f.debug_tuple("ReadInto").field(result).finish(),
            Self::Lost(losses) => f.debug_tuple("Lost").field(losses).finish(),
        }
    }
}
