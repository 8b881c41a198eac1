//! Keeps to a rate, by thresholds that follow the load.

mod builder;
mod controller;
mod counters;
mod fill;
mod keys;
mod law;

pub use builder::{AdaptiveAlgorithm, AdaptiveBuilder, AdaptiveKey};
pub use fill::max_min_shares;

use crate::intent::SamplingIntent;
use crate::limiter::Limiter;
use crate::parameters::{SamplerContext, SamplingParameters};
use crate::parent::follow;
use crate::sampler::ComposableSampler;
use crate::setting::{SettingError, rate};
use crate::threshold::{Randomness, Threshold};
use crate::tick::Tick;
use arc_swap::ArcSwapOption;
use builder::{Settings, Target};
use controller::Controller;
use counters::Counters;
use keys::{Keys, hash};
use spanwise_wire::Value;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// Keeps a target of traces (or spans) per second, whatever is offered, by a probability that is
/// always a threshold: what it keeps is consistent, and can be scaled up.
///
/// Roots are counted as they are *offered*, and the threshold is set to target by offered rate:
/// each second, and at once when more is kept than should be. Silence is no reason to open up; a
/// rate that has fallen is believed after two seconds. Each key (a span's name, as a rule) has its
/// own threshold, and rare ones are kept whole: the target is shared by max-min fairness between
/// up to 256 frequent keys and all others together. Children go with their parents.
///
/// Behind it stands a governor, a token bucket of 1.15 times the target: what it drops, nobody
/// can count, so survivors of such a second have no `th`.
///
/// Clones share everything.
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::{Adaptive, Sampler};
///
/// fn main() -> Result<(), spanwise::sampling::SettingError> {
///     let adaptive = Adaptive::builder().with_traces_per_second(100.0).build()?;
///     let sampler = Sampler::from(adaptive.clone());
///     adaptive.set_target(50.0)?; // at any time
///     println!("{sampler}");
///     Ok(())
/// }
/// ```
///
/// # Cost
/// A hash of the name, a table look-up, a count that no other thread writes. A root that is kept
/// reads the clock and writes shared words. No lock is waited for, nothing is allocated but 2 KiB
/// for each thread on its first root, up to 64.
#[derive(Clone)]
pub struct Adaptive {
    shared: Arc<Shared>,
}

struct Shared {
    key: AdaptiveKey,
    /// By slot, as values of [`Threshold`].
    thresholds: Box<[AtomicU64]>,
    keys: Keys,
    offered: Counters,
    /// There is no slot for another key.
    full: AtomicBool,
    kept: Kept,
    controller: Mutex<Controller>,
}

/// What is written when a root is kept, apart from what is read for each.
#[derive(Default)]
#[repr(align(128))]
struct Kept {
    /// Roots that their thresholds let pass.
    passed: AtomicU64,
    /// Of these, roots that the governor dropped.
    governed: AtomicU64,
    /// So many passed are too many for this period.
    surge_at: AtomicU64,
    /// When the period began, when the clock was last looked at, when the period ends.
    began: AtomicU64,
    looked: AtomicU64,
    due: AtomicU64,
    /// The governor dropped roots in this period.
    uncounted: AtomicBool,
    governor: ArcSwapOption<Limiter>,
}

/// How an [`Adaptive`] is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveState {
    /// Traces per second to be kept.
    pub target: f64,
    /// Traces per second expected to start: what [`max_min_shares`] wants to know of a process.
    pub offered: f64,
    /// The share of offered roots that is kept at present, 0 to 1: all keys together, each as often
    /// as it is expected, without what the governor drops.
    pub probability: f64,
    /// Keys with a slot of their own.
    pub keys: usize,
    /// Roots kept so far.
    pub kept: u64,
    /// Roots that the governor dropped so far.
    pub governed: u64,
}

impl Adaptive {
    /// Starts a configuration.
    pub fn builder() -> AdaptiveBuilder {
        AdaptiveBuilder::new()
    }

    fn new(settings: Settings) -> Self {
        let slots = if settings.key == AdaptiveKey::None { OTHERS + 1 } else { SLOTS };
        let shared = Shared {
            key: settings.key.clone(),
            thresholds: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            keys: Keys::new(),
            offered: Counters::new(slots),
            full: AtomicBool::new(false),
            kept: Kept::default(),
            controller: Mutex::new(Controller::new(settings, slots)),
        };
        shared.lock().publish(&shared);
        // The period begins with the first root.
        shared.kept.due.store(0, Relaxed);
        Self { shared: Arc::new(shared) }
    }

    /// Changes the target, in the unit it was built with, from now on.
    ///
    /// # Errors
    /// Not a number, below 10⁻⁶ or above 10⁹; the target stays as it was.
    pub fn set_target(&self, per_second: f64) -> Result<(), SettingError> {
        let per_second = rate("set_target", per_second)?;
        let mut controller = self.shared.lock();
        controller.settings.target = match controller.settings.target {
            Target::Traces(_) => Target::Traces(per_second),
            Target::Spans(_) => Target::Spans(per_second),
        };
        controller.publish(&self.shared);
        Ok(())
    }

