//! The commands that wait for the thread of a spool.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{CompressedRequest, Losses, RecordId, SpoolError, SpoolStats, StoredRequest};

/// An answer or a report of a [`SpoolThread`](crate::SpoolThread), in the order of the commands.
#[derive(Debug)]
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
    /// Spans that were on disk and are lost.
    Lost(Losses),
}

/// A request that waits for its compression.
pub(super) struct Request {
    pub(super) token: u64,
    pub(super) spans: u64,
    pub(super) bytes: Box<dyn AsRef<[u8]> + Send>,
}

/// A command for the thread that owns the spool.
pub(super) enum Command {
    Store(Compressed),
    Read,
    Acknowledge(RecordId),
    Rewind,
}

/// A request after its compression.
pub(super) struct Compressed {
    pub(super) token: u64,
    pub(super) spans: u64,
    /// Bytes before compression.
    pub(super) bytes: usize,
    pub(super) request: Result<CompressedRequest, SpoolError>,
}

/// The queues between the handles, the thread that compresses and the thread that owns the spool. No thread
/// holds the lock while it compresses or waits for the disk.
pub(super) struct Queue {
    max_bytes: usize,
    state: Mutex<State>,
    for_compressor: Condvar,
    for_spool: Condvar,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    commands: VecDeque<Command>,
    /// Bytes of requests that are not stored yet, before compression.
    bytes: usize,
    /// Nothing is added any more.
    is_closed: bool,
    /// All requests became commands.
    is_compressed: bool,
    stats: SpoolStats,
}

/// The next command for the thread that owns the spool.
pub(super) enum Next {
    Command(Command),
    /// No command arrived in time.
    Idle,
    /// No command will arrive.
    Closed,
}

impl Queue {
    pub(super) fn new(max_bytes: usize, stats: SpoolStats) -> Self {
        let state = State { stats, ..State::default() };
        Self {
            max_bytes,
            state: Mutex::new(state),
            for_compressor: Condvar::new(),
            for_spool: Condvar::new(),
        }
    }

    /// Adds a request; returns it if the queue has no space or is closed. A request that is larger than the
    /// queue enters an empty one.
    pub(super) fn store<R>(&self, token: u64, request: R, spans: u64) -> Result<(), R>
    where
        R: AsRef<[u8]> + Send + 'static,
    {
        let bytes = request.as_ref().len();
        let mut state = self.lock();
        let has_space = state.bytes == 0 || state.bytes.saturating_add(bytes) <= self.max_bytes;
        if state.is_closed || !has_space {
            return Err(request);
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.requests.push_back(Request { token, spans, bytes: Box::new(request) });
        drop(state);
        self.for_compressor.notify_one();
        Ok(())
    }

    /// Adds a command without a request; `false` if the queue is closed.
    pub(super) fn push(&self, command: Command) -> bool {
        let mut state = self.lock();
        if state.is_closed {
            return false;
        }
        state.commands.push_back(command);
        drop(state);
        self.for_spool.notify_one();
        true
    }

    /// Takes the next request to compress; `None` once the queue is closed and empty.
    pub(super) fn next_request(&self) -> Option<Request> {
        let is_idle = |state: &mut State| state.requests.is_empty() && !state.is_closed;
        let waited = self.for_compressor.wait_while(self.lock(), is_idle);
        waited.unwrap_or_else(PoisonError::into_inner).requests.pop_front()
    }

    /// Adds a compressed request for the thread that owns the spool.
    pub(super) fn compressed(&self, compressed: Compressed) {
        self.lock().commands.push_back(Command::Store(compressed));
        self.for_spool.notify_one();
    }

    /// The thread that compresses has ended.
    pub(super) fn compressor_ended(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.is_compressed = true;
        drop(state);
        self.for_spool.notify_one();
    }

    /// Takes the next command, for which it waits at most `timeout`.
    pub(super) fn next(&self, timeout: Duration) -> Next {
        let is_idle = |state: &mut State| state.commands.is_empty() && !state.is_compressed;
        let waited = self.for_spool.wait_timeout_while(self.lock(), timeout, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.commands.pop_front() {
            Some(command) => Next::Command(command),
            None if state.is_compressed => Next::Closed,
            None => Next::Idle,
        }
    }

    /// Whether the next command is a request, which can share the sync of those before.
    pub(super) fn is_store_next(&self) -> bool {
        matches!(self.lock().commands.front(), Some(Command::Store { .. }))
    }

    /// Frees the bytes of requests that are stored or refused, and publishes the counts.
    pub(super) fn finished(&self, bytes: usize, stats: SpoolStats) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.stats = stats;
    }

    /// Accepts nothing more; requests and commands in the queue are executed.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.for_compressor.notify_one();
    }

    pub(super) fn stats(&self) -> SpoolStats {
        self.lock().stats
    }

    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
