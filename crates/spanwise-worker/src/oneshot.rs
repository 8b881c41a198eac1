//! A one-shot channel, like tokio's `oneshot`, for threads: one thread sends one value, and another
//! blocks until the value arrives or a deadline passes, or a task of any runtime awaits it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::{catch_panic, deadline, fork};

/// Creates a one-shot channel for a single value.
///
/// The receiver blocks its thread on a condition variable and on nothing else, so it works inside any
/// runtime, in `Drop` and in a panic hook. In a forked child both ends of a channel of the parent are
/// closed.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    fork::watch();
    let slot = Arc::new(Slot {
        value: Mutex::new(Value::Pending(None)),
        changed: Condvar::new(),
        generation: fork::generation(),
    });
    (Sender { slot: slot.clone() }, Receiver { slot })
}

/// The sending end. If it is dropped without a value, the receiver returns at once.
pub struct Sender<T> {
    slot: Arc<Slot<T>>,
}

/// The receiving end. As a future it completes with `None` if the channel is closed.
pub struct Receiver<T> {
    slot: Arc<Slot<T>>,
}

struct Slot<T> {
    value: Mutex<Value<T>>,
    changed: Condvar,
    /// The fork generation of the channel. A forked child has a copy of this struct, but not the
    /// threads of the parent, one of which may have held the lock.
    generation: u32,
}

enum Value<T> {
    /// With the waker of the task that awaits the value.
    Pending(Option<Waker>),
    Sent(T),
    /// The receiver took the value, or the sender was dropped without one.
    Closed,
}

impl<T> Sender<T> {
    /// Sends the value. Never waits for the receiver.
    pub fn send(self, value: T) {
        if self.slot.is_inherited() {
            return;
        }
        self.slot.complete(Value::Sent(value));
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.slot.is_inherited() {
            return;
        }
        let is_pending = matches!(*self.slot.lock(), Value::Pending(_));
        if is_pending {
            self.slot.complete(Value::Closed);
        }
    }
}

impl<T> Receiver<T> {
    /// Waits for the value for at most `timeout`; see [`recv_until`](Self::recv_until).
    pub fn recv_timeout(&self, timeout: Duration) -> Option<T> {
        self.recv_until(deadline(Instant::now(), timeout))
    }

    /// Waits for the value until `deadline`; with a deadline in the past it checks without waiting.
    ///
    /// `None` if the deadline passed (a later call can still receive the value), or at once if the
    /// channel is closed: the sender was dropped, or an earlier call took the value.
    pub fn recv_until(&self, deadline: Instant) -> Option<T> {
        if self.slot.is_inherited() {
            return None;
        }
        let mut value = self.slot.lock();
        loop {
            match std::mem::replace(&mut *value, Value::Closed) {
                Value::Sent(value) => return Some(value),
                Value::Closed => return None,
                pending @ Value::Pending(_) => *value = pending,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.slot.changed.wait_timeout(value, left);
            value = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the channel is closed, so that no value will arrive: the receiver took it, or the sender
    /// was dropped.
    pub fn is_closed(&self) -> bool {
        self.slot.is_inherited() || matches!(*self.slot.lock(), Value::Closed)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.slot.is_inherited() {
            return Poll::Ready(None);
        }
        let mut value = self.slot.lock();
        match std::mem::replace(&mut *value, Value::Closed) {
            Value::Sent(value) => Poll::Ready(Some(value)),
            Value::Closed => Poll::Ready(None),
            Value::Pending(_) => {
                *value = Value::Pending(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<T> Slot<T> {
    /// Replaces a pending value, and wakes the receiver.
    fn complete(&self, value: Value<T>) {
        let before = std::mem::replace(&mut *self.lock(), value);
        self.changed.notify_all();
        if let Value::Pending(Some(waker)) = before {
            // Of the receiver's executor: its panic must not end what the sender does.
            let _caught = catch_panic(|| waker.wake());
        }
    }

    /// Whether this is a forked child's copy.
    fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }

    fn lock(&self) -> MutexGuard<'_, Value<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_task_receives_the_value_or_the_end_of_the_sender() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (sender, receiver) = channel();
        let sending = thread::spawn(move || {
            thread::yield_now();
            sender.send(7);
        });
        assert_eq!(runtime.block_on(receiver), Some(7));
        sending.join().unwrap();
        let (sender, receiver) = channel::<u32>();
        let dropping = thread::spawn(move || {
            thread::yield_now();
            drop(sender);
        });
        assert_eq!(runtime.block_on(receiver), None);
        dropping.join().unwrap();
    }

    struct Panicking;

    impl std::task::Wake for Panicking {
        fn wake(self: Arc<Self>) {
            panic!("on purpose")
        }
    }

    #[test]
    fn a_waker_that_panics_disturbs_no_sender() {
        let waker = Waker::from(Arc::new(Panicking));
        let (sender, mut receiver) = channel();
        assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)).is_pending());
        sender.send(7);
        assert_eq!(receiver.recv_until(Instant::now() + LONG), Some(7));
    }

    #[test]
    fn a_value_sent_before_is_received_once() {
        let (sender, receiver) = channel();
        sender.send(7);
        assert_eq!(receiver.recv_until(Instant::now()), Some(7));
        assert_eq!(receiver.recv_until(Instant::now() + LONG), None, "a value is received once");
    }

    #[test]
    fn a_value_wakes_the_waiting_receiver() {
        let (sender, receiver) = channel();
        let sending = thread::spawn(move || sender.send("done"));
        assert_eq!(receiver.recv_until(Instant::now() + LONG), Some("done"));
        sending.join().unwrap();
    }

    #[test]
    fn a_dropped_sender_releases_the_receiver_early() {
        let (sender, receiver) = channel::<()>();
        assert!(!receiver.is_closed());
        let before = Instant::now();
        let dropping = thread::spawn(move || drop(sender));
        assert_eq!(receiver.recv_until(before + LONG), None);
        assert!(before.elapsed() < LONG);
        assert!(receiver.is_closed());
        dropping.join().unwrap();
    }

    #[test]
    fn a_receiver_receives_the_value_after_a_passed_deadline() {
        let (sender, receiver) = channel();
        assert_eq!(receiver.recv_until(Instant::now()), None);
        assert_eq!(receiver.recv_until(Instant::now() + Duration::from_millis(5)), None);
        sender.send(1);
        assert_eq!(receiver.recv_until(Instant::now()), Some(1));
    }

    #[test]
    fn a_thread_that_panics_closes_the_channel() {
        let (sender, receiver) = channel::<u8>();
        let panicked = thread::spawn(move || {
            let _sender = sender;
            std::panic::resume_unwind(Box::new(()));
        });
        assert_eq!(receiver.recv_until(Instant::now() + LONG), None);
        assert!(panicked.join().is_err());
    }

    #[test]
    fn a_timeout_of_any_length_is_accepted() {
        let (sender, receiver) = channel();
        assert_eq!(receiver.recv_timeout(Duration::ZERO), None, "zero checks without waiting");
        let before = Instant::now();
        let timeout = Duration::from_millis(5);
        assert_eq!(receiver.recv_timeout(timeout), None);
        assert!(before.elapsed() >= timeout);
        assert!(!receiver.is_closed());
        thread::scope(|scope| {
            let receiving = scope.spawn(|| receiver.recv_timeout(Duration::MAX));
            sender.send(3);
            assert_eq!(receiving.join().unwrap(), Some(3));
        });
        assert_eq!(
            receiver.recv_timeout(Duration::MAX),
            None,
            "a closed channel waits for nothing"
        );

        let (sender, receiver) = channel();
        sender.send(4);
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Some(4));
    }
}