    /// How it is doing.
    pub fn state(&self) -> AdaptiveState {
        let controller = self.shared.lock();
        let governed = self.shared.kept.governed.load(Relaxed);
        AdaptiveState {
            target: controller.target(),
            offered: controller.offered(),
            probability: controller.probability(&self.shared),
            keys: controller.keys(),
            kept: self.shared.kept.passed.load(Relaxed).saturating_sub(governed),
            governed,
        }
    }
}

impl ComposableSampler for Adaptive {
    #[inline]
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        if let Some(parent) = &params.parent {
            return follow(parent, params);
        }
        let shared = &*self.shared;
        let slot = shared.slot(params);
        let seen = shared.offered.count(slot);
        if seen & LOOK == 1 {
            shared.look(params.host.now());
        }
        let threshold = shared.threshold(slot);
        let randomness = params.randomness();
        if threshold.keeps(randomness) {
            shared.keep(slot, randomness, params.host)
        } else {
            SamplingIntent::keep(threshold)
        }
    }

    fn tick(&self, tick: &Tick) {
        if let Some(mut controller) = self.shared.try_lock() {
            let governed = self.shared.kept.governed.load(Relaxed);
            let admitted = self.shared.kept.passed.load(Relaxed).saturating_sub(governed);
            controller.learn_spans(tick, admitted);
        }
        self.shared.look(tick.now);
    }

    fn description(&self) -> String {
        let AdaptiveState { target, .. } = self.state();
        format!("AdaptiveSampler{{target={target}/s}}")
    }
}

impl Shared {
    #[inline]
    fn slot(&self, params: &SamplingParameters<'_>) -> usize {
        let key = match &self.key {
            AdaptiveKey::None => return OTHERS,
            AdaptiveKey::Name => params.name,
            AdaptiveKey::Attribute(key) => match params.attributes.get(key) {
                Some(Value::Str(value)) => value,
                _ => "",
            },
        };
        let hash = hash(key);
        match self.keys.find(hash) {
            Some(slot) => slot,
            None => self.missed(hash),
        }
    }

    #[cold]
    fn missed(&self, hash: u64) -> usize {
        if self.full.load(Relaxed) {
            self.keys.missed(hash);
        } else if let Some(mut controller) = self.try_lock() {
            controller.admit(hash, self);
            return self.keys.find(hash).unwrap_or(OTHERS);
        }
        OTHERS
    }

    #[inline]
    fn threshold(&self, slot: usize) -> Threshold {
        let value = self.thresholds.get(slot).map_or(0, |value| value.load(Relaxed));
        Threshold::new(value).unwrap_or(Threshold::KEEP_ALL)
    }

    /// Thinks, if it is time to.
    #[cold]
    fn look(&self, now: u64) {
        let kept = &self.kept;
        let set_back = now < kept.began.load(Relaxed).saturating_sub(SLACK);
        if (now >= kept.due.load(Relaxed) || set_back)
            && let Some(mut controller) = self.try_lock()
        {
            controller.update(now, self);
        }
        kept.looked.store(now, Relaxed);
    }

    /// A root that its threshold lets pass.
    fn keep<'s>(
        &self,
        slot: usize,
        randomness: Randomness,
        host: &dyn SamplerContext,
    ) -> SamplingIntent<'s> {
        let kept = &self.kept;
        let now = host.now();
        self.look(now);
        if kept.passed.load(Relaxed) >= kept.surge_at.load(Relaxed)
            && let Some(mut controller) = self.try_lock()
        {
            controller.update(now, self);
        }
        let threshold = self.threshold(slot);
        if !threshold.keeps(randomness) {
            return SamplingIntent::keep(threshold);
        }
        kept.passed.fetch_add(1, Relaxed);
        if let Some(governor) = &*kept.governor.load()
            && !governor.take(now)
        {
            kept.governed.fetch_add(1, Relaxed);
            kept.uncounted.store(true, Relaxed);
            return SamplingIntent::DROP;
        }
        if kept.uncounted.load(Relaxed) {
            SamplingIntent::keep_without_threshold()
        } else {
            SamplingIntent::keep(threshold)
        }
    }

    /// Waits, for calls that are not made by threads that start spans.
    fn lock(&self) -> MutexGuard<'_, Controller> {
        self.controller.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Controller>> {
        match self.controller.try_lock() {
            Ok(controller) => Some(controller),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl fmt::Debug for Adaptive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Adaptive").field(&self.state()).finish()
    }
}

/// The slot of all keys that have none.
const OTHERS: usize = 0;
/// That, and one for each of 256 keys.
const SLOTS: usize = 257;
/// A counter looks at the clock when it has seen one root, and at every 64th after it.
const LOOK: u64 = 63;
/// Clocks of two threads may differ a little without having been set, in nanoseconds.
const SLACK: u64 = 1_000_000_000;
/// What the governor lets through for long, as a factor of the target.
const GOVERNED_BURST: f64 = 1.15;
