//! The bytes of requests that wait for the owners of the shards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Bounds the bytes of all requests in the queues.
#[derive(Debug)]
pub(crate) struct QueueMemory {
    max: usize,
    used: AtomicUsize,
    /// Callers that wait for space.
    waiting: AtomicUsize,
    mutex: Mutex<()>,
    freed: Condvar,
}

/// Bytes that are charged until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    memory: Arc<QueueMemory>,
    bytes: usize,
}

impl QueueMemory {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            used: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            mutex: Mutex::new(()),
            freed: Condvar::new(),
        })
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Charges `bytes`, if there is space.
    pub(crate) fn try_charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let add = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.max);
        // Ordered with `waiting`: either this thread sees the free space, or the one that frees it sees this thread wait.
        let charged = self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        charged.ok().map(|_| Charge { memory: Arc::clone(self), bytes })
    }

    /// As [`try_charge`](Self::try_charge); blocks until there is space, `until` has passed or `is_closed` returns true.
    pub(crate) fn charge(
        self: &Arc<Self>,
        bytes: usize,
        until: Option<Instant>,
        is_closed: impl Fn() -> bool,
    ) -> Option<Charge> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Panics in no holder: the guard is held for no user code.
        let mut guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let charge = loop {
            if let Some(charge) = self.try_charge(bytes) {
                break Some(charge);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if is_closed() || left.is_some_and(|left| left.is_zero()) {
                break None;
            }
            guard = match left {
                None => self.freed.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let woken = self.freed.wait_timeout(guard, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        charge
    }

    /// Wakes the callers that wait.
    pub(crate) fn notify(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // A caller that has looked and does not wait yet holds the lock.
            drop(self.mutex.lock().unwrap_or_else(PoisonError::into_inner));
            self.freed.notify_all();
        }
    }

    fn free(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        self.notify();
    }
}

impl Charge {
    /// Frees the bytes above `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        if surplus > 0 {
            self.bytes -= surplus;
            self.memory.free(surplus);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.free(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn bytes_are_charged_up_to_the_bound_and_freed() {
        let memory = QueueMemory::new(100);
        let mut first = memory.try_charge(60).unwrap();
        assert!(memory.try_charge(41).is_none());
        first.shrink_to(50);
        first.shrink_to(70);
        let second = memory.try_charge(50).unwrap();
        assert_eq!(memory.used(), 100);
        assert!(memory.charge(1, Some(Instant::now()), || false).is_none());
        assert!(memory.charge(1, None, || true).is_none());
        drop((first, second));
        assert_eq!((memory.used(), memory.waiting.load(Ordering::SeqCst)), (0, 0));
        assert!(memory.try_charge(usize::MAX).is_none());
    }

    #[test]
    fn a_caller_that_waits_gets_the_bytes_that_are_freed() {
        let memory = QueueMemory::new(10);
        for _ in 0..200 {
            let held = memory.try_charge(10).unwrap();
            let (send, receive) = mpsc::channel();
            let other = Arc::clone(&memory);
            let thread = std::thread::spawn(move || {
                send.send(()).unwrap();
                let charge =
                    other.charge(4, Some(Instant::now() + Duration::from_secs(60)), || false);
                charge.is_some()
            });
            receive.recv().unwrap();
            drop(held);
            assert!(thread.join().unwrap());
        }
        assert_eq!(memory.used(), 0);
    }
}
