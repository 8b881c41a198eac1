//! A count of the spans that wait, beside their bytes.

use crate::budget::Budget;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many spans may wait, as permits, and how many of these are taken. Cloning shares it.
///
/// Permits are taken for a whole chunk when it is opened, so that a span stored in an open chunk
/// counts nothing. Those that it did not need are returned when it is full or swept.
#[derive(Clone)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    max: usize,
    /// Never above `max`, and never below the spans that wait.
    taken: AtomicUsize,
    /// Whose waiters are notified when permits are returned.
    budget: Budget,
}

impl Queue {
    pub(crate) fn new(max: usize, budget: Budget) -> Self {
        Self { shared: Arc::new(Shared { max, taken: AtomicUsize::new(0), budget }) }
    }

    /// Takes `spans` permits, or as many as are left; `None` when none is.
    pub(crate) fn take(&self, spans: usize) -> Option<QueuePermits> {
        let Shared { max, taken, .. } = &*self.shared;
        // ORDER: Relaxed. The counter publishes no memory, it only counts.
        let before = taken
            .fetch_update(Relaxed, Relaxed, |taken| {
                let sum = taken.saturating_add(spans).min(*max);
                (sum > taken).then_some(sum)
            })
            .ok()?;
        Some(QueuePermits { queue: self.clone(), spans: spans.min(max - before) })
    }

    pub(crate) fn taken(&self) -> usize {
        self.shared.taken.load(Relaxed)
    }
}

/// Permits of a [`Queue`], returned when this is dropped.
#[must_use]
pub(crate) struct QueuePermits {
    queue: Queue,
    spans: usize,
}

impl QueuePermits {
    pub(crate) fn spans(&self) -> usize {
        self.spans
    }

    /// Returns all but `spans`; nothing when it holds no more than that.
    pub(crate) fn shrink_to(&mut self, spans: usize) {
        if self.give_back(self.spans.saturating_sub(spans)) {
            self.queue.shared.budget.room().open();
        }
    }

    /// Takes over what `other` holds, which is of the same queue.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.spans += std::mem::take(&mut other.spans);
    }

    /// Returns all permits without notifying waiters: they wait for bytes, and a producer notified
    /// by its own failure would retry without end.
    pub(crate) fn cancel(mut self) {
        self.give_back(self.spans);
    }

    fn give_back(&mut self, spans: usize) -> bool {
        self.spans -= spans;
        self.queue.shared.taken.fetch_sub(spans, Relaxed);
        spans > 0
    }
}

impl Drop for QueuePermits {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_permits_than_there_are() {
        let queue = Queue::new(10, Budget::new(0));
        let mut six = queue.take(6).unwrap();
        let four = queue.take(6).unwrap();
        assert_eq!((six.spans(), four.spans(), queue.taken()), (6, 4, 10));
        assert!(queue.take(1).is_none());
        six.shrink_to(2);
        six.shrink_to(5);
        assert_eq!((six.spans(), queue.taken()), (2, 6));
        six.merge(four);
        assert_eq!((six.spans(), queue.taken()), (6, 6));
        let announced = |queue: &Queue| queue.shared.budget.room().version();
        let before = announced(&queue);
        queue.take(usize::MAX).unwrap().cancel();
        assert_eq!((queue.taken(), announced(&queue)), (6, before));
        drop(six);
        assert_eq!((queue.taken(), announced(&queue)), (0, before + 1));
    }
}
