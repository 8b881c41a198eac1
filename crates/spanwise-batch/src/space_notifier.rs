//! Blocks a producer thread until the buffer has space again, or until its deadline.
//!
//! Only this file of the crate reads the clock, because a thread waits here for a deadline.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A condition variable for producers that wait for bytes or for queue permits.
#[derive(Debug, Default)]
pub(crate) struct SpaceNotifier {
    /// Incremented each time that space may have been freed.
    version: AtomicU64,
    waiters: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl SpaceNotifier {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    /// Wakes all waiting threads. Costs an add and a load when no thread waits.
    pub(crate) fn notify_all(&self) {
        self.version.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) > 0 {
            // Taken so that no thread is between its check of `version` and its sleep.
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.changed.notify_all();
        }
    }

    /// Waits until the version is no longer `seen`. Returns false at `deadline`, whatever the
    /// version, so that a thread that finds no space again and again stops too.
    pub(crate) fn wait_until(&self, seen: u64, deadline: Instant) -> bool {
        self.waiters.fetch_add(1, SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break false;
            }
            // ORDER: SeqCst with `notify_all`: either this load sees the new version, or
            // `notify_all` sees this thread among the waiters and takes the lock, which this thread
            // holds until it sleeps.
            if self.version() != seen {
                break true;
            }
            guard =
                self.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(guard);
        self.waiters.fetch_sub(1, SeqCst);
        changed
    }
}
