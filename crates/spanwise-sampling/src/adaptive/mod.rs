//! Keeps to a rate, by thresholds that follow the load.

mod builder;
mod controller;
mod counters;
mod fill;
mod keys;
mod law;
mod settings;
mod table;

pub use builder::AdaptiveBuilder;
pub use fill::max_min_shares;
pub use settings::{AdaptiveAlgorithm, AdaptiveKey};

use crate::context::SamplerContext;
use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::parent::follow;
use crate::sampler::ComposableSampler;
use crate::setting::{SettingError, rate};
use crate::threshold::Randomness;
use crate::tick::Tick;
use controller::Controller;
use keys::hash;
use settings::{Settings, Target};
use spanwise_wire::Value;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use table::{OTHERS, SLOTS, Table};

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
    table: Table,
    controller: Mutex<Controller>,
}

/// How an [`Adaptive`] is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveState {
    /// Traces per second to be sampled.
    pub target: f64,
    /// Traces per second expected to start: what [`max_min_shares`] wants to know of a process.
    pub offered: f64,
    /// The share of offered roots that is kept at present, 0 to 1: all keys together, each as often
    /// as it is expected, without what the governor drops.
    pub probability: f64,
    /// Keys with a slot of their own.
    pub keys: usize,
    /// The number of roots sampled so far.
    pub sampled: u64,
    /// The number of roots that the governor dropped so far.
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
            table: Table::new(slots),
            controller: Mutex::new(Controller::new(settings, slots)),
        };
        shared.lock().publish(&shared.table);
        // The period begins with the first root.
        shared.table.sampled.due.store(0, Relaxed);
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
        controller.publish(&self.shared.table);
        Ok(())
    }

    /// How it is doing.
    pub fn state(&self) -> AdaptiveState {
        let controller = self.shared.lock();
        let table = &self.shared.table;
        AdaptiveState {
            target: controller.target(),
            offered: controller.offered(),
            probability: controller.probability(table),
            keys: controller.keys(),
            sampled: table.admitted(),
            governed: table.sampled.governed.load(Relaxed),
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
        let seen = shared.table.offered.count(slot);
        if seen & LOOK == 1 {
            shared.look(params.host.now());
        }
        let threshold = shared.table.threshold(slot);
        let randomness = params.randomness();
        if threshold.keeps(randomness) {
            shared.keep(slot, randomness, params.host)
        } else {
            SamplingIntent::keep(threshold)
        }
    }

    fn tick(&self, tick: &Tick) {
        if let Some(mut controller) = self.shared.try_lock() {
            controller.estimate_spans(tick, self.shared.table.admitted());
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
        match self.table.keys.find(hash) {
            Some(slot) => slot,
            None => self.missed(hash),
        }
    }

    #[cold]
    fn missed(&self, hash: u64) -> usize {
        if self.table.full.load(Relaxed) {
            self.table.keys.missed(hash);
        } else if let Some(mut controller) = self.try_lock() {
            controller.admit(hash, &self.table);
            return self.table.keys.find(hash).unwrap_or(OTHERS);
        }
        OTHERS
    }

    /// Thinks, if it is time to.
    #[cold]
    fn look(&self, now: u64) {
        let sampled = &self.table.sampled;
        let set_back = now < sampled.began.load(Relaxed).saturating_sub(SLACK);
        if (now >= sampled.due.load(Relaxed) || set_back)
            && let Some(mut controller) = self.try_lock()
        {
            controller.update(now, &self.table);
        }
        sampled.looked.store(now, Relaxed);
    }

    /// A root that its threshold lets pass.
    fn keep<'s>(
        &self,
        slot: usize,
        randomness: Randomness,
        host: &dyn SamplerContext,
    ) -> SamplingIntent<'s> {
        let sampled = &self.table.sampled;
        let now = host.now();
        self.look(now);
        if sampled.passed.load(Relaxed) >= sampled.surge_at.load(Relaxed)
            && let Some(mut controller) = self.try_lock()
        {
            controller.update(now, &self.table);
        }
        let threshold = self.table.threshold(slot);
        if !threshold.keeps(randomness) {
            return SamplingIntent::keep(threshold);
        }
        sampled.passed.fetch_add(1, Relaxed);
        if !sampled.governor_admits(now) {
            sampled.governed.fetch_add(1, Relaxed);
            sampled.uncounted.store(true, Relaxed);
            return SamplingIntent::DROP;
        }
        if sampled.uncounted.load(Relaxed) {
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

/// A counter looks at the clock when it has seen one root, and at every 64th after it.
const LOOK: u64 = 63;
/// Clocks of two threads may differ a little without having been set, in nanoseconds.
const SLACK: u64 = 1_000_000_000;
