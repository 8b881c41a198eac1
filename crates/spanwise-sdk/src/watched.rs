//! [`Watched`]: state that the exporter's thread fills while a live view shows it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// State that exists for 10 seconds after each call of [`watch`](Self::watch), and is freed afterwards.
///
/// Without a watcher, the exporter's thread does a load for each drain. The threads that make spans are not concerned.
pub(crate) struct Watched<T> {
    created: Instant,
    /// Nanoseconds after `created` until which the state exists; 0 without a watcher.
    until: AtomicU64,
    state: Mutex<Option<T>>,
}

impl<T> Watched<T> {
    pub(crate) fn new() -> Self {
        Self { created: Instant::now(), until: AtomicU64::new(0), state: Mutex::default() }
    }

    /// The state exists for the next 10 seconds.
    pub(crate) fn watch(&self, now: Instant) {
        let until = self.nanos(now).saturating_add(nanos_of(WATCHED_FOR));
        // ORDER: Relaxed: the word publishes no other data.
        self.until.fetch_max(until, Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// Reads the state, if there is one.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().as_ref().map(read)
    }

    /// Changes the state at `now`, in nanoseconds for `change`. It is made first if there is none, and freed instead if its
    /// time is over. Nothing happens while another thread reads it: the export does not wait.
    pub(crate) fn update(
        &self,
        now: Instant,
        make: impl FnOnce() -> Option<T>,
        change: impl FnOnce(&mut T, u64),
    ) {
        let now = self.nanos(now);
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let until = self.until.load(Relaxed);
        if until <= now {
            *state = None;
            // A watcher that came meanwhile stays.
            let _changed = self.until.compare_exchange(until, 0, Relaxed, Relaxed);
            return;
        }
        if state.is_none() {
            *state = make();
        }
        if let Some(state) = &mut *state {
            change(state, now);
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        // Never 0, which is no watcher.
        nanos_of(now.saturating_duration_since(self.created)).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const WATCHED_FOR: Duration = Duration::from_secs(10);
