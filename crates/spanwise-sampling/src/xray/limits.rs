//! How many a rule keeps: so many a second, and a share of the rest.

use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::threshold::Threshold;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// The limits of a rule, and the count of what they did. Words that are read and set alone.
///
/// No lock, no allocation: one read of the host's clock where there is a reservoir, and a shared
/// atomic write for each count.
#[derive(Debug)]
pub(super) struct Limits {
    /// One a second may be kept while no quota is known.
    may_borrow: AtomicBool,
    /// A threshold's value, or [`NONE`].
    threshold: AtomicU64,
    /// Traces per second, or [`NONE`] as long as none is known or it has run out.
    quota: AtomicU64,
    /// The second in the high bits, and what the reservoir gave in it.
    window: AtomicU64,
    matched: AtomicU64,
    sampled: AtomicU64,
    borrowed: AtomicU64,
}

/// What was done since the last report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) matched: u64,
    pub(super) sampled: u64,
    pub(super) borrowed: u64,
}

impl Limits {
    pub(super) fn new(rate: f64, may_borrow: bool) -> Self {
        let limits = Self {
            may_borrow: AtomicBool::new(may_borrow),
            threshold: AtomicU64::new(NONE),
            quota: AtomicU64::new(NONE),
            window: AtomicU64::new(0),
            matched: AtomicU64::new(0),
            sampled: AtomicU64::new(0),
            borrowed: AtomicU64::new(0),
        };
        limits.set_rate(rate);
        limits
    }

    /// The share that is kept beyond the reservoir, 0 to 1.
    pub(super) fn set_rate(&self, rate: f64) {
        // ORDER: Relaxed throughout; each word is complete in itself.
        let threshold = (rate > 0.0).then(|| Threshold::nearest(rate).rounded(4));
        self.threshold.store(threshold.map_or(NONE, Threshold::value), Relaxed);
    }

    pub(super) fn set_may_borrow(&self, may_borrow: bool) {
        self.may_borrow.store(may_borrow, Relaxed);
    }

    /// Traces per second; `None` takes the quota away.
    pub(super) fn set_quota(&self, per_second: Option<u64>) {
        self.quota.store(per_second.unwrap_or(NONE), Relaxed);
    }

    pub(super) fn matched(&self) -> u64 {
        self.matched.load(Relaxed)
    }

    /// Takes the counts out, for a report.
    pub(super) fn take_counts(&self) -> Counts {
        Counts {
            matched: self.matched.swap(0, Relaxed),
            sampled: self.sampled.swap(0, Relaxed),
            borrowed: self.borrowed.swap(0, Relaxed),
        }
    }

    /// Puts counts back that could not be reported.
    pub(super) fn put_back(&self, counts: Counts) {
        self.matched.fetch_add(counts.matched, Relaxed);
        self.sampled.fetch_add(counts.sampled, Relaxed);
        self.borrowed.fetch_add(counts.borrowed, Relaxed);
    }

    pub(super) fn sampling_intent<'s>(
        &self,
        params: &SamplingParameters<'_>,
    ) -> SamplingIntent<'s> {
        self.matched.fetch_add(1, Relaxed);
        let quota = self.quota.load(Relaxed);
        let reserved = match quota {
            NONE => self.may_borrow.load(Relaxed) && self.reserve(1, params),
            quota => self.reserve(quota, params),
        };
        if reserved && quota == NONE {
            self.borrowed.fetch_add(1, Relaxed);
        }
        let threshold = Threshold::new(self.threshold.load(Relaxed));
        let kept = threshold.is_some_and(|threshold| threshold.keeps(params.randomness()));
        if reserved || kept {
            self.sampled.fetch_add(1, Relaxed);
        }
        // What chance would have kept anyway counts with its threshold, though it takes a place in
        // the reservoir: counts that are scaled up by `th` stay right.
        if reserved && !kept {
            return SamplingIntent::keep_without_threshold();
        }
        threshold.map_or(SamplingIntent::DROP, SamplingIntent::keep)
    }

    /// Whether the reservoir gives one more in this second.
    fn reserve(&self, per_second: u64, params: &SamplingParameters<'_>) -> bool {
        if per_second == 0 {
            return false;
        }
        let second = params.host.now() / NANOS;
        let give = |word: u64| {
            let (at, given) = (word >> COUNT_BITS, word & MOST);
            // A thread may be a little behind the one that began the second; a clock that was set
            // back by more begins anew.
            let same = at == second || at == second + 1;
            match (same, given) {
                (true, given) if given >= per_second.min(MOST) => None,
                (true, _) => Some(word + 1),
                (false, _) => Some(second << COUNT_BITS | 1),
            }
        };
        self.window.fetch_update(Relaxed, Relaxed, give).is_ok()
    }
}

/// No threshold and no quota: neither is ever so large.
const NONE: u64 = u64::MAX;
const NANOS: u64 = 1_000_000_000;
/// Seconds of 64 bits of nanoseconds take 35 bits.
const COUNT_BITS: u32 = 24;
/// The most that a second can count.
const MOST: u64 = (1 << COUNT_BITS) - 1;
