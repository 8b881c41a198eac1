//! The spool behind an exporter: a store of requests on disk, as the state machine and the exporter's thread see it.

use crate::spool_usage::SpoolUsage;
use spanwise_transport::FramedRequest;
use spanwise_worker::Notifier;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A spool: a store of requests on disk that an exporter fills while the receiver does not accept them, and sends again, in order,
/// once it does. Set it by [`ExporterBuilder::with_spool`](crate::ExporterBuilder::with_spool).
///
/// All methods but [`usage`](Self::usage) run on the exporter's thread, and all return at once: file operations are for a thread of the
/// spool's own. A panic in them is caught, and ends the turn of the exporter.
pub trait RequestSpool: Send + 'static {
    /// Takes a command, which the spool's thread carries out in order. Each [`Store`](SpoolCommand::Store) and each
    /// [`Read`](SpoolCommand::Read) has one event as its answer.
    fn submit(&mut self, command: SpoolCommand);

    /// The next event, if there is one.
    fn next_event(&mut self) -> Option<SpoolEvent>;

    /// Sets the notifier of the exporter's thread, to be notified after each event.
    fn set_notifier(&mut self, notifier: Notifier) {
        let _polled = notifier;
    }

    /// How full the spool is, for the metrics; asked once, before the exporter starts. Default: unknown, and the metrics lack it.
    fn usage(&self) -> Option<SpoolUsage> {
        None
    }
}

/// A command to a [`RequestSpool`].
#[non_exhaustive]
pub enum SpoolCommand {
    /// Store this request, and answer with [`SpoolEvent::Stored`] once it survives a crash.
    Store {
        /// Identifies the request in the answer.
        id: u64,
        /// The request. Its memory is charged to the exporter's budget until the last clone is dropped.
        request: FramedRequest,
        /// Its number of spans.
        spans: u64,
    },
    /// Read the record that was stored first, of those that are neither acknowledged nor read, and answer with
    /// [`SpoolEvent::Record`], [`SpoolEvent::RecordTooLarge`], [`SpoolEvent::Empty`] or [`SpoolEvent::ReadFailed`]. One record is read at a time.
    Read {
        /// Append the request to these bytes, within their capacity, which is charged to the exporter's budget.
        buffer: Vec<u8>,
    },
    /// The record that was read last has its outcomes: it need not be stored any longer.
    Acknowledge,
    /// The record that was read last was not delivered: it is the next one to read again.
    Rewind,
    /// The exporter ends: complete the commands before this one, at most until this instant, [rewind](Self::Rewind) a record that is
    /// neither acknowledged nor rewound, and answer with [`SpoolEvent::Closed`].
    Close(Instant),
}

/// An event of a [`RequestSpool`].
#[non_exhaustive]
pub enum SpoolEvent {
    /// The spool is open: it has read what earlier processes left.
    Opened(SpoolRecovery),
    /// The spool cannot be opened, or its thread has ended: the exporter does without it.
    Unavailable {
        /// The reason, without secrets and payload.
        error: Arc<str>,
    },
    /// The answer to [`SpoolCommand::Store`].
    Stored {
        /// The request.
        id: u64,
        /// Whether it survives a crash. Otherwise its spans are lost, with the reason.
        result: Result<(), Arc<str>>,
    },
    /// The answer to [`SpoolCommand::Read`]: a record. Its spans do not count as lost while the exporter has it: until
    /// [`SpoolCommand::Acknowledge`] or [`SpoolCommand::Rewind`].
    Record {
        /// The buffer, with the request appended.
        buffer: Vec<u8>,
        /// Its number of spans.
        spans: u64,
    },
    /// The answer to [`SpoolCommand::Read`]: the record does not fit. It stays the next one, and is read as [`Record`](Self::Record) is
    /// for [`SpoolCommand::Acknowledge`] and [`SpoolCommand::Rewind`].
    RecordTooLarge {
        /// The buffer, as it was.
        buffer: Vec<u8>,
        /// Bytes of the request.
        bytes: usize,
        /// Its number of spans.
        spans: u64,
    },
    /// The answer to [`SpoolCommand::Read`]: there is no record.
    Empty {
        /// The buffer, as it was.
        buffer: Vec<u8>,
    },
    /// The answer to [`SpoolCommand::Read`]: the next record cannot be read now. A later read may succeed.
    ReadFailed {
        /// The buffer, as it was.
        buffer: Vec<u8>,
        /// The reason, without secrets and payload.
        error: Arc<str>,
    },
    /// Spans that were on disk are lost.
    Lost(SpoolLosses),
    /// An operation failed. It costs no span by itself.
    Failed {
        /// The reason, without secrets and payload.
        error: Arc<str>,
    },
    /// The answer to [`SpoolCommand::Close`].
    Closed,
}

