//! [`RecentSpans`]: the newest ended spans, while a live view shows them.

mod ring;
mod trace_choice;

pub use ring::LiveSpan;

use crate::start::Scopes;
use ring::Ring;
use spanwise_batch::Budget;
use spanwise_export::sans_io::DrainedChunk;
use spanwise_wire::Chunk;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// The newest ended spans. The exporter's thread fills it from the chunks that it drains, for 10 seconds after each call of
/// [`watch`](Self::watch), and frees it afterwards.
///
/// Without a watcher, a drain costs a load. The threads that make spans are not concerned.
pub(crate) struct RecentSpans {
    created: Instant,
    /// Nanoseconds after `created` until which spans are collected; 0 without a watcher.
    watched_until: AtomicU64,
    ring: Mutex<Option<Ring>>,
}

impl RecentSpans {
    pub(crate) fn new() -> Self {
        Self { created: Instant::now(), watched_until: AtomicU64::new(0), ring: Mutex::default() }
    }

    /// Collects spans for the next 10 seconds.
    pub(crate) fn watch(&self, now: Instant) {
        let until = self.nanos(now).saturating_add(nanos_of(WATCHED_FOR));
        // ORDER: Relaxed: the word publishes no other data.
        self.watched_until.fetch_max(until, Relaxed);
    }

    /// The collected spans, the newest last.
    pub(crate) fn list(&self) -> Vec<LiveSpan> {
        self.lock().as_ref().map(Ring::list).unwrap_or_default()
    }

    /// The exporter's thread has drained these chunks.
    pub(crate) fn drained(
        &self,
        chunks: &[DrainedChunk],
        (scopes, budget): (&Scopes, &Budget),
        now: Instant,
    ) {
        if self.watched_until.load(Relaxed) != 0 {
            self.record(chunks.iter().map(DrainedChunk::chunk), (scopes, budget), now);
        }
    }

    #[cold]
    fn record<'c>(
        &self,
        chunks: impl Iterator<Item = &'c Chunk>,
        (scopes, budget): (&Scopes, &Budget),
        now: Instant,
    ) {
        let now = self.nanos(now);
        // The export does not wait for a reader that copies the spans.
        let mut ring = match self.ring.try_lock() {
            Ok(ring) => ring,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let until = self.watched_until.load(Relaxed);
        if until <= now {
            *ring = None;
            // A watcher that came meanwhile stays.
            let _changed = self.watched_until.compare_exchange(until, 0, Relaxed, Relaxed);
            return;
        }
        if ring.is_none() {
            *ring = Ring::charged(budget);
        }
        if let Some(ring) = &mut *ring {
            chunks.for_each(|chunk| ring.push(chunk, scopes, now));
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        // Never 0, which is no watcher.
        nanos_of(now.saturating_duration_since(self.created)).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ring>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const WATCHED_FOR: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
