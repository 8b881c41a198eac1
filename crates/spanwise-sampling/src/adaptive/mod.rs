//! The adaptive sampler: thresholds that follow the load.

mod algorithm;
mod builder;
mod controller;
mod counters;
mod keys;
mod label;
mod max_min;
mod settings;
mod table;

pub use algorithm::RateEstimate;
pub use builder::AdaptiveBuilder;
pub use max_min::max_min_shares;
pub use settings::{AdaptiveAlgorithm, AdaptiveKey};

use crate::context::SamplerContext;
use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::parent::follow;
use crate::sampler::ComposableSampler;
use crate::sampling_rate::SamplingRate;
use crate::setting::{SettingError, rate};
use crate::threshold::Randomness;
use crate::tick::Tick;
use controller::Controller;
use keys::hash;
use label::Label;
use settings::{Settings, Target};
use spanwise_wire::Value;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use table::{OTHERS, SLOTS, Table};

/// An adaptive sampler: it meets a target of traces (or spans) per second under every load, by a
/// probability that is always a threshold. Its decisions are consistent, and backends can scale
/// counts up.
///
/// The sampler counts all *offered* roots, sampled or not, and sets the probability to the target
/// divided by the offered rate: each second, and at once when it samples more than it should. Silence
/// does not raise the probability; the estimate follows a lower rate after two seconds. Each key (a
/// span's name by default) has its own threshold: the sampler shares the target by max-min fairness
/// between up to 256 frequent keys and all others together, and samples all roots of rare keys.
/// Children follow their parents.
///
/// A governor, a token bucket of 1.15 times the target, limits bursts. The probability of a period in
/// which it drops roots is unknown: roots sampled in that period have no `th`.
///
/// Clones share their state.
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
/// A hash of the name, a table look-up, a counter that no other thread writes. A sampled root also
/// reads the clock and writes shared memory. The sampler waits for no lock, and allocates only 2 KiB
/// for each thread on its first root, for up to 64 threads.
#[derive(Clone)]
pub struct Adaptive {
    shared: Arc<Shared>,
}

struct Shared {
    key: AdaptiveKey,
    table: Table,
    controller: Mutex<Controller>,
}

/// The state of an [`Adaptive`] sampler.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveState {
    /// The target, in traces per second.
    pub target: f64,
    /// The estimated rate of new traces, in traces per second: the demand of a process for
    /// [`max_min_shares`].
    pub offered: f64,
    /// The present sampling probability of roots, 0 to 1: the mean of all keys, weighted by their
    /// estimated rates, less the roots that the governor drops.
    pub probability: f64,
    /// The number of keys with a threshold of their own.
    pub keys: usize,
    /// The number of roots sampled so far.
    pub sampled: u64,
    /// The number of roots that the governor dropped so far.
    pub governed: u64,
}

impl Adaptive {
    /// A builder with the default configuration.
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

    /// Changes the target, in the unit that the builder set.
    ///
    /// # Errors
    /// Not a number, below 10⁻⁶ or above 10⁹; the target is unchanged.
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

    /// The present state.
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
        let count = shared.table.offered.increment(slot);
        if count & LOOK == 1 {
            shared.look(params.context.now());
        }
        let threshold = shared.table.threshold(slot);
        let randomness = params.randomness();
        if threshold.keeps(randomness) {
            shared.keep(slot, randomness, params.context)
        } else {
            SamplingIntent::keep(threshold)
        }
    }

    fn rates(&self) -> Vec<SamplingRate> {
        self.shared.lock().rates(&self.shared.table)
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
            None => self.missed(hash, key),
        }
    }

    #[cold]
    fn missed(&self, hash: u64, key: &str) -> usize {
        if self.table.full.load(Relaxed) {
            self.table.keys.missed(hash);
        } else if let Some(mut controller) = self.try_lock() {
            // Values of attributes may be secrets, which no page shows.
            let label = (self.key == AdaptiveKey::Name).then(|| Label::of(key));
            controller.admit(hash, label, &self.table);
            return self.table.keys.find(hash).unwrap_or(OTHERS);
        }
        OTHERS
    }

    /// Updates the thresholds if the period is over.
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

    /// The intent for a root that its threshold keeps.
    fn keep<'s>(
        &self,
        slot: usize,
        randomness: Randomness,
        context: &dyn SamplerContext,
    ) -> SamplingIntent<'s> {
        let sampled = &self.table.sampled;
        let now = context.now();
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

    /// Waits for the lock; for callers that do not start spans.
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

/// A thread reads the clock at the first root of a counter, and at every 64th after it.
const LOOK: u64 = 63;
/// The difference between the clocks of two threads, in nanoseconds, that is not a clock set back.
const SLACK: u64 = 1_000_000_000;
