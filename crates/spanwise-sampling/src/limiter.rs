//! A token bucket whose time is an argument: the generic cell rate algorithm (ITU-T I.371) in one
//! machine word.
//!
//! The crate `governor` implements it too, but an adapter for bulks, for a time that is passed in and
//! for a change of the rate would be longer than the algorithm.

use crate::limits::LAST_INSTANT;
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

/// A rate limiter with a burst: it grants a number of permits per second, and a number at once.
///
/// At a high rate a cell of the bucket is worth several permits: a thread buys them in bulk, at most
/// a thousand times a second, and the limiter then grants them one by one.
pub(crate) struct Limiter {
    /// The time at which the bucket is full again, in nanoseconds (the *theoretical arrival time*).
    full_at: AtomicU64,
    /// The time of the last purchase.
    clock: AtomicU64,
    /// The nanoseconds added to the clock because it was set back.
    offset: AtomicU64,
    /// The permits of one cell.
    bulk: u64,
    /// Permits that were bought and not granted yet.
    credits: AtomicU64,
    /// The bucket is empty until this time.
    empty_until: AtomicU64,
    /// The cells of a full bucket, and the nanoseconds in which one cell is refilled.
    cells: u64,
    cell_nanos: u64,
    /// The limiter whose permits this one takes over at its first use.
    before: Mutex<Option<Arc<Limiter>>>,
    inherits: AtomicBool,
}

impl Limiter {
    /// `per_second` above 0 and at most 10⁹; `burst` at least 1 is made of whole bulks.
    pub(crate) fn new(per_second: f64, burst: f64) -> Self {
        let bulk = (per_second / CELLS_PER_SECOND).floor().max(1.0);
        let cell = Duration::try_from_secs_f64(bulk / per_second).unwrap_or(SLOWEST);
        let cells = ((burst / bulk).round() as u64).max(1);
        // The lowest rate is one permit in a century.
        let cell = cell.clamp(Duration::from_nanos(1), SLOWEST);
        Self {
            full_at: AtomicU64::new(0),
            clock: AtomicU64::new(0),
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

    /// The successor of `before` with another rate: at its first use it starts with the permits that
    /// `before` then holds, so that a change of the rate fills no bucket.
    pub(crate) fn after(before: &Arc<Self>, per_second: f64, burst: f64) -> Self {
        // An unused limiter stands for its own predecessor: successors form no chain. A limiter whose
        // lock is held is in use.
        let earlier = before.before.try_lock().ok().and_then(|earlier| earlier.clone());
        let mut limiter = Self::new(per_second, burst);
        limiter.before = Mutex::new(Some(earlier.unwrap_or_else(|| before.clone())));
        limiter.inherits = AtomicBool::new(true);
        limiter
    }

    /// Takes a permit at `now`; `false` if there is none.
    pub(crate) fn take(&self, now: u64) -> bool {
        // ORDER: Acquire; pairs with the store in `inherit`.
        if self.inherits.load(Acquire) && !self.inherit(now) {
            return false;
        }
        let now = self.unbroken(now);
        // ORDER: Relaxed throughout; credits are counted, they publish no data.
        if now < self.empty_until.load(Relaxed) {
            return false;
        }
        let spend = |credits: u64| credits.checked_sub(1);
        if self.credits.fetch_update(Relaxed, Relaxed, spend).is_ok() {
            return true;
        }
        self.clock.store(now, Relaxed);
        match self.buy(1, now) {
            Ok(()) => {
                if self.bulk > 1 {
                    self.credits.fetch_add(self.bulk - 1, Relaxed);
                }
                true
            }
            Err(until) => {
                self.empty_until.store(until, Relaxed);
                false
            }
        }
    }

    /// Takes `cells`, at least one and no more than a full bucket has, out of the bucket at `now`.
    ///
    /// # Errors
    /// The bucket has fewer: the time at which it has them, if no other thread takes any.
    fn buy(&self, cells: u64, now: u64) -> Result<(), u64> {
        let (cost, capacity) = (self.nanos_of(cells), self.nanos_of(self.cells));
        let there_at = |full_at: u64| full_at.saturating_add(cost).saturating_sub(capacity);
        let take = |full_at: u64| {
            (there_at(full_at) <= now).then(|| full_at.max(now).saturating_add(cost))
        };
        // ORDER: Relaxed; the machine word publishes no other data.
        self.full_at.fetch_update(Relaxed, Relaxed, take).map(|_| ()).map_err(there_at)
    }

    /// The nanoseconds in which `cells` are refilled.
    fn nanos_of(&self, cells: u64) -> u64 {
        self.cell_nanos.saturating_mul(cells)
    }
}

impl Limiter {
    /// Takes over the permits of the predecessor; `false` while another thread does so, during which
    /// no permit is granted.
    #[cold]
    fn inherit(&self, now: u64) -> bool {
        let mut before = match self.before.try_lock() {
            Ok(before) => before,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if let Some(limiter) = before.take() {
            self.start_with(limiter.drain(now), now);
            // ORDER: Release publishes the bucket; pairs with the Acquire in `take`.
            self.inherits.store(false, Release);
        }
        true
    }

    /// Empties the bucket; returns the number of permits it held, with fractions.
    fn drain(&self, now: u64) -> f64 {
        let now = self.unbroken(now);
        let mut held = self.credits.swap(0, Relaxed) as f64;
        self.clock.store(now, Relaxed);
        for _ in 0..=self.cells {
            if let Err(until) = self.buy(1, now) {
                let wait = until.saturating_sub(now) as f64;
                held += self.bulk as f64 * (1.0 - wait / self.cell_nanos as f64).max(0.0);
                break;
            }
            held += self.bulk as f64;
        }
        held
    }

    /// Fills an unused bucket with `held` permits at `now`.
    fn start_with(&self, held: f64, now: u64) {
        let cells = (held / self.bulk as f64).min(self.cells as f64);
        // The bucket is emptied, and its clock then runs ahead by the time in which the permits are
        // refilled.
        let now = now.min(LAST_INSTANT);
        self.clock.store(now, Relaxed);
        let _emptied = self.buy(self.cells, now);
        self.offset.store((cells * self.cell_nanos as f64) as u64, Relaxed);
    }

    /// The time without the steps back of a clock that is set: the bucket would stay empty for the
    /// length of such a step.
    fn unbroken(&self, now: u64) -> u64 {
        let offset = self.offset.load(Relaxed);
        // The sums below must fit 64 bits for every reading of a clock.
        let time = now.wrapping_add(offset).min(LAST_INSTANT);
        let last = self.clock.load(Relaxed);
        if time >= last.saturating_sub(SLACK) {
            return time;
        }
        let longer = offset.wrapping_add(last - time);
        // If another thread was first, it has made the same change.
        let _ = self.offset.compare_exchange(offset, longer, Relaxed, Relaxed);
        last
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("bulk", &self.bulk).finish_non_exhaustive()
    }
}

/// The maximum number of purchases per second.
const CELLS_PER_SECOND: f64 = 1000.0;
/// The difference between the clocks of two threads, in nanoseconds, that is not a clock set back.
const SLACK: u64 = 1_000_000_000;
/// The longest refill time of a cell: a century.
const SLOWEST: Duration = Duration::from_secs(100 * 365 * 86_400);
