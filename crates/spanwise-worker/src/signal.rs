use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;
use std::task::Poll;

use atomic_waker::AtomicWaker;
use tokio::time::Instant;

use crate::time::timer_deadline;

/// A bell: any thread rings it, one task listens.
///
/// Rings made while nobody listened are heard once. What the ringing thread wrote before is visible
/// to the listener after.
pub fn signal() -> (WakeHandle, Signal) {
    let bell = Arc::new(Bell { rung: AtomicBool::new(false), listener: AtomicWaker::new() });
    (WakeHandle { bell: bell.clone() }, Signal { bell })
}

/// Wakes the task that holds the [`Signal`].
#[derive(Clone)]
pub struct WakeHandle {
    bell: Arc<Bell>,
}

/// What the woken task waits on.
pub struct Signal {
    bell: Arc<Bell>,
}

/// Why [`Signal::wait_until`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woke {
    /// Somebody called [`WakeHandle::wake`].
    Woken,
    /// The deadline came first.
    TimedOut,
}

struct Bell {
    rung: AtomicBool,
    listener: AtomicWaker,
}

impl WakeHandle {
    /// Rings the bell.
    ///
    /// Never waits and takes no lock.
    ///
    /// # Cost
    /// One atomic exchange while an earlier ring is unheard; else also the waking of a task, which
    /// for the root task of a current-thread runtime is one `write` to an eventfd.
    pub fn wake(&self) {
        // ORDER: Release publishes what the caller wrote, Acquire keeps the exchange a link in the
        // chain when the bell is already rung; pairs with the exchange in `take`. An exchange even
        // then: a mere load could miss that the listener has just taken the last ring.
        if !self.bell.rung.swap(true, AcqRel) {
            self.bell.listener.wake();
        }
    }
}

impl Signal {
    /// Waits for a ring, at most until `deadline`. An unheard ring wins over a passed deadline.
    ///
    /// Must run in a tokio runtime with time enabled. Cancel safe: a ring that was not returned is
    /// not lost.
    pub async fn wait_until(&mut self, deadline: Instant) -> Woke {
        let heard = poll_fn(|cx| {
            if self.take() {
                return Poll::Ready(());
            }
            self.bell.listener.register(cx.waker());
            // Again, for a ring between the first look and the registration.
            if self.take() { Poll::Ready(()) } else { Poll::Pending }
        });
        match tokio::time::timeout_at(timer_deadline(deadline), heard).await {
            Ok(()) => Woke::Woken,
            Err(_) => Woke::TimedOut,
        }
    }

    /// Takes an unheard ring, if there is one.
    pub fn take(&mut self) -> bool {
        // ORDER: Acquire sees what was written before any ring taken here; pairs with `wake`.
        self.bell.rung.swap(false, AcqRel)
    }

    /// A handle that wakes this task.
    pub fn wake_handle(&self) -> WakeHandle {
        WakeHandle { bell: self.bell.clone() }
    }
}

/// Nobody listens any more. What was registered holds the runtime, and with it descriptors, which
/// handles that live on must not keep open.
impl Drop for Signal {
    fn drop(&mut self) {
        drop(self.bell.listener.take());
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeHandle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").finish_non_exhaustive()
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

    #[tokio::test(start_paused = true)]
    async fn a_ring_before_waiting_is_heard_once() {
        let (handle, mut signal) = signal();
        handle.wake();
        handle.clone().wake();
        let deadline = Instant::now() + Duration::from_secs(1);
        assert_eq!(signal.wait_until(deadline).await, Woke::Woken);
        assert_eq!(signal.wait_until(deadline).await, Woke::TimedOut);
        assert_eq!(Instant::now(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_wins_over_a_passed_deadline() {
        let (handle, mut signal) = signal();
        let passed = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        handle.wake();
        assert_eq!(signal.wait_until(passed).await, Woke::Woken);
        assert_eq!(signal.wait_until(passed).await, Woke::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_while_waiting_is_heard() {
        let (handle, mut signal) = signal();
        let began = Instant::now();
        let ringing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            handle.wake();
        });
        assert_eq!(signal.wait_until(began + Duration::from_secs(9)).await, Woke::Woken);
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
        let (handle, mut signal) = signal();
        let wakings = Arc::new(Wakings(AtomicUsize::new(0)));
        let waker = Waker::from(wakings.clone());
        {
            let mut waiting = pin!(signal.wait_until(Instant::now() + Duration::from_secs(1)));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            (0..100).for_each(|_| handle.wake());
        }
        assert_eq!(wakings.0.load(Ordering::Relaxed), 1);
        assert!(signal.take(), "a cancelled wait loses no ring");
    }
}
