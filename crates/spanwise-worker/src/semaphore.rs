use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};

use crate::deadline;

/// A counting semaphore: a fixed number of permits, each of which returns when it is dropped.
///
/// It is tokio's `Semaphore`, which needs no runtime: threads and tasks wait in one first-in-first-out
/// queue. Cloning is cheap, and all clones share the permits.
#[derive(Clone, Debug)]
pub struct Semaphore {
    inner: Arc<tokio::sync::Semaphore>,
}

/// Permits of a [`Semaphore`], which return when this is dropped.
#[derive(Debug)]
#[must_use = "a dropped permit returns at once"]
pub struct Permit<'a>(#[expect(dead_code, reason = "held for its drop")] SemaphorePermit<'a>);

/// A [`Permit`] that owns its semaphore instead of a borrow.
#[derive(Debug)]
#[must_use = "a dropped permit returns at once"]
pub struct OwnedPermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Semaphore {
    /// A semaphore with `permits` permits, some 10⁹ at most.
    pub fn new(permits: u32) -> Self {
        let permits = (permits as usize).min(tokio::sync::Semaphore::MAX_PERMITS);
        Semaphore { inner: Arc::new(tokio::sync::Semaphore::new(permits)) }
    }

    /// Acquires a permit if one is available and no thread or task waits for it.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_n(1)
    }

    /// Acquires `n` permits as one if they are available.
    pub fn try_acquire_n(&self, n: u32) -> Option<Permit<'_>> {
        self.inner.try_acquire_many(n).ok().map(Permit)
    }

    /// As [`try_acquire`](Self::try_acquire), with an owned permit.
    pub fn try_acquire_owned(&self) -> Option<OwnedPermit> {
        self.inner.clone().try_acquire_owned().ok().map(OwnedPermit)
    }

    /// Acquires a permit, and waits for it for at most `timeout`; see
    /// [`acquire_until`](Self::acquire_until).
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.acquire_until(deadline(Instant::now(), timeout))
    }

    /// Acquires a permit, and waits for it at most until `deadline`. Blocks the thread: not for async
    /// tasks.
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_>> {
        self.acquire_n_until(1, deadline)
    }

    /// Acquires `n` permits as one, and waits for them at most until `deadline`. Blocks the thread.
    ///
    /// A call for more permits than the semaphore has waits until the deadline, and delays the callers
    /// behind it in the queue.
    pub fn acquire_n_until(&self, n: u32, deadline: Instant) -> Option<Permit<'_>> {
        // A drop inside a tokio task may call this when the task has used up its budget.
        let acquired = tokio::task::unconstrained(self.inner.acquire_many(n));
        block_until(acquired, deadline)?.ok().map(Permit)
    }

    /// Acquires a permit, and waits until one is available. Cancel safe.
    pub async fn acquire(&self) -> Permit<'_> {
        self.acquire_n(1).await
    }

    /// Acquires `n` permits as one, and waits until they are available. Cancel safe.
    pub async fn acquire_n(&self, n: u32) -> Permit<'_> {
        match self.inner.acquire_many(n).await {
            Ok(permit) => Permit(permit),
            Err(_) => never_closed(),
        }
    }

    /// As [`acquire`](Self::acquire), with an owned permit.
    pub async fn acquire_owned(&self) -> OwnedPermit {
        match self.inner.clone().acquire_owned().await {
            Ok(permit) => OwnedPermit(permit),
            Err(_) => never_closed(),
        }
    }

    /// The number of permits available now.
    pub fn available(&self) -> usize {
        self.inner.available_permits()
    }
}

/// Polls a future that needs no runtime on this thread, at most until `deadline`.
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

/// The inner semaphore is private and no code closes it.
fn never_closed() -> ! {
    unreachable!("the semaphore was closed")
}
