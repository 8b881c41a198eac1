//! The counters of the proxy.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Connections and bytes that went through a [`FaultProxy`](crate::FaultProxy) since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Accepted connections, including those of `Refuse` and `BlackHole`.
    pub connections: u64,
    /// Connections that ended, for any reason.
    pub closed: u64,
    /// Connections the proxy reset on purpose.
    pub resets: u64,
    /// Bytes written to the upstream.
    pub request_bytes: u64,
    /// Bytes written to clients.
    pub response_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) traffic: Mutex<Traffic>,
    pub(super) changed: Condvar,
}

impl Meter {
    pub(super) fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, change: impl FnOnce(&mut Traffic)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}