/// The spans of earlier processes, as a spool finds them when it is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolRecovery {
    /// Spans on disk, which are sent once the receiver accepts requests.
    pub spans: u64,
    /// Spans on disk in records that are damaged: lost, as [`DropReason::SpoolIo`](spanwise_ledger::DropReason::SpoolIo).
    pub damaged: u64,
    /// The spans that the process before had in memory when it ended without a shutdown.
    pub crash: CrashLoss,
}

/// The spans that a process lost in a crash: lost, as [`DropReason::Crash`](spanwise_ledger::DropReason::Crash).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashLoss {
    /// The number that the ledger counts.
    pub spans: u64,
    /// At least this number was lost.
    pub min: u64,
    /// At most this number was lost; `None`: unknown.
    pub max: Option<u64>,
    /// The age that the number may have: what the process created and exported in this time before the crash is not in it. `None`:
    /// unknown.
    pub uncertainty: Option<Duration>,
}

/// Spans that were on disk and are lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolLosses {
    /// Removed for newer ones, because the spool had its maximum of bytes.
    pub evicted: u64,
    /// Removed because of their age.
    pub expired: u64,
    /// Damaged, or not readable.
    pub io: u64,
}

impl SpoolRecovery {
    /// `spans` spans are on disk.
    #[must_use]
    pub fn new(spans: u64) -> Self {
        Self { spans, ..Self::default() }
    }

    /// Sets [`damaged`](Self::damaged).
    #[must_use]
    pub fn with_damaged(mut self, spans: u64) -> Self {
        self.damaged = spans;
        self
    }

    /// Sets [`crash`](Self::crash).
    #[must_use]
    pub fn with_crash(mut self, crash: CrashLoss) -> Self {
        self.crash = crash;
        self
    }
}

impl CrashLoss {
    /// Between `min` and `max` spans were lost, of which the ledger counts `spans`, by counts that are at most this old.
    #[must_use]
    pub fn new(spans: u64, (min, max): (u64, Option<u64>), uncertainty: Option<Duration>) -> Self {
        Self { spans, min, max, uncertainty }
    }

    /// Whether [`spans`](Self::spans) is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.max == Some(self.min)
    }
}

impl SpoolLosses {
    /// The lost spans by their reason.
    #[must_use]
    pub fn new(evicted: u64, expired: u64, io: u64) -> Self {
        Self { evicted, expired, io }
    }

    /// All lost spans.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.evicted.saturating_add(self.expired).saturating_add(self.io)
    }
}

/// Formats no payload.
impl fmt::Debug for SpoolCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { id, request, spans } => {
                let bytes = request.message().len();
                write!(f, "Store {{ id: {id}, bytes: {bytes}, spans: {spans} }}")
            }
            Self::Read { buffer } => write!(f, "Read {{ capacity: {} }}", buffer.capacity()),
            Self::Acknowledge => f.write_str("Acknowledge"),
            Self::Rewind => f.write_str("Rewind"),
            Self::Close(_) => f.write_str("Close"),
        }
    }
}

/// Formats no payload.
impl fmt::Debug for SpoolEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(recovery) => f.debug_tuple("Opened").field(recovery).finish(),
            Self::Unavailable { error } => write!(f, "Unavailable({error:?})"),
            Self::Stored { id, result } => write!(f, "Stored({id}, {result:?})"),
            Self::Record { buffer, spans } => {
                write!(f, "Record {{ bytes: {}, spans: {spans} }}", buffer.len())
            }
            Self::RecordTooLarge { bytes, spans, .. } => {
                write!(f, "RecordTooLarge {{ bytes: {bytes}, spans: {spans} }}")
            }
            Self::Empty { .. } => f.write_str("Empty"),
            Self::ReadFailed { error, .. } => write!(f, "ReadFailed({error:?})"),
            Self::Lost(losses) => f.debug_tuple("Lost").field(losses).finish(),
            Self::Failed { error } => write!(f, "Failed({error:?})"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}

/// Formats the number of spans, and how certain it is: `12 spans (exact)`.
impl fmt::Display for CrashLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans = self.spans;
        write!(f, "{spans} {}", if spans == 1 { "span" } else { "spans" })?;
        match (self.is_exact(), self.uncertainty) {
            (true, _) => return f.write_str(" (exact)"),
            (false, Some(age)) => write!(f, " (by counts of at most {age:?} before the crash")?,
            (false, None) => f.write_str(" (by counts of unknown age")?,
        }
        match self.max {
            Some(max) => write!(f, "; {} to {max})", self.min),
            None => write!(f, "; at least {})", self.min),
        }
    }
}
