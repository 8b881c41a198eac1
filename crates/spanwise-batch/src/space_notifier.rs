//! Where a thread waits that would rather be late than lose a span.
//!
//! The only place of this crate that reads the clock: a deadline has to be waited for.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Announces that there may be room again.
#[derive(Debug, Default)]
pub(crate) struct SpaceNotifier {
    /// Raised each time room may have come back.
    version: AtomicU64,
    waiters: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl SpaceNotifier {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    /// Wakes all who wait. Costs an add and a load when nobody does.
    pub(crate) fn open(&self) {
        self.version.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) > 0 {
            // Taken so that nobody is between the check of `version` and its sleep.
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.changed.notify_all();
        }
    }

    /// Waits until the version is no longer `seen`. False once `deadline` has come, whatever the
    /// version: who finds no room again and again must come to an end too.
    pub(crate) fn wait(&self, seen: u64, deadline: Instant) -> bool {
        self.waiters.fetch_add(1, SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break false;
            }
            // ORDER: SeqCst with `open`: either this load sees the new version, or `open` sees us
            // among the waiters and takes the lock, which we hold until we sleep.
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
