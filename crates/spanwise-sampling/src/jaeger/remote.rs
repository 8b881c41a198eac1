//! The sampler that applies strategies.

use super::strategy::{JaegerStrategy, OPERATIONS};
use crate::bucket::Bucket;
use crate::intent::SamplingIntent;
use crate::limiter::Limiter;
use crate::parameters::SamplingParameters;
use crate::parent::follow_local;
use crate::sampler::{ComposableSampler, Sampler};
use crate::threshold::Threshold;
use crate::tick::Tick;
use arc_swap::ArcSwap;
use spanwise_worker::catch_panic;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Samples by the [`JaegerStrategy`] that was applied last (specification, *JaegerRemoteSampler*).
/// Clones share it.
///
/// The sampler follows a parent of the same process; strategies apply where a trace enters the
/// process. Probabilities are consistent thresholds. Spans that only the lower bound of an operation
/// or a rate limit samples have no known probability: the sampler erases their `th`.
#[derive(Clone)]
pub struct JaegerRemote {
    shared: Arc<Shared>,
}

struct Shared {
    current: ArcSwap<Current>,
    /// Locked while a strategy is applied, never while a thread starts a span.
    buckets: Mutex<Buckets>,
}

enum Current {
    /// The initial sampler, or a sampler for all operations.
    One(Sampler),
    Limited(Bucket),
    PerOperation(PerOperation),
}

struct PerOperation {
    default: f64,
    operations: HashMap<String, Operation>,
    /// All operations that the strategy does not list, together.
    others: Operation,
}

struct Operation {
    threshold: Option<Threshold>,
    lower_bound: Option<Arc<Limiter>>,
}

/// The buckets of all limits, also those that are not in force: a strategy that removes a limit and
/// a later one that restores it must not fill its bucket.
#[derive(Default)]
struct Buckets {
    rate: Option<Bucket>,
    others: Option<Bucket>,
    operations: HashMap<String, Bucket>,
}

impl JaegerRemote {
    /// Samples by `initial` until the first strategy is applied.
    pub fn new(initial: impl Into<Sampler>) -> Self {
        let current = ArcSwap::from_pointee(Current::One(initial.into()));
        Self { shared: Arc::new(Shared { current, buckets: Mutex::default() }) }
    }

    /// Samples by `strategy` from now on. Rate limits and lower bounds retain the permits that they
    /// hold; a changed rate applies from here on.
    pub fn apply(&self, strategy: &JaegerStrategy) {
        let mut buckets = self.shared.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let current = Arc::new(buckets.strategy(strategy));
        let before = self.shared.current.swap(current);
        drop(buckets);
        // The destructor of a user's initial sampler runs here and may panic.
        let _reported_by_the_panic_hook = catch_panic(|| drop(before));
    }
}

impl Buckets {
    fn strategy(&mut self, strategy: &JaegerStrategy) -> Current {
        match strategy {
            JaegerStrategy::Probabilistic(probability) => {
                Current::One(by_probability(*probability))
            }
            // A limit of 0 samples no trace.
            JaegerStrategy::RateLimiting(rate) if *rate > 0.0 => {
                Current::Limited(carry_over(&mut self.rate, *rate))
            }
            JaegerStrategy::RateLimiting(_) => Current::One(Sampler::always_off()),
            JaegerStrategy::PerOperation { default, lower_bound, operations } => {
                Current::PerOperation(self.per_operation(*default, *lower_bound, operations))
            }
        }
    }

    fn per_operation(
        &mut self,
        default: f64,
        lower_bound: f64,
        listed: &[(String, f64)],
    ) -> PerOperation {
        let bounded = |bucket: &mut Option<Bucket>| {
            (lower_bound > 0.0).then(|| carry_over(bucket, lower_bound).limiter)
        };
        let others = Operation::new(default, bounded(&mut self.others));
        let operation = |(name, probability): &(String, f64)| {
            let mut bucket = self.operations.remove(name);
            let operation = Operation::new(*probability, bounded(&mut bucket));
            if let Some(bucket) = bucket {
                self.operations.insert(name.clone(), bucket);
            }
            (name.clone(), operation)
        };
        let operations: HashMap<_, _> = listed.iter().map(operation).collect();
        if self.operations.len() > 2 * OPERATIONS {
            self.operations.retain(|name, _| operations.contains_key(name));
        }
        PerOperation { default, operations, others }
    }
}

/// The present bucket at this rate, or a full one.
fn carry_over(bucket: &mut Option<Bucket>, per_second: f64) -> Bucket {
    let next = match bucket {
        Some(bucket) => bucket.at(per_second),
        None => Bucket::new(per_second),
    };
    bucket.insert(next).clone()
}

impl ComposableSampler for JaegerRemote {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        if let Some(followed) = follow_local(params) {
            return followed;
        }
        match &**self.shared.current.load() {
            Current::One(sampler) => {
                // Another thread may replace the strategy while the intent is in use. The intent
                // therefore holds numbers only, without the annotations of an initial sampler.
                let SamplingIntent { threshold, adjusted_count_reliable, record, .. } =
                    sampler.sampling_intent(params);
                SamplingIntent {
                    threshold,
                    adjusted_count_reliable,
                    record,
                    ..SamplingIntent::DROP
                }
            }
            Current::Limited(bucket) if bucket.limiter.take(params.context.now()) => {
                SamplingIntent::keep_without_threshold()
            }
            Current::Limited(_) => SamplingIntent::DROP,
            Current::PerOperation(strategy) => strategy
                .operations
                .get(params.name)
                .unwrap_or(&strategy.others)
                .sampling_intent(params),
        }
    }

    fn tick(&self, tick: &Tick) {
        if let Current::One(sampler) = &**self.shared.current.load() {
            sampler.tick(tick);
        }
    }

    fn description(&self) -> String {
        match &**self.shared.current.load() {
            Current::One(sampler) => format!("JaegerRemoteSampler{{{sampler}}}"),
            Current::Limited(Bucket { per_second, .. }) => {
                format!("JaegerRemoteSampler{{RateLimitingSampler{{{per_second}}}}}")
            }
            Current::PerOperation(PerOperation { default, operations, .. }) => {
                let count = operations.len();
                format!("JaegerRemoteSampler{{default={default},{count} operations}}")
            }
        }
    }
}

impl fmt::Debug for JaegerRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

impl Operation {
    fn new(probability: f64, lower_bound: Option<Arc<Limiter>>) -> Self {
        let threshold = (probability > 0.0).then(|| Threshold::nearest(probability).rounded(4));
        Self { threshold, lower_bound }
    }

    fn sampling_intent<'s>(&self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        let by_threshold = self.threshold.map_or(SamplingIntent::DROP, SamplingIntent::keep);
        let sampled = self.threshold.is_some_and(|threshold| threshold.keeps(params.randomness()));
        match &self.lower_bound {
            // Traces sampled by the threshold count against the bound too (Jaeger's guaranteed
            // throughput).
            Some(bound) if bound.take(params.context.now()) && !sampled => {
                SamplingIntent::keep_without_threshold()
            }
            _ => by_threshold,
        }
    }
}

fn by_probability(probability: f64) -> Sampler {
    // A probability below the minimum counts as 0.
    Sampler::probability(probability).unwrap_or_else(|_| Sampler::always_off())
}
