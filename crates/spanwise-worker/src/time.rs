//! Monotonic clocks as an argument: the system's clock, or one that a test moves.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::FAR_FUTURE;

/// A monotonic clock: it reads the current [`Instant`] and waits for a later one.
///
/// A type that waits by itself, such as `RateLimiter`, takes a clock. A type that only decides takes an
/// [`Instant`] and has no clock. Timestamps of spans come from [`clock`](crate::clock).
pub trait Clock: Clone + Send + Sync + 'static {
    /// Reads the current time, which never goes back.
    fn now(&self) -> Instant;

    /// Blocks the thread until the instant `at`.
    fn wait_until(&self, at: Instant);
}

/// A [`Clock`] that a task can also wait on.
#[cfg(feature = "task")]
pub trait Timer: Clock {
    /// Returns a future that completes at the instant `at`.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send;
}

/// The [`Instant`] at `after` from `now`, at most some 30 years: longer than any caller waits, and
/// within the range of every clock.
///
/// For timeouts that a caller passes, up to `Duration::MAX`. Never panics, unlike `now + after`.
pub fn deadline(now: Instant, after: Duration) -> Instant {
    // On a system whose `Instant` ends earlier, the deadline is nearer, but still later than `now`
    // where possible.
    let mut after = after.min(FAR_FUTURE);
    loop {
        match now.checked_add(after) {
            Some(at) => return at,
            None => after /= 2,
        }
    }
}

/// The deadline `at` for tokio's timers: a second or more before the last [`Instant`], because the
/// timers round up and would panic.
pub fn timer_deadline(at: Instant) -> Instant {
    const ROUNDING: Duration = Duration::from_secs(1);
    match at.checked_add(ROUNDING) {
        Some(_) => at,
        None => at.checked_sub(ROUNDING).unwrap_or(at),
    }
}

/// The [`Clock`] of the system, `Instant::now`. As a `Timer` it needs a tokio runtime with time enabled.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait_until(&self, at: Instant) {
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left);
        }
    }
}

#[cfg(feature = "task")]
impl Timer for SystemClock {
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send {
        tokio::time::sleep_until(timer_deadline(at).into())
    }
}

/// A [`Clock`] whose time changes only when a test calls [`advance`](Self::advance). All clones share
/// the time.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    time: Mutex<Time>,
    moved: Condvar,
}

#[derive(Debug)]
struct Time {
    now: Instant,
    /// Tasks that wait, and tasks that have stopped waiting: each call of `advance` wakes all, and
    /// each checks its own instant.
    #[cfg(feature = "task")]
    wakers: Vec<std::task::Waker>,
    /// The number of waits so far, of threads and tasks.
    waits: u64,
}

impl VirtualClock {
    /// A clock that starts at the current time of the system.
    pub fn new() -> Self {
        let time = Time {
            now: Instant::now(),
            #[cfg(feature = "task")]
            wakers: Vec::new(),
            waits: 0,
        };
        VirtualClock { shared: Arc::new(Shared { time: Mutex::new(time), moved: Condvar::new() }) }
    }

    /// Advances the clock by `by` at once. If that exceeds the last `Instant` of the system, it advances by
    /// 30 years or by the remaining time.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time();
        time.now = time.now.checked_add(by).unwrap_or_else(|| deadline(time.now, by));
        #[cfg(feature = "task")]
        let wakers = std::mem::take(&mut time.wakers);
        drop(time);
        self.shared.moved.notify_all();
        #[cfg(feature = "task")]
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// The number of waits that threads and tasks have begun: a test can check that its subject waits
    /// before it advances the clock.
    pub fn waits(&self) -> u64 {
        self.time().waits
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.shared.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.time().now
    }

    fn wait_until(&self, at: Instant) {
        let mut time = self.time();
        time.waits += 1;
        while time.now < at {
            time = self.shared.moved.wait(time).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(feature = "task")]
impl Timer for VirtualClock {
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send {
        self.time().waits += 1;
        let clock = self.clone();
        std::future::poll_fn(move |cx| {
            let mut time = clock.time();
            if time.now >= at {
                return std::task::Poll::Ready(());
            }
            if !time.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                time.wakers.push(cx.waker().clone());
            }
            std::task::Poll::Pending
        })
    }
}
