//! The commands that wait for the thread of a spool.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{CompressedRequest, RecordId, SpoolError, SpoolStats};

/// A request that waits for its compression.
pub(super) struct Request {
    pub(super) token: u64,
    pub(super) spans: u64,
    pub(super) len: usize,
    pub(super) bytes: Box<dyn AsRef<[u8]> + Send>,
}

/// A command for the thread that owns the spool.
pub(super) enum Command {
    Store(Compressed),
    Read,
    ReadInto(Vec<u8>),
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

/// A request, or a command behind requests.
pub(super) enum Item {
    Request(Request),
    Command(Command),
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
    /// Requests that are not compressed, and the commands behind them, which must not overtake them. Until the
    /// spool is open, everything.
    items: VecDeque<Item>,
    commands: VecDeque<Command>,
    /// Bytes of requests that are not stored yet, before compression.
    bytes: usize,
    /// The part of `bytes` that is compressed.
    compressed_bytes: usize,
    /// The thread that compresses has a request.
    is_compressing: bool,
    /// The thread that compresses takes items; before, the one that opens the spool does.
    is_open: bool,
    /// Nothing is added any more.
    is_closed: bool,
    /// All requests became commands.
    is_compressed: bool,
    stats: SpoolStats,
}

/// The next item or command for a thread.
pub(super) enum Next<T> {
    Item(T),
    /// None arrived in time.
    Idle,
    /// None will arrive.
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
        let len = request.as_ref().len();
        let mut state = self.lock();
        let has_space = state.bytes == 0 || state.bytes.saturating_add(len) <= self.max_bytes;
        if state.is_closed || !has_space {
            return Err(request);
        }
        state.bytes = state.bytes.saturating_add(len);
        let request = Request { token, spans, len, bytes: Box::new(request) };
        self.add(state, Item::Request(request));
        Ok(())
    }

    /// Adds a command without a request; returns it if the queue is closed.
    pub(super) fn push(&self, command: Command) -> Result<(), Command> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(command);
        }
        if state.is_open && state.items.is_empty() && !state.is_compressing {
            state.commands.push_back(command);
            drop(state);
            self.for_spool.notify_one();
        } else {
            self.add(state, Item::Command(command));
        }
        Ok(())
    }

    fn add(&self, mut state: MutexGuard<'_, State>, item: Item) {
        state.items.push_back(item);
        let is_open = state.is_open;
        drop(state);
        if is_open {
            self.for_compressor.notify_one();
        } else {
            self.for_spool.notify_one();
        }
    }

    /// Takes an item before the spool is open, for which it waits at most `timeout`.
    pub(super) fn next_item(&self, timeout: Duration) -> Next<Item> {
        let is_idle = |state: &mut State| state.items.is_empty() && !state.is_closed;
        let waited = self.for_spool.wait_timeout_while(self.lock(), timeout, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.items.pop_front() {
            Some(item) => Next::Item(item),
            None if state.is_closed => Next::Closed,
            None => Next::Idle,
        }
    }

    /// The spool is open, and the thread that compresses takes items from now on.
    pub(super) fn opened(&self, stats: SpoolStats) {
        let mut state = self.lock();
        state.is_open = true;
        state.stats = stats;
        drop(state);
        self.for_compressor.notify_one();
    }

    /// Takes the next request to compress; `None` once the queue is closed and empty. Waits while the disk is
    /// far behind: compressed requests are memory that their owners do not account for.
    pub(super) fn next_request(&self) -> Option<Request> {
        let mut state = self.lock();
        loop {
            while state.compressed_bytes < MAX_COMPRESSED_BYTES
                && let Some(item) = state.items.pop_front()
            {
                match item {
                    Item::Request(request) => {
                        state.is_compressing = true;
                        return Some(request);
                    }
                    Item::Command(command) => {
                        state.commands.push_back(command);
                        self.for_spool.notify_one();
                    }
                }
            }
            if state.items.is_empty() && state.is_closed {
                return None;
            }
            state = self.for_compressor.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Adds a compressed request for the thread that owns the spool.
    pub(super) fn compressed(&self, compressed: Compressed) {
        let mut state = self.lock();
        state.is_compressing = false;
        state.compressed_bytes = state.compressed_bytes.saturating_add(compressed.bytes);
        state.commands.push_back(Command::Store(compressed));
        drop(state);
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
    pub(super) fn next(&self, timeout: Duration) -> Next<Command> {
        let is_idle = |state: &mut State| state.commands.is_empty() && !state.is_compressed;
        let waited = self.for_spool.wait_timeout_while(self.lock(), timeout, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.commands.pop_front() {
            Some(command) => Next::Item(command),
            None if state.is_compressed => Next::Closed,
            None => Next::Idle,
        }
    }

    /// Whether the next command is a request, which can share the sync of those before.
    pub(super) fn is_store_next(&self) -> bool {
        matches!(self.lock().commands.front(), Some(Command::Store { .. }))
    }

    /// Frees the bytes of a request that is stored or refused, and publishes the counts.
    pub(super) fn finished(&self, bytes: usize, stats: SpoolStats) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.compressed_bytes = state.compressed_bytes.saturating_sub(bytes);
        state.stats = stats;
        drop(state);
        if bytes > 0 {
            self.for_compressor.notify_one();
        }
    }

    /// Accepts nothing more; requests and commands in the queue are executed.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let is_open = state.is_open;
        drop(state);
        self.for_compressor.notify_one();
        if !is_open {
            self.for_spool.notify_one();
        }
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

/// Bytes of requests that are compressed ahead of the disk: those of one sync, and those of the next.
const MAX_COMPRESSED_BYTES: usize = 2 << 20;
