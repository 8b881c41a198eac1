//! The sampler that does as it was told last.

use super::strategy::Strategy;
use crate::intent::Intent;
use crate::limiter::Limiter;
use crate::limits::RATE;
use crate::offer::Offer;
use crate::parent::follow_local;
use crate::rate_limited::RateLimited;
use crate::sampler::{Sample, Sampler};
use crate::threshold::Threshold;
use crate::tick::Tick;
use arc_swap::ArcSwap;
use spanwise_worker::catch_panic;
use std::collections::HashMap;
use std::sync::Arc;

/// Samples by the [`Strategy`] it was given last. Clones share it.
///
/// Children of a parent of this process go with it: strategies are for where a trace enters the
/// process. Probabilities are consistent thresholds. What the lower bound of an operation adds to them has
/// no known probability, so its `th` is erased; so it is with a rate limit.
#[derive(Debug, Clone)]
pub struct JaegerRemote {
    current: Arc<ArcSwap<Current>>,
}

#[derive(Debug)]
enum Current {
    /// The initial sampler, or one for all operations.
    One(Sampler),
    PerOperation(PerOperation),
}

#[derive(Debug)]
struct PerOperation {
    operations: HashMap<String, Operation>,
    /// All operations that are not listed, together.
    others: Operation,
}

#[derive(Debug)]
struct Operation {
    threshold: Option<Threshold>,
    lower_bound: Option<Limiter>,
}

impl JaegerRemote {
    /// Samples by `initial` until a strategy comes.
    pub fn new(initial: impl Into<Sampler>) -> Self {
        let current = Current::One(initial.into());
        Self { current: Arc::new(ArcSwap::from_pointee(current)) }
    }

    /// Samples by `strategy` from now on. Applying the one in force again starts its rate limits
    /// anew: compare before.
    pub fn apply(&self, strategy: &Strategy) {
        let before = self.current.swap(Arc::new(Current::new(strategy)));
        // It may hold a sampler that is not ours, whose destructor runs here.
        let _its_own_affair = catch_panic(|| drop(before));
    }
}

impl Current {
    fn new(strategy: &Strategy) -> Self {
        match strategy {
            Strategy::Probabilistic(probability) => Self::One(by_probability(*probability)),
            // A limit of 0, or one too low to keep, keeps none.
            Strategy::RateLimiting(rate) => Self::One(
                RateLimited::new(*rate).map_or_else(|_| Sampler::always_off(), Sampler::from),
            ),
            Strategy::PerOperation { default, lower_bound, operations } => {
                let operation = |probability: f64| Operation {
                    threshold: (probability > 0.0)
                        .then(|| Threshold::nearest(probability).rounded(4)),
                    lower_bound: (*lower_bound > 0.0).then(|| {
                        let bound = lower_bound.clamp(*RATE.start(), *RATE.end());
                        Limiter::new(bound, bound.max(1.0))
                    }),
                };
                Self::PerOperation(PerOperation {
                    operations: operations
                        .iter()
                        .map(|(name, probability)| (name.clone(), operation(*probability)))
                        .collect(),
                    others: operation(*default),
                })
            }
        }
    }
}

impl Sample for JaegerRemote {
    fn intent<'s>(&'s self, offer: &Offer<'_>) -> Intent<'s> {
        if let Some(followed) = follow_local(offer) {
            return followed;
        }
        match &**self.current.load() {
            Current::One(sampler) => {
                // The strategy may be exchanged while the answer is in use; what is told here
                // are numbers, and an initial sampler's notes are not kept.
                let Intent { threshold, reliable, record, .. } = sampler.intent(offer);
                Intent { threshold, reliable, record, ..Intent::DROP }
            }
            Current::PerOperation(strategy) => {
                strategy.operations.get(offer.name).unwrap_or(&strategy.others).intent(offer)
            }
        }
    }

    fn tick(&self, tick: &Tick) {
        if let Current::One(sampler) = &**self.current.load() {
            sampler.tick(tick);
        }
    }

    fn description(&self) -> String {
        match &**self.current.load() {
            Current::One(sampler) => format!("JaegerRemoteSampler{{{sampler}}}"),
            Current::PerOperation(strategy) => {
                format!("JaegerRemoteSampler{{{} operations}}", strategy.operations.len())
            }
        }
    }
}

impl Operation {
    fn intent<'s>(&self, offer: &Offer<'_>) -> Intent<'s> {
        let by_chance = self.threshold.map_or(Intent::DROP, Intent::keep);
        let kept = self.threshold.is_some_and(|threshold| threshold.keeps(offer.randomness()));
        match &self.lower_bound {
            // What chance keeps counts against the bound as well (Jaeger's guaranteed throughput).
            Some(bound) if bound.take(offer.host.now()) && !kept => Intent::keep_uncounted(),
            _ => by_chance,
        }
    }
}

fn by_probability(probability: f64) -> Sampler {
    // Below the least probability that there is: as good as none.
    Sampler::probability(probability).unwrap_or_else(|_| Sampler::always_off())
}
