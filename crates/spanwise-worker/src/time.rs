//! Monotonic time as an argument: the system's, or one that a test moves.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::FAR_FUTURE;

/// Where "now" comes from, and waiting for later.
///
/// For what has to wait by itself, like `RateLimiter`. What only decides takes an [`Instant`] and
/// has no clock. Span times are another matter: see [`clock`](crate::clock).
pub trait Clock: Clone + Send + Sync + 'static {
    /// The time now. Never goes back.
    fn now(&self) -> Instant;

    /// Blocks the thread until `at`.
    fn wait_until(&self, at: Instant);
}

/// A clock that a task can wait on, too.
#[cfg(feature = "task")]
pub trait Timer: Clock {
    /// Ends at `at`.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send;
}

/// `after` from `now`, at most some 30 years: past what any caller waits for, within what every
/// clock can count.
///
/// For durations that are somebody else's, up to `Duration::MAX`. Never panics, unlike
/// `now + after`.
pub fn deadline(now: Instant, after: Duration) -> Instant {
    // A system whose clock ends before that waits for less rather than not at all.
    let mut after = after.min(FAR_FUTURE);
    loop {
        match now.checked_add(after) {
            Some(at) => return at,
            None => after /= 2,
        }
    }
}

/// `at`, but not so near to the end of time that tokio's timers, which round up, panic.
#[cfg(feature = "task")]
pub(crate) fn timer_deadline(at: Instant) -> tokio::time::Instant {
    const ROUNDING: Duration = Duration::from_secs(1);
    let at = match at.checked_add(ROUNDING) {
        Some(_) => at,
        None => at.checked_sub(ROUNDING).unwrap_or(at),
    };
    at.into()
}

/// The system's monotonic clock. As a `Timer` it needs a tokio runtime with time enabled.
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
        tokio::time::sleep_until(timer_deadline(at))
    }
}

/// A clock that stands still until it is told to [`advance`](Self::advance). All clones are one.
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
    /// Tasks that wait, and those that have stopped to: woken at each move to look for themselves.
    #[cfg(feature = "task")]
    sleepers: Vec<std::task::Waker>,
    /// Waits so far, of threads and tasks.
    waits: u64,
}

impl VirtualClock {
    /// A clock that stands at the present.
    pub fn new() -> Self {
        let time = Time {
            now: Instant::now(),
            #[cfg(feature = "task")]
            sleepers: Vec::new(),
            waits: 0,
        };
        VirtualClock { shared: Arc::new(Shared { time: Mutex::new(time), moved: Condvar::new() }) }
    }

    /// Lets so much time pass, at once. Where that is past the last instant the system knows, 30
    /// years, or what is left.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time();
        time.now = time.now.checked_add(by).unwrap_or_else(|| deadline(time.now, by));
        #[cfg(feature = "task")]
        let sleepers = std::mem::take(&mut time.sleepers);
        drop(time);
        self.shared.moved.notify_all();
        #[cfg(feature = "task")]
        sleepers.into_iter().for_each(std::task::Waker::wake);
    }

    /// How often somebody began to wait, so far: a test can see that its subject does, before it
    /// lets time pass.
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
            if !time.sleepers.iter().any(|waker| waker.will_wake(cx.waker())) {
                time.sleepers.push(cx.waker().clone());
            }
            std::task::Poll::Pending
        })
    }
}
