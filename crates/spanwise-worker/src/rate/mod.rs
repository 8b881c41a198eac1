//! A rate limiter: a number of permits per second, with a bounded burst.

mod error;

use std::fmt;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, clock::Clock as _};

pub use error::{InsufficientCapacity, RateError};

use crate::limits::{NANOS, RATE};
use crate::{Clock, SystemClock, deadline};

/// A rate limiter: grants permits at a fixed rate, with bursts up to a bound.
///
/// It is the `governor` crate (GCRA, as in ATM networks) behind a clock that can be virtual: the state
/// is one machine word, which each permit changes. After a pause of `burst` times the period, `burst`
/// permits are available at once; from then on one in each period.
///
/// On a hot path acquire many permits at a time, because all threads contend for that word. The limiter
/// counts 146 years from its creation, and grants no permit after that.
pub struct RateLimiter<C: Clock = SystemClock> {
    limiter: governor::RateLimiter<NotKeyed, InMemoryState, Since<C>, NoOpMiddleware<Duration>>,
    clock: Since<C>,
    burst: NonZeroU32,
}

/// The time since the creation of the limiter, in which governor counts.
#[derive(Clone)]
struct Since<C> {
    start: Instant,
    clock: C,
}

impl RateLimiter {
    /// `rate` permits per second, and at most `burst` at once after a pause.
    ///
    /// # Errors
    /// A rate or a burst of 0, or a rate above 10⁹.
    pub fn new(rate: u32, burst: u32) -> Result<Self, RateError> {
        Self::with_clock(SystemClock, rate, burst)
    }

    /// One permit each `period`, and at most `burst` at once after a pause.
    ///
    /// # Errors
    /// A period or a burst of 0, or a burst that takes more than 146 years to replenish.
    pub fn every(period: Duration, burst: u32) -> Result<Self, RateError> {
        Self::every_with_clock(SystemClock, period, burst)
    }
}

impl<C: Clock> RateLimiter<C> {
    /// [`new`](RateLimiter::new) with the time of `clock`.
    ///
    /// # Errors
    /// As [`new`](RateLimiter::new).
    pub fn with_clock(clock: C, rate: u32, burst: u32) -> Result<Self, RateError> {
        let nanos = match RATE.contains(&rate) {
            true => 1_000_000_000 / rate,
            false => return Err(RateError::Rate { per_second: rate }),
        };
        Self::every_with_clock(clock, Duration::from_nanos(nanos.into()), burst)
    }

    /// [`every`](RateLimiter::every) with the time of `clock`.
    ///
    /// # Errors
    /// As [`every`](RateLimiter::every).
    pub fn every_with_clock(clock: C, period: Duration, burst: u32) -> Result<Self, RateError> {
        let nanos = u64::try_from(period.as_nanos()).ok().filter(|nanos| NANOS.contains(nanos));
        let (nanos, quota) =
            nanos.zip(Quota::with_period(period)).ok_or(RateError::Period { period })?;
        let max = u32::try_from(NANOS.end() / nanos).unwrap_or(u32::MAX);
        let rejected = RateError::Burst { burst, max };
        let burst = NonZeroU32::new(burst).filter(|burst| burst.get() <= max).ok_or(rejected)?;
        let quota = quota.allow_burst(burst);
        let clock = Since { start: clock.now(), clock };
        let limiter = governor::RateLimiter::direct_with_clock(quota, clock.clone());
        Ok(RateLimiter { limiter, clock, burst })
    }

    /// Acquires one permit if it is available.
    ///
    /// # Errors
    /// The `Instant` at which it will be available, unless another caller takes it.
    ///
    /// # Cost
    /// A clock reading and one compare-and-exchange, more if threads contend.
    pub fn try_acquire(&self) -> Result<(), Instant> {
        self.limiter.check().map_err(|not_until| self.instant_of(&not_until))
    }

    /// Acquires `n` permits if they are available, or none.
    ///
    /// # Errors
    /// [`InsufficientCapacity`] if `n` exceeds the burst. The inner error is the `Instant` at which the
    /// permits will be available, unless another caller takes them.
    pub fn try_acquire_n(&self, n: u32) -> Result<Result<(), Instant>, InsufficientCapacity> {
        let Some(n) = NonZeroU32::new(n) else { return Ok(Ok(())) };
        match self.limiter.check_n(n) {
            Ok(taken) => Ok(taken.map_err(|not_until| self.instant_of(&not_until))),
            Err(_) => Err(InsufficientCapacity { asked: n.get(), burst: self.burst.get() }),
        }
    }

    /// Acquires `n` permits, and waits for them at most until `deadline`; returns whether it acquired them.
    ///
    /// Blocks the thread. If the permits will not be available by the deadline, it returns false at
    /// once.
    ///
    /// # Errors
    /// [`InsufficientCapacity`], at once.
    pub fn acquire_n_until(&self, n: u32, deadline: Instant) -> Result<bool, InsufficientCapacity> {
        loop {
            match self.try_acquire_n(n)? {
                Ok(()) => return Ok(true),
                Err(at) if at > deadline => return Ok(false),
                Err(at) => self.clock.clock.wait_until(at),
            }
        }
    }

    /// The burst: the most permits that a caller can acquire at once.
    pub fn burst(&self) -> u32 {
        self.burst.get()
    }

    fn instant_of(&self, not_until: &governor::NotUntil<Duration>) -> Instant {
        let wait = not_until.wait_time_from(self.clock.now());
        let now = self.clock.clock.now();
        now.checked_add(wait).unwrap_or_else(|| deadline(now, wait))
    }
}

#[cfg(feature = "task")]
impl<C: crate::Timer> RateLimiter<C> {
    /// Acquires a permit, and waits until it is available.
    ///
    /// Not a queue: the first call after a permit becomes available acquires it. Cancel safe.
    pub async fn acquire(&self) {
        while let Err(at) = self.try_acquire() {
            self.clock.clock.sleep_until(at).await;
        }
    }

    /// Acquires `n` permits at once, and waits until they are available.
    ///
    /// # Errors
    /// [`InsufficientCapacity`], at once.
    pub async fn acquire_n(&self, n: u32) -> Result<(), InsufficientCapacity> {
        while let Err(at) = self.try_acquire_n(n)? {
            self.clock.clock.sleep_until(at).await;
        }
        Ok(())
    }
}

impl<C: Clock> governor::clock::Clock for Since<C> {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.start).min(LONGEST)
    }
}

impl<C: Clock> fmt::Debug for RateLimiter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("burst", &self.burst).finish_non_exhaustive()
    }
}

/// The longest time that governor receives.
const LONGEST: Duration = Duration::from_nanos(*NANOS.end());
