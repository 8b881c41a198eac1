//! So many a second: a token bucket that is told the time.

use crate::limits::LAST_INSTANT;
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::fmt;
use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Lets so many through per second, bursts of so many at once.
///
/// A cell of governor's bucket is worth several takes when the rate is high: they are bought in
/// bulk, at most a thousand times a second, and then handed out one by one.
pub(crate) struct Limiter {
    governor: RateLimiter<NotKeyed, InMemoryState, ToldClock, NoOpMiddleware<Told>>,
    /// The time the bucket was last told.
    clock: Arc<AtomicU64>,
    /// What was added to the clock because it was set back.
    offset: AtomicU64,
    /// Takes that a cell is worth.
    bulk: u64,
    /// Bought and not handed out.
    credits: AtomicU64,
    /// Nothing to be had before this time.
    empty_until: AtomicU64,
}

impl Limiter {
    /// `per_second` above 0 and at most 10⁹; `burst` at least 1 is made of whole bulks.
    pub(crate) fn new(per_second: f64, burst: f64) -> Self {
        let bulk = (per_second / CELLS_PER_SECOND).floor().max(1.0);
        let cell = Duration::try_from_secs_f64(bulk / per_second).unwrap_or(SLOWEST);
        let cells = NonZeroU32::new((burst / bulk).round() as u32).unwrap_or(NonZeroU32::MIN);
        // A rate so low that it is not one is once in a century.
        let quota = Quota::with_period(cell.clamp(Duration::from_nanos(1), SLOWEST))
            .unwrap_or(Quota::per_second(NonZeroU32::MIN))
            .allow_burst(cells);
        let clock = Arc::<AtomicU64>::default();
        Self {
            governor: RateLimiter::direct_with_clock(quota, ToldClock(clock.clone())),
            clock,
            offset: AtomicU64::new(0),
            bulk: bulk as u64,
            credits: AtomicU64::new(0),
            empty_until: AtomicU64::new(0),
        }
    }

    /// Whether one more may pass at `now`.
    pub(crate) fn take(&self, now: u64) -> bool {
        let now = self.unbroken(now);
        // ORDER: Relaxed throughout; credits are counted, nothing is published by them.
        if now < self.empty_until.load(Relaxed) {
            return false;
        }
        let spend = |credits: u64| credits.checked_sub(1);
        if self.credits.fetch_update(Relaxed, Relaxed, spend).is_ok() {
            return true;
        }
        self.clock.store(now, Relaxed);
        match self.governor.check() {
            Ok(()) => {
                if self.bulk > 1 {
                    self.credits.fetch_add(self.bulk - 1, Relaxed);
                }
                true
            }
            Err(until) => {
                let wait = until.wait_time_from(Told(now)).as_nanos() as u64;
                self.empty_until.store(now.saturating_add(wait), Relaxed);
                false
            }
        }
    }
}

impl Limiter {
    /// The time without the steps back that a clock may make: the bucket would stay empty for as
    /// long as they are.
    fn unbroken(&self, now: u64) -> u64 {
        let offset = self.offset.load(Relaxed);
        // Sums of what follows must fit 64 bits, whatever a clock says.
        let time = now.wrapping_add(offset).min(LAST_INSTANT);
        let last = self.clock.load(Relaxed);
        if time >= last.saturating_sub(SLACK) {
            return time;
        }
        let longer = offset.wrapping_add(last - time);
        // If another thread was first, it has done the same.
        let _ = self.offset.compare_exchange(offset, longer, Relaxed, Relaxed);
        last
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("bulk", &self.bulk).finish_non_exhaustive()
    }
}

/// A time that was passed as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Told(u64);

impl Add<Nanos> for Told {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos.as_u64()))
    }
}

impl Reference for Told {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.saturating_sub(duration.as_u64()))
    }
}

#[derive(Debug, Clone)]
struct ToldClock(Arc<AtomicU64>);

impl Clock for ToldClock {
    type Instant = Told;

    fn now(&self) -> Told {
        Told(self.0.load(Relaxed))
    }
}

/// Purchases per second at most.
const CELLS_PER_SECOND: f64 = 1000.0;
/// Clocks of two threads may differ a little without having been set.
const SLACK: u64 = 1_000_000_000;
/// A century between two takes.
const SLOWEST: Duration = Duration::from_secs(100 * 365 * 86_400);
