//! The queue of a peer: requests that are joined while they wait.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use spanwise_ledger::Tickets;
use spanwise_transport::PREFIX;
use tokio::sync::Notify;

use crate::gateway::held::Held;

/// One or several requests that are sent together, as one encoded request: the resources of the second one follow those of the first.
pub(crate) struct Batch {
    /// Behind [`PREFIX`] bytes for the transport.
    pub(crate) prefixed: Vec<u8>,
    /// Of all its spans.
    pub(crate) tickets: Tickets,
    /// The peer did not take it with others: it is sent alone.
    pub(crate) is_alone: bool,
    /// When its peer had not taken it, or the batch that it is a part of, for the whole time.
    pub(crate) not_taken_at: Option<Instant>,
    /// The rejections for which it, and the other parts of the same batch, are divided still.
    pub(crate) divisions: Option<Arc<AtomicU32>>,
    // Behind the memory: that is freed first.
    pub(crate) held: Held,
}

impl Batch {
    /// A request that was not divided.
    pub(crate) fn copied(message: &[u8], tickets: Tickets, held: Held) -> Self {
        let mut prefixed = Vec::with_capacity(PREFIX + message.len());
        prefixed.extend_from_slice(&[0; PREFIX]);
        prefixed.extend_from_slice(message);
        Self::new(prefixed, tickets, held)
    }

    /// A request behind [`PREFIX`] bytes.
    pub(crate) fn new(prefixed: Vec<u8>, tickets: Tickets, held: Held) -> Self {
        let (not_taken_at, divisions) = (None, None);
        Self { prefixed, tickets, is_alone: false, held, not_taken_at, divisions }
    }

    pub(crate) fn message(&self) -> &[u8] {
        self.prefixed.get(PREFIX..).unwrap_or_default()
    }

    pub(crate) fn spans(&self) -> u64 {
        self.tickets.len()
    }

    /// Whether `other` fits into the same request.
    fn fits(&self, other: &Self) -> bool {
        !self.is_alone
            && !other.is_alone
            && self.prefixed.len() + other.message().len() <= MAX_JOINED_BYTES
            && self.spans() + other.spans() <= MAX_JOINED_SPANS
    }

    fn join(&mut self, other: Self) {
        self.prefixed.extend_from_slice(other.message());
        self.tickets.merge(other.tickets);
        self.held.join(other.held);
    }
}

