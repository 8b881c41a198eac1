use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};

use crate::deadline;

/// So many at a time: permits that come back when they are dropped.
///
/// tokio's semaphore, which needs no runtime: threads and tasks wait in one queue, first come,
/// first served. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Semaphore {
    inner: Arc<tokio::sync::Semaphore>,
}

/// Some permits of a [`Semaphore`], given back when dropped.
#[derive(Debug)]
#[must_use = "dropped, it is given back at once"]
pub struct Permit<'a>(#[expect(dead_code, reason = "held for its drop")] SemaphorePermit<'a>);

/// A [`Permit`] that borrows nothing.
#[derive(Debug)]
#[must_use = "dropped, it is given back at once"]
pub struct OwnedPermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Semaphore {
    /// A semaphore of so many permits, some 10⁹ at most.
    pub fn new(permits: u32) -> Self {
        let permits = (permits as usize).min(tokio::sync::Semaphore::MAX_PERMITS);
        Semaphore { inner: Arc::new(tokio::sync::Semaphore::new(permits)) }
    }

    /// A permit, if one is free and nobody waits for it.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_n(1)
    }

    /// `n` permits as one, if they are free.
    pub fn try_acquire_n(&self, n: u32) -> Option<Permit<'_>> {
        self.inner.try_acquire_many(n).ok().map(Permit)
    }

    /// As [`try_acquire`](Self::try_acquire); the permit borrows nothing.
    pub fn try_acquire_owned(&self) -> Option<OwnedPermit> {
        self.inner.clone().try_acquire_owned().ok().map(OwnedPermit)
    }

    /// [`acquire_until`](Self::acquire_until) `timeout` from now.
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.acquire_until(deadline(Instant::now(), timeout))
    }

    /// A permit, waited for at most until `deadline`. Blocks the thread: not for async tasks.
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_>> {
        self.acquire_n_until(1, deadline)
    }

    /// `n` permits as one, waited for at most until `deadline`. Blocks the thread.
    ///
    /// More than there are will not come: that waits until the deadline, and holds up those behind.
    pub fn acquire_n_until(&self, n: u32, deadline: Instant) -> Option<Permit<'_>> {
        // Also called inside of a task, from a drop, whose turn may be used up.
        let acquired = tokio::task::unconstrained(self.inner.acquire_many(n));
        block_until(acquired, deadline)?.ok().map(Permit)
    }

    /// A permit, once there is one. Cancel safe.
    pub async fn acquire(&self) -> Permit<'_> {
        self.acquire_n(1).await
    }

    /// `n` permits as one, once they are there. Cancel safe.
    pub async fn acquire_n(&self, n: u32) -> Permit<'_> {
        match self.inner.acquire_many(n).await {
            Ok(permit) => Permit(permit),
            Err(_) => never_closed(),
        }
    }

    /// As [`acquire`](Self::acquire); the permit borrows nothing.
    pub async fn acquire_owned(&self) -> OwnedPermit {
        match self.inner.clone().acquire_owned().await {
            Ok(permit) => OwnedPermit(permit),
            Err(_) => never_closed(),
        }
    }

    /// Permits free now.
    pub fn available(&self) -> usize {
        self.inner.available_permits()
    }
}

/// Runs a future that needs no runtime, at most until `deadline`.
fn block_until<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Nobody can: the inner semaphore is ours.
fn never_closed() -> ! {
    unreachable!("the semaphore was closed")
}
