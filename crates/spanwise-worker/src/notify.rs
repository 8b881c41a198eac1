use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;
use std::task::Poll;
use std::time::Instant;

use atomic_waker::AtomicWaker;

use crate::time::timer_deadline;

/// A state: any thread rings it, one task listens.
///
/// Rings made while nobody listened are heard once. What the ringing thread wrote before is visible
/// to the listener after.
pub fn notify() -> (Notifier, Notified) {
    let state = Arc::new(State { notified: AtomicBool::new(false), listener: AtomicWaker::new() });
    (Notifier { state: state.clone() }, Notified { state })
}

/// Wakes the task that holds the [`Notified`].
#[derive(Clone)]
pub struct Notifier {
    state: Arc<State>,
}

/// What the woken task waits on.
pub struct Notified {
    state: Arc<State>,
}

/// Why [`Notified::wait_until`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// Somebody called [`Notifier::notify`].
    Notified,
    /// The deadline came first.
    TimedOut,
}

struct State {
    notified: AtomicBool,
    listener: AtomicWaker,
}

impl Notifier {
    /// Rings the state.
    ///
    /// Never waits and takes no lock.
    ///
    /// # Cost
    /// One atomic exchange while an earlier ring is unheard; else also the waking of a task, which
    /// for the root task of a current-thread runtime is one `write` to an eventfd.
    pub fn notify(&self) {
        // ORDER: Release publishes what the caller wrote, Acquire keeps the exchange a link in the
        // chain when the state is already notified; pairs with the exchange in `take`. An exchange even
        // then: a mere load could miss that the listener has just taken the last ring.
        if !self.state.notified.swap(true, AcqRel) {
            self.state.listener.wake();
        }
    }
}

impl Notified {
    /// Waits for a ring, at most until `deadline`. An unheard ring wins over a passed deadline.
    ///
    /// Must run in a tokio runtime with time enabled. Cancel safe: a ring that was not returned is
    /// not lost.
    pub async fn wait_until(&mut self, deadline: Instant) -> Wakeup {
        let heard = poll_fn(|cx| {
            if self.take() {
                return Poll::Ready(());
            }
            self.state.listener.register(cx.waker());
            // Again, for a ring between the first look and the registration.
            if self.take() { Poll::Ready(()) } else { Poll::Pending }
        });
        match tokio::time::timeout_at(timer_deadline(deadline), heard).await {
            Ok(()) => Wakeup::Notified,
            Err(_) => Wakeup::TimedOut,
        }
    }

    /// Takes an unheard ring, if there is one.
    pub fn take(&mut self) -> bool {
        // ORDER: Acquire sees what was written before any ring taken here; pairs with `wake`.
        self.state.notified.swap(false, AcqRel)
    }

    /// A handle that wakes this task.
    pub fn notifier(&self) -> Notifier {
        Notifier { state: self.state.clone() }
    }
}

/// Nobody listens any more. What was registered holds the runtime, and with it descriptors, which
/// handles that live on must not keep open.
impl Drop for Notified {
    fn drop(&mut self) {
        drop(self.state.listener.take());
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
    async fn a_ring_before_waiting_is_heard_once() {
        let (handle, mut notified) = notify();
        handle.notify();
        handle.clone().notify();
        let deadline = Instant::now() + Duration::from_secs(1);
        assert_eq!(notified.wait_until(deadline.into()).await, Wakeup::Notified);
        assert_eq!(notified.wait_until(deadline.into()).await, Wakeup::TimedOut);
        assert_eq!(Instant::now(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_wins_over_a_passed_deadline() {
        let (handle, mut notified) = notify();
        let passed = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        handle.notify();
        assert_eq!(notified.wait_until(passed.into()).await, Wakeup::Notified);
        assert_eq!(notified.wait_until(passed.into()).await, Wakeup::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_while_waiting_is_heard() {
        let (handle, mut notified) = notify();
        let began = Instant::now();
        let ringing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            handle.notify();
        });
        assert_eq!(
            notified.wait_until((began + Duration::from_secs(9)).into()).await,
            Wakeup::Notified
        );
        assert_eq!(began.elapsed(), Duration::from_millis(3));
        ringing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn rings_coalesce_into_one_waking() {
        struct Wakings(AtomicUsize);
        impl Wake for Wakings {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (handle, mut notified) = notify();
        let wakings = Arc::new(Wakings(AtomicUsize::new(0)));
        let waker = Waker::from(wakings.clone());
        {
            let mut waiting =
                pin!(notified.wait_until((Instant::now() + Duration::from_secs(1)).into()));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            (0..100).for_each(|_| handle.notify());
        }
        assert_eq!(wakings.0.load(Ordering::Relaxed), 1);
        assert!(notified.take(), "a cancelled wait loses no ring");
    }
}
