//! The limits of a rule: a reservoir of traces per second, and a rate for the others.

use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::threshold::Threshold;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// The limits of a rule, and the counters of its reports. Each machine word is read and set by
/// itself.
///
/// No lock, no allocation: a reading of the context's clock where there is a reservoir, and a shared
/// atomic write for each count.
#[derive(Debug)]
pub(super) struct Limits {
    /// The rule may borrow one trace per second while it has no quota.
    may_borrow: AtomicBool,
    /// The value of the threshold, or [`NONE`].
    threshold: AtomicU64,
    /// The quota in traces per second, or [`NONE`] before the first one and after its expiry.
    quota: AtomicU64,
    /// The present second in the high bits, and the traces that the reservoir granted in it.
    window: AtomicU64,
    matched: AtomicU64,
    sampled: AtomicU64,
    borrowed: AtomicU64,
}

/// The counts since the last report.
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

    /// Sets the sampling rate beyond the reservoir, 0 to 1.
    pub(super) fn set_rate(&self, rate: f64) {
        // ORDER: Relaxed throughout; each machine word is complete in itself.
        let threshold = (rate > 0.0).then(|| Threshold::nearest(rate).rounded(4));
        self.threshold.store(threshold.map_or(NONE, Threshold::value), Relaxed);
    }

    pub(super) fn set_may_borrow(&self, may_borrow: bool) {
        self.may_borrow.store(may_borrow, Relaxed);
    }

    /// Sets the quota in traces per second; `None` removes it.
    pub(super) fn set_quota(&self, per_second: Option<u64>) {
        self.quota.store(per_second.unwrap_or(NONE), Relaxed);
    }

    pub(super) fn matched(&self) -> u64 {
        self.matched.load(Relaxed)
    }

    /// Takes the counts for a report, and sets them to 0.
    pub(super) fn take_counts(&self) -> Counts {
        Counts {
            matched: self.matched.swap(0, Relaxed),
            sampled: self.sampled.swap(0, Relaxed),
            borrowed: self.borrowed.swap(0, Relaxed),
        }
    }

    /// Adds the counts of a report that failed.
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
        let by_threshold = threshold.is_some_and(|threshold| threshold.keeps(params.randomness()));
        if reserved || by_threshold {
            self.sampled.fetch_add(1, Relaxed);
        }
        // A trace that the threshold samples too is written with its threshold, although it uses up
        // the reservoir: counts scaled up by `th` stay right.
        if reserved && !by_threshold {
            return SamplingIntent::keep_without_threshold();
        }
        threshold.map_or(SamplingIntent::DROP, SamplingIntent::keep)
    }

    /// Whether the reservoir grants one more trace in this second.
    fn reserve(&self, per_second: u64, params: &SamplingParameters<'_>) -> bool {
        if per_second == 0 {
            return false;
        }
        let second = params.context.now() / NANOS;
        let grant = |word: u64| {
            let (at, granted) = (word >> COUNT_BITS, word & MAX_COUNT);
            // A thread may be slightly behind the one that began the second; a clock that was set
            // back by more begins a new second.
            let same = at == second || at == second + 1;
            match (same, granted) {
                (true, granted) if granted >= per_second.min(MAX_COUNT) => None,
                (true, _) => Some(word + 1),
                (false, _) => Some(second << COUNT_BITS | 1),
            }
        };
        self.window.fetch_update(Relaxed, Relaxed, grant).is_ok()
    }
}

/// No threshold, or no quota: neither reaches this value.
const NONE: u64 = u64::MAX;
const NANOS: u64 = 1_000_000_000;
/// The bits of the count: the seconds of a 64-bit time in nanoseconds take 35 bits.
const COUNT_BITS: u32 = 24;
/// The maximum count of a second.
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
