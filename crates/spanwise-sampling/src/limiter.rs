//! So many a second: a token bucket that is told the time.

use crate::limits::{LAST_INSTANT, RATE};
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::fmt;
use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, TryLockError};
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
    /// Cells in a full bucket, and nanoseconds that one takes to come.
    cells: NonZeroU32,
    cell_nanos: u64,
    /// At its first take it begins with what this one holds then.
    before: Mutex<Option<Arc<Limiter>>>,
    inherits: AtomicBool,
}

/// A limiter and its rate, with bursts of a second's worth.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) per_second: f64,
    pub(crate) limiter: Arc<Limiter>,
}

impl Bucket {
    /// A full one; a rate that no limiter keeps is taken as the nearest that one does.
    pub(crate) fn new(per_second: f64) -> Self {
        let per_second = per_second.clamp(*RATE.start(), *RATE.end());
        Self { per_second, limiter: Arc::new(Limiter::new(per_second, per_second.max(1.0))) }
    }

    /// The same bucket if that is its rate, else one that goes on with what this one holds.
    pub(crate) fn at(&self, per_second: f64) -> Self {
        let per_second = per_second.clamp(*RATE.start(), *RATE.end());
        if per_second == self.per_second {
            return self.clone();
        }
        let limiter = Limiter::after(&self.limiter, per_second, per_second.max(1.0));
        Self { per_second, limiter: Arc::new(limiter) }
    }
}

impl Limiter {
    /// `per_second` above 0 and at most 10⁹; `burst` at least 1 is made of whole bulks.
    pub(crate) fn new(per_second: f64, burst: f64) -> Self {
        let bulk = (per_second / CELLS_PER_SECOND).floor().max(1.0);
        let cell = Duration::try_from_secs_f64(bulk / per_second).unwrap_or(SLOWEST);
        let cells = NonZeroU32::new((burst / bulk).round() as u32).unwrap_or(NonZeroU32::MIN);
        // A rate so low that it is not one is once in a century.
        let cell = cell.clamp(Duration::from_nanos(1), SLOWEST);
        let quota = Quota::with_period(cell)
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
            cells,
            cell_nanos: cell.as_nanos() as u64,
            before: Mutex::new(None),
            inherits: AtomicBool::new(false),
        }
    }

    /// As `before`, at another rate: it begins with what that one holds when this one is asked
    /// first, so that a change of the rate fills no bucket.
    pub(crate) fn after(before: &Arc<Self>, per_second: f64, burst: f64) -> Self {
        // One that was never asked holds what the one before it does: there is no chain of them. One
        // whose lock is held is being asked.
        let earlier = before.before.try_lock().ok().and_then(|earlier| earlier.clone());
        let mut limiter = Self::new(per_second, burst);
        limiter.before = Mutex::new(Some(earlier.unwrap_or_else(|| before.clone())));
        limiter.inherits = AtomicBool::new(true);
        limiter
    }

    /// Whether one more may pass at `now`.
    pub(crate) fn take(&self, now: u64) -> bool {
        // ORDER: Acquire; pairs with the store in `inherit`.
        if self.inherits.load(Acquire) && !self.inherit(now) {
            return false;
        }
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
    /// Takes over what the limiter before it holds. `false` while another thread does: for that
    /// moment nothing is to be had.
    #[cold]
    fn inherit(&self, now: u64) -> bool {
        let mut before = match self.before.try_lock() {
            Ok(before) => before,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if let Some(limiter) = before.take() {
            self.begin_with(limiter.drain(now), now);
            // ORDER: Release, so that who reads it finds the bucket as it was left here.
            self.inherits.store(false, Release);
        }
        true
    }

    /// Empties the bucket; returns the credits it held, with fractions.
    fn drain(&self, now: u64) -> f64 {
        let now = self.unbroken(now);
        let mut held = self.credits.swap(0, Relaxed) as f64;
        self.clock.store(now, Relaxed);
        for _ in 0..=self.cells.get() {
            if let Err(until) = self.governor.check() {
                let wait = until.wait_time_from(Told(now)).as_nanos() as f64;
                held += self.bulk as f64 * (1.0 - wait / self.cell_nanos as f64).max(0.0);
                break;
            }
            held += self.bulk as f64;
        }
        held
    }

    /// Begins with `held` takes at `now`, of a bucket that nobody has taken from.
    fn begin_with(&self, held: f64, now: u64) {
        let cells = (held / self.bulk as f64).min(f64::from(self.cells.get()));
        // It is emptied now, and from now on its clock is ahead by what it takes to earn them.
        self.clock.store(now.min(LAST_INSTANT), Relaxed);
        let _emptied = self.governor.check_n(self.cells);
        self.offset.store((cells * self.cell_nanos as f64) as u64, Relaxed);
    }

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
