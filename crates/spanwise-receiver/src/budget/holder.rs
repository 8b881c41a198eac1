//! The holder of charged bytes: a connection or a request.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

use tokio::sync::Notify;

/// Whoever holds bytes: a connection for its buffers, or a request for its body.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) is_connection: bool,
    pub(super) bytes: AtomicUsize,
    /// Milliseconds from the budget's birth to the last request that was finished, or to the
    /// holder's own birth.
    pub(super) since: AtomicU64,
    /// Whether a request was ever finished.
    pub(super) served: AtomicBool,
    /// Answers that the receiver owes: whoever waits for us is not slow.
    pub(super) owed: AtomicUsize,
    pub(super) evicted: AtomicBool,
    pub(super) notice: Notify,
    /// Requests of a connection that wait for memory. What came meanwhile would be held too, so
    /// nothing is read.
    pub(super) waiting: AtomicUsize,
    pub(super) reader: Mutex<Option<Waker>>,
    /// Requests of a connection.
    pub(super) open: AtomicUsize,
    /// Bytes of bodies that came; of a connection, since the last answer.
    pub(super) arrived: AtomicUsize,
}

/// What a connection is used for, the most dispensable first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// It never had an answer, and has no request.
    Never,
    /// It had one.
    Once,
    /// A request is on its way, so fast.
    Now(u64),
}

impl Holder {
    /// A holder without bytes, created at `now`.
    pub(super) fn new(is_connection: bool, now: u64) -> Self {
        Self {
            is_connection,
            bytes: AtomicUsize::new(0),
            since: AtomicU64::new(now),
            served: AtomicBool::new(false),
            owed: AtomicUsize::new(0),
            evicted: AtomicBool::new(false),
            notice: Notify::new(),
            waiting: AtomicUsize::new(0),
            reader: Mutex::new(None),
            open: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
        }
    }

    /// Bytes times the milliseconds they have been held.
    pub(super) fn weight(&self, now: u64) -> u128 {
        let age = now.saturating_sub(self.since.load(Relaxed));
        self.bytes.load(Relaxed) as u128 * u128::from(age)
    }

    pub(super) fn evictable(&self) -> bool {
        self.owed.load(Relaxed) == 0 && !self.evicted.load(Relaxed)
    }

    pub(super) fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.notice.notify_one();
    }
}
