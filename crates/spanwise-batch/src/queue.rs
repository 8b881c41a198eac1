//! A semaphore for the number of waiting spans, beside the budget for their bytes.

use crate::budget::Budget;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A semaphore with one permit for each span that may wait. A clone shares the permits.
///
/// A producer acquires the permits of a whole chunk when it opens the chunk, so that storing a span
/// in it touches no counter. A full or drained chunk returns the permits it did not use.
#[derive(Clone)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    /// `usize::MAX` is no limit.
    max: AtomicUsize,
    /// Never above the largest `max` so far, and never below the number of waiting spans that have permits.
    taken: AtomicUsize,
    /// Its waiters are notified when permits are returned.
    budget: Budget,
}

impl Queue {
    pub(crate) fn new(max: Option<usize>, budget: Budget) -> Self {
        let max = AtomicUsize::new(max.unwrap_or(usize::MAX));
        Self { shared: Arc::new(Shared { max, taken: AtomicUsize::new(0), budget }) }
    }

    /// Replaces the maximum; `None` is no limit. Permits that are taken stay taken: below their number, none is
    /// acquired until enough are returned.
    pub(crate) fn set_max(&self, max: Option<usize>) {
        // ORDER: Relaxed. A chunk that is opened at this instant has either size.
        self.shared.max.store(max.unwrap_or(usize::MAX), Relaxed);
    }

    /// The maximum; `None` is no limit.
    pub(crate) fn max(&self) -> Option<usize> {
        self.is_limited().then(|| self.limit())
    }

    /// Whether there is a maximum.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit() < usize::MAX
    }

    fn limit(&self) -> usize {
        self.shared.max.load(Relaxed)
    }

    /// Acquires `spans` permits, or as many as are left; `None` if none is.
    pub(crate) fn try_acquire(&self, spans: usize) -> Option<QueuePermits> {
        let max = self.limit();
        // ORDER: Relaxed. The counter publishes no memory.
        let before = self
            .shared
            .taken
            .fetch_update(Relaxed, Relaxed, |taken| {
                let sum = taken.saturating_add(spans).min(max);
                (sum > taken).then_some(sum)
            })
            .ok()?;
        Some(QueuePermits { queue: self.clone(), spans: spans.min(max - before) })
    }

    pub(crate) fn has_permits(&self) -> bool {
        self.taken() < self.limit()
    }

    /// Permits that are left.
    pub(crate) fn free(&self) -> usize {
        self.limit().saturating_sub(self.taken())
    }

    pub(crate) fn taken(&self) -> usize {
        self.shared.taken.load(Relaxed)
    }
}

/// Permits of a [`Queue`]; its drop returns them.
#[must_use]
pub(crate) struct QueuePermits {
    queue: Queue,
    spans: usize,
}

impl QueuePermits {
    pub(crate) fn spans(&self) -> usize {
        self.spans
    }

    /// Returns all but `spans` permits; nothing if it holds no more.
    pub(crate) fn shrink_to(&mut self, spans: usize) {
        if self.release(self.spans.saturating_sub(spans)) {
            self.queue.shared.budget.space().notify_all();
        }
    }

    /// Adds the permits of `other`, which belong to the same queue.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.spans += std::mem::take(&mut other.spans);
    }

    /// Returns all permits without notifying waiters: they wait for bytes, and a producer that its
    /// own failure notified would retry without end.
    pub(crate) fn cancel(mut self) {
        self.release(self.spans);
    }

    fn release(&mut self, spans: usize) -> bool {
        self.spans -= spans;
        self.queue.shared.taken.fetch_sub(spans, Relaxed);
        spans > 0
    }
}

impl Drop for QueuePermits {
    fn drop(&mut self) {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::PermitLeak) {
            return;
        }
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn try_acquire_never_exceeds_the_maximum() {
        let queue = Queue::new(Some(10), Budget::new(0));
        let mut six = queue.try_acquire(6).unwrap();
        let four = queue.try_acquire(6).unwrap();
        assert_eq!((six.spans(), four.spans(), queue.taken()), (6, 4, 10));
        assert!(queue.try_acquire(1).is_none());
        six.shrink_to(2);
        six.shrink_to(5);
        assert_eq!((six.spans(), queue.taken()), (2, 6));
        six.merge(four);
        assert_eq!((six.spans(), queue.taken()), (6, 6));
        let notified = |queue: &Queue| queue.shared.budget.space().version();
        let before = notified(&queue);
        queue.try_acquire(usize::MAX).unwrap().cancel();
        assert_eq!((queue.taken(), notified(&queue)), (6, before));
        drop(six);
        assert_eq!((queue.taken(), notified(&queue)), (0, before + 1));
    }
}
