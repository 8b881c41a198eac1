//! The holder of charged bytes: a connection or a request.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

use tokio::sync::Notify;

/// A holder of bytes: a connection for its buffers and its TLS session, or a request for its body.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) is_connection: bool,
    pub(super) bytes: AtomicUsize,
    /// Milliseconds from the creation of the budget to the end of the last request, or to the
    /// creation of the holder.
    pub(super) since: AtomicU64,
    /// Whether a request has finished.
    pub(super) served: AtomicBool,
    /// Pending responses: a client that waits for the receiver is not slow.
    pub(super) pending: AtomicUsize,
    pub(super) evicted: AtomicBool,
    pub(super) notice: Notify,
    /// Requests of a connection that wait for memory. Further bytes would need memory too, so the
    /// receiver reads none meanwhile.
    pub(super) waiting: AtomicUsize,
    pub(super) reader: Mutex<Option<Waker>>,
    /// Open requests of a connection.
    pub(super) open: AtomicUsize,
    /// Received bytes of bodies; for a connection, those since the last response.
    pub(super) arrived: AtomicUsize,
}

/// The use of a connection, in the order of eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// It never got a response, and has no open request.
    Never,
    /// It got a response, and has no open request.
    Once,
    /// It receives a request, at this rate in bytes per day.
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
            pending: AtomicUsize::new(0),
            evicted: AtomicBool::new(false),
            notice: Notify::new(),
            waiting: AtomicUsize::new(0),
            reader: Mutex::new(None),
            open: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
        }
    }

    /// Bytes times the milliseconds since `since`.
    pub(super) fn weight(&self, now: u64) -> u128 {
        let age = now.saturating_sub(self.since.load(Relaxed));
        self.bytes.load(Relaxed) as u128 * u128::from(age)
    }

    pub(super) fn evictable(&self) -> bool {
        self.pending.load(Relaxed) == 0 && !self.evicted.load(Relaxed)
    }

    /// Whether it returns its bytes soon: it is evicted, and has no pending response.
    pub(super) fn is_leaving(&self) -> bool {
        self.evicted.load(Relaxed) && self.pending.load(Relaxed) == 0
    }

    pub(super) fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.notice.notify_one();
    }
}
