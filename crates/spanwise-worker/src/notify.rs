use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;
use std::task::Poll;
use std::time::Instant;

use atomic_waker::AtomicWaker;

use crate::time::timer_deadline;

/// Creates a notification like tokio's `Notify`, split into two ends: any thread notifies through a
/// [`Notifier`], and one task waits on the [`Notified`].
///
/// A call of [`notify`](Notifier::notify) without a waiting task stores one permit, which completes
/// the next wait at once; further calls before that wait store no second permit. The notified task
/// sees all writes of the notifying thread before the call.
pub fn notify() -> (Notifier, Notified) {
    let state = Arc::new(State { notified: AtomicBool::new(false), waker: AtomicWaker::new() });
    (Notifier { state: state.clone() }, Notified { state })
}

/// The end that notifies the task with the [`Notified`]. Clones notify the same task.
#[derive(Clone)]
pub struct Notifier {
    state: Arc<State>,
}

/// The end that one task waits on until a [`Notifier`] notifies it.
pub struct Notified {
    state: Arc<State>,
}

/// The reason why [`Notified::wait_until`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// A thread called [`Notifier::notify`].
    Notified,
    /// The deadline passed first.
    TimedOut,
}

struct State {
    /// The permit: a notification that no wait has returned yet.
    notified: AtomicBool,
    waker: AtomicWaker,
}

impl Notifier {
    /// Notifies the task that waits on the [`Notified`], or stores the permit for its next wait.
    ///
    /// Never waits and takes no lock.
    ///
    /// # Cost
    /// One atomic exchange while the permit of an earlier call is stored; otherwise the call also
    /// wakes a task, which for the root task of a current-thread runtime is one `write` to an eventfd.
    pub fn notify(&self) {
        // ORDER: Release publishes the caller's writes, Acquire keeps the exchange a link in the
        // chain if the permit is stored already; pairs with the exchange in `take`. An exchange even
        // then: a mere load could miss that the task has just taken the previous permit.
        if !self.state.notified.swap(true, AcqRel) {
            self.state.waker.wake();
        }
    }
}

impl Notified {
    /// Waits for a notification, at most until `deadline`. A stored permit wins over a passed
    /// deadline.
    ///
    /// Must run in a tokio runtime with time enabled. Cancel safe: a notification that was not
    /// returned remains stored.
    pub async fn wait_until(&mut self, deadline: Instant) -> Wakeup {
        let notified = poll_fn(|cx| {
            if self.take() {
                return Poll::Ready(());
            }
            self.state.waker.register(cx.waker());
            // Checked again, for a notification between the first check and the registration.
            if self.take() { Poll::Ready(()) } else { Poll::Pending }
        });
        match tokio::time::timeout_at(timer_deadline(deadline).into(), notified).await {
            Ok(()) => Wakeup::Notified,
            Err(_) => Wakeup::TimedOut,
        }
    }

    /// Takes the stored permit without waiting; returns whether there was one.
    pub fn take(&mut self) -> bool {
        // ORDER: Acquire sees the writes before each notification that is taken here; pairs with
        // the exchange in `notify`.
        self.state.notified.swap(false, AcqRel)
    }

    /// A [`Notifier`] for this end.
    pub fn notifier(&self) -> Notifier {
        Notifier { state: self.state.clone() }
    }
}

/// Removes the registered waker. It holds the runtime and, with the runtime, descriptors, which a
/// `Notifier` that outlives the task must not keep open.
impl Drop for Notified {
    fn drop(&mut self) {
        drop(self.state.waker.take());
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

impl fmt::Debug for Notified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_notification_before_the_wait_completes_one_wait() {
        let (notifier, mut notified) = notify();
        notifier.notify();
        notifier.clone().notify();
        let deadline = Instant::now() + Duration::from_secs(1);
        assert_eq!(notified.wait_until(deadline.into()).await, Wakeup::Notified);
        assert_eq!(notified.wait_until(deadline.into()).await, Wakeup::TimedOut);
        assert_eq!(Instant::now(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn a_notification_wins_over_a_passed_deadline() {
        let (notifier, mut notified) = notify();
        let passed = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        notifier.notify();
        assert_eq!(notified.wait_until(passed.into()).await, Wakeup::Notified);
        assert_eq!(notified.wait_until(passed.into()).await, Wakeup::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_notification_during_the_wait_completes_it() {
        let (notifier, mut notified) = notify();
        let started = Instant::now();
        let notifying = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            notifier.notify();
        });
        assert_eq!(
            notified.wait_until((started + Duration::from_secs(9)).into()).await,
            Wakeup::Notified
        );
        assert_eq!(started.elapsed(), Duration::from_millis(3));
        notifying.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn several_notifications_wake_the_task_once() {
        struct Wakeups(AtomicUsize);
        impl Wake for Wakeups {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (notifier, mut notified) = notify();
        let wakeups = Arc::new(Wakeups(AtomicUsize::new(0)));
        let waker = Waker::from(wakeups.clone());
        {
            let mut waiting =
                pin!(notified.wait_until((Instant::now() + Duration::from_secs(1)).into()));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            (0..100).for_each(|_| notifier.notify());
        }
        assert_eq!(wakeups.0.load(Ordering::Relaxed), 1);
        assert!(notified.take(), "a cancelled wait loses no notification");
    }
}
