//! Waits for the threads of the shards.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Counts the threads that run.
#[derive(Debug, Default)]
pub(crate) struct Running {
    threads: Mutex<usize>,
    ended: Condvar,
}

/// A thread that runs until this is dropped, also by a panic.
pub(crate) struct RunningGuard(Arc<Running>);

impl Running {
    pub(crate) fn start(self: &Arc<Self>) -> RunningGuard {
        *self.threads.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        RunningGuard(Arc::clone(self))
    }

    /// Blocks until no thread runs; returns false if `until` has passed before.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        while *threads > 0 {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            threads = match left {
                None => self.ended.wait(threads).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    let woken = self.ended.wait_timeout(threads, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_all();
    }
}
