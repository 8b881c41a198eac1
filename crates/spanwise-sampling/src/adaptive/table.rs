//! The words that threads read when a root starts, and those they write when it is sampled.

use super::counters::Counters;
use super::keys::Keys;
use crate::limiter::Limiter;
use crate::threshold::Threshold;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, RwLock, TryLockError};

/// The thresholds by slot, and the counts that the controller sets them by.
pub(super) struct Table {
    /// By slot, as values of [`Threshold`].
    pub(super) thresholds: Box<[AtomicU64]>,
    pub(super) keys: Keys,
    pub(super) offered: Counters,
    /// No slot is free for another key.
    pub(super) full: AtomicBool,
    pub(super) sampled: Sampled,
}

/// The words that a sampled root writes, on cache lines apart from those that every root reads.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Sampled {
    /// Roots that their thresholds let pass.
    pub(super) passed: AtomicU64,
    /// Of these, roots that the governor dropped.
    pub(super) governed: AtomicU64,
    /// The value of `passed` that is too high for this period.
    pub(super) surge_at: AtomicU64,
    /// The start of the period.
    pub(super) began: AtomicU64,
    /// The last reading of the clock.
    pub(super) looked: AtomicU64,
    /// The end of the period.
    pub(super) due: AtomicU64,
    /// The governor dropped roots in this period.
    pub(super) uncounted: AtomicBool,
    /// Replaced by the controller alone, which does not wait for the lock.
    pub(super) governor: RwLock<Option<Arc<Limiter>>>,
}

impl Table {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            thresholds: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            keys: Keys::new(),
            offered: Counters::new(slots),
            full: AtomicBool::new(false),
            sampled: Sampled::default(),
        }
    }

    #[inline]
    pub(super) fn threshold(&self, slot: usize) -> Threshold {
        let value = self.thresholds.get(slot).map_or(0, |value| value.load(Relaxed));
        Threshold::new(value).unwrap_or(Threshold::KEEP_ALL)
    }

    /// Roots that passed both their thresholds and the governor.
    pub(super) fn admitted(&self) -> u64 {
        let governed = self.sampled.governed.load(Relaxed);
        self.sampled.passed.load(Relaxed).saturating_sub(governed)
    }
}

impl Sampled {
    /// Whether the governor, if there is one, admits one more root at `now`. While the controller
    /// replaces it, for some nanoseconds, every root is admitted.
    #[inline]
    pub(super) fn governor_admits(&self, now: u64) -> bool {
        let governor = match self.governor.try_read() {
            Ok(governor) => governor,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return true,
        };
        governor.as_ref().is_none_or(|governor| governor.take(now))
    }
}

/// The slot of all keys without a slot of their own.
pub(super) const OTHERS: usize = 0;
/// [`OTHERS`], and one slot for each of 256 keys.
pub(super) const SLOTS: usize = 257;