/// Batches that wait for a sender.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Notify,
    /// Bytes of the batches that wait. Changed under the lock, read by anyone.
    bytes: AtomicUsize,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Batch>,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let (state, ready, bytes) = (Mutex::default(), Notify::new(), AtomicUsize::new(0));
        Self { state, ready, bytes, max_bytes }
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes() >= self.max_bytes
    }

    /// Adds a batch, also beyond the maximum: its sender was accepted before.
    ///
    /// # Errors
    /// The batch, if the queue is closed.
    pub(crate) fn push(&self, batch: Batch) -> Result<(), Batch> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(batch);
        }
        self.bytes.fetch_add(batch.message().len(), Relaxed);
        match state.batches.back_mut() {
            Some(last) if last.fits(&batch) => last.join(batch),
            _ => state.batches.push_back(batch),
        }
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for the next batch; `None` once the queue is closed.
    pub(crate) async fn next(&self) -> Option<Batch> {
        loop {
            let ready = self.ready.notified();
            {
                let mut state = self.lock();
                if state.is_closed {
                    // For the next sender that waits.
                    self.ready.notify_one();
                    return None;
                }
                if let Some(batch) = state.batches.pop_front() {
                    self.bytes.fetch_sub(batch.message().len(), Relaxed);
                    if !state.batches.is_empty() {
                        self.ready.notify_one();
                    }
                    return Some(batch);
                }
            }
            ready.await;
        }
    }

    /// Closes the queue. Returns what waits.
    pub(crate) fn close(&self) -> VecDeque<Batch> {
        let mut state = self.lock();
        state.is_closed = true;
        self.bytes.store(0, Relaxed);
        let batches = std::mem::take(&mut state.batches);
        drop(state);
        self.ready.notify_one();
        batches
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most bytes of a joined request: less than gRPC servers accept by default, which is 4 MiB.
const MAX_JOINED_BYTES: usize = 2 << 20;
const MAX_JOINED_SPANS: u64 = 8_192;

#[cfg(test)]
mod tests {
    use spanwise_batch::Budget;
    use spanwise_ledger::Ledger;
    use std::sync::Arc;

    use super::*;

    fn batch(ledger: &Ledger, budget: &Budget, message: &[u8], spans: u64) -> Batch {
        ledger.started_many(spans);
        let held = Held::new(Arc::new(budget.try_charge(message.len()).unwrap()));
        Batch::copied(message, ledger.tickets(spans), held)
    }

    #[tokio::test]
    async fn requests_that_wait_are_joined_within_the_limits() {
        let (ledger, budget) = (Ledger::new(), Budget::new(100 << 20));
        let queue = Queue::new(10);
        for (message, spans) in [(&b"abc"[..], 3), (b"defg", 4)] {
            assert!(queue.push(batch(&ledger, &budget, message, spans)).is_ok());
        }
        assert!(!queue.is_full());
        assert!(queue.push(batch(&ledger, &budget, b"hij", MAX_JOINED_SPANS)).is_ok());
        assert!(queue.is_full());
        let large = vec![0; MAX_JOINED_BYTES];
        assert!(queue.push(batch(&ledger, &budget, &large, 1)).is_ok());
        for (message, spans) in [(&b"abcdefg"[..], 7), (b"hij", MAX_JOINED_SPANS), (&large, 1)] {
            let batch = queue.next().await.unwrap();
            assert_eq!((batch.message(), batch.spans()), (message, spans));
            batch.tickets.exported();
        }
        assert_eq!((queue.bytes(), budget.charged()), (0, 0));
        ledger.snapshot().check().unwrap();
    }

    #[tokio::test]
    async fn a_batch_that_is_sent_alone_is_joined_with_none_on_either_side() {
        let (ledger, budget) = (Ledger::new(), Budget::new(1_000));
        let queue = Queue::new(10);
        for (message, is_alone) in [(b"a", false), (b"b", true), (b"c", true), (b"d", false)] {
            let batch = Batch { is_alone, ..batch(&ledger, &budget, message, 1) };
            assert!(queue.push(batch).is_ok());
        }
        for message in [b"a", b"b", b"c", b"d"] {
            let batch = queue.next().await.unwrap();
            assert_eq!(batch.message(), message);
            batch.tickets.exported();
        }
    }

    #[tokio::test]
    async fn a_closed_queue_returns_what_waits_and_ends_its_senders() {
        let (ledger, budget) = (Ledger::new(), Budget::new(100));
        let queue = Arc::new(Queue::new(10));
        assert!(queue.push(batch(&ledger, &budget, b"abc", 1)).is_ok());
        let waiting = queue.close();
        assert_eq!((waiting.len(), queue.bytes()), (1, 0));
        waiting.into_iter().for_each(|batch| batch.tickets.exported());
        let refused = queue.push(batch(&ledger, &budget, b"abc", 1)).err().unwrap();
        refused.tickets.exported();
        for _ in 0..3 {
            assert!(queue.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn each_sender_that_waits_gets_a_batch() {
        let (ledger, budget) = (Ledger::new(), Budget::new(1_000));
        let queue = Arc::new(Queue::new(10));
        let next = || {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.next().await.unwrap().spans() })
        };
        let senders = [next(), next(), next()];
        tokio::task::yield_now().await;
        for _ in 0..3 {
            assert!(queue.push(batch(&ledger, &budget, b"a", MAX_JOINED_SPANS)).is_ok());
        }
        for sender in senders {
            assert_eq!(sender.await.unwrap(), MAX_JOINED_SPANS);
        }
    }
}
