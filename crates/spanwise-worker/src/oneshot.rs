//! A one-shot channel: one thread sends one value, another blocks until it arrives or a deadline passes.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{deadline, fork};

/// One answer from the worker to a thread that waits for it, at most until its deadline.
///
/// Waiting blocks the thread on a condition variable and on nothing else, so it works from inside
/// any runtime, from `Drop` and from a panic hook. In a forked child both sides of a parent's are
/// gone.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    fork::watch();
    let slot = Arc::new(Slot {
        answer: Mutex::new(Answer::Pending),
        settled: Condvar::new(),
        generation: fork::generation(),
    });
    (Sender { slot: slot.clone() }, Receiver { slot })
}

/// The side that answers. Dropped without an answer, it releases the waiter at once.
pub struct Sender<T> {
    slot: Arc<Slot<T>>,
}

/// The side that waits.
pub struct Receiver<T> {
    slot: Arc<Slot<T>>,
}

struct Slot<T> {
    answer: Mutex<Answer<T>>,
    settled: Condvar,
    /// A forked child has a copy, whose lock may have been held by a thread that it has not.
    generation: u32,
}

enum Answer<T> {
    Pending,
    Given(T),
    /// Taken by the waiter, or never to come.
    Gone,
}

impl<T> Sender<T> {
    /// Gives the answer. Never waits for anybody to take it.
    pub fn send(self, value: T) {
        if self.slot.is_inherited() {
            return;
        }
        *self.slot.lock() = Answer::Given(value);
        self.slot.settled.notify_all();
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.slot.is_inherited() {
            return;
        }
        let mut answer = self.slot.lock();
        if matches!(*answer, Answer::Pending) {
            *answer = Answer::Gone;
            drop(answer);
            self.slot.settled.notify_all();
        }
    }
}

impl<T> Receiver<T> {
    /// [`recv_until`](Self::recv_until) `timeout` from now.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<T> {
        self.recv_until(deadline(Instant::now(), timeout))
    }

    /// Waits for the answer until `deadline`; one in the past only looks.
    ///
    /// `None` when the deadline passed (the answer can still be waited for later), or at once when
    /// the other side is gone or the answer was taken before.
    pub fn recv_until(&self, deadline: Instant) -> Option<T> {
        if self.slot.is_inherited() {
            return None;
        }
        let mut answer = self.slot.lock();
        loop {
            match std::mem::replace(&mut *answer, Answer::Gone) {
                Answer::Given(value) => return Some(value),
                Answer::Gone => return None,
                Answer::Pending => *answer = Answer::Pending,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.slot.settled.wait_timeout(answer, left);
            answer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether no answer will come any more: it was taken, or the other side is gone.
    pub fn is_closed(&self) -> bool {
        self.slot.is_inherited() || matches!(*self.slot.lock(), Answer::Gone)
    }
}

impl<T> Slot<T> {
    fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }

    fn lock(&self) -> MutexGuard<'_, Answer<T>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn an_answer_given_before_is_there() {
        let (completer, waiter) = channel();
        completer.send(7);
        assert_eq!(waiter.recv_until(Instant::now()), Some(7));
        assert_eq!(waiter.recv_until(Instant::now() + LONG), None, "an answer is given once");
    }

    #[test]
    fn an_answer_wakes_the_waiter() {
        let (completer, waiter) = channel();
        let answering = thread::spawn(move || completer.send("done"));
        assert_eq!(waiter.recv_until(Instant::now() + LONG), Some("done"));
        answering.join().unwrap();
    }

    #[test]
    fn a_gone_completer_releases_the_waiter_early() {
        let (completer, waiter) = channel::<()>();
        assert!(!waiter.is_closed());
        let before = Instant::now();
        let leaving = thread::spawn(move || drop(completer));
        assert_eq!(waiter.recv_until(before + LONG), None);
        assert!(before.elapsed() < LONG);
        assert!(waiter.is_closed());
        leaving.join().unwrap();
    }

    #[test]
    fn a_passed_deadline_returns_and_the_answer_can_still_come() {
        let (completer, waiter) = channel();
        assert_eq!(waiter.recv_until(Instant::now()), None);
        assert_eq!(waiter.recv_until(Instant::now() + Duration::from_millis(5)), None);
        completer.send(1);
        assert_eq!(waiter.recv_until(Instant::now()), Some(1));
    }

    #[test]
    fn a_panicking_answerer_counts_as_gone() {
        let (completer, waiter) = channel::<u8>();
        let panicked = thread::spawn(move || {
            let _completer = completer;
            std::panic::resume_unwind(Box::new(()));
        });
        assert_eq!(waiter.recv_until(Instant::now() + LONG), None);
        assert!(panicked.join().is_err());
    }
}
