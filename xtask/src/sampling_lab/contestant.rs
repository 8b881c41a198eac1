//! The algorithms that are compared.

use spanwise_sampling::{
    Adaptive, AdaptiveAlgorithm, AdaptiveBuilder, Randomness, Sampler, SamplerContext,
    SamplingParameters, Threshold, max_min_shares,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The target of every algorithm, in sampled roots per second.
pub(super) const TARGET: f64 = 1000.0;

/// An algorithm with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    Spanwise,
    WithTrend,
    Multiplicative,
    Jaeger,
}

impl Contestant {
    pub(super) const ALL: [Self; 4] =
        [Self::Spanwise, Self::WithTrend, Self::Multiplicative, Self::Jaeger];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Spanwise => "Spanwise",
            Self::WithTrend => "Spanwise with trend",
            Self::Multiplicative => "multiplicative",
            Self::Jaeger => "like Jaeger's",
        }
    }

    /// The class of its line in style sheets.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Spanwise => "ours",
            Self::WithTrend => "trend",
            Self::Multiplicative => "document",
            Self::Jaeger => "jaeger",
        }
    }

    /// Whether its line is left out of most scenarios, where it equals another.
    pub(super) fn only_for_slow_changes(self) -> bool {
        self == Self::WithTrend
    }

    /// One process that samples by this algorithm, with its part of the target; `rate` is what it is
    /// offered at first.
    pub(super) fn start(self, target: f64, rate: f64) -> Process {
        let adaptive = |configure: fn(AdaptiveBuilder) -> AdaptiveBuilder| {
            let builder = configure(Adaptive::builder().with_traces_per_second(target));
            // These settings are accepted, as a test shows.
            builder.build().ok().map_or(Process::Off, |adaptive| {
                Process::Adaptive(Sampler::from(adaptive.clone()), adaptive)
            })
        };
        match self {
            Self::Spanwise => adaptive(|builder| builder),
            Self::WithTrend => adaptive(|builder| builder.with_trend(true)),
            Self::Multiplicative => {
                adaptive(|builder| builder.with_algorithm(AdaptiveAlgorithm::Multiplicative))
            }
            Self::Jaeger => Process::Jaeger(JaegerLike::new(target, rate)),
        }
    }
}

/// A process that samples.
pub(super) enum Process {
    Adaptive(Sampler, Adaptive),
    Jaeger(JaegerLike),
    Off,
}

impl Process {
    pub(super) fn keeps(&mut self, clock: &Clock, key: &str, trace_id: u128) -> bool {
        match self {
            Self::Adaptive(sampler, _) => {
                sampler.should_sample(&SamplingParameters::root(trace_id, key, clock)).sampled
            }
            Self::Jaeger(algorithm) => algorithm.keeps(clock.seconds(), key, trace_id),
            Self::Off => false,
        }
    }

    /// Shares the target by what each is offered, where the algorithm reports it.
    pub(super) fn share(processes: &[Process]) {
        let adaptives: Vec<&Adaptive> = processes
            .iter()
            .filter_map(|process| match process {
                Self::Adaptive(_, adaptive) => Some(adaptive),
                _ => None,
            })
            .collect();
        let offered: Vec<f64> = adaptives.iter().map(|adaptive| adaptive.state().offered).collect();
        for (adaptive, share) in adaptives.into_iter().zip(max_min_shares(&offered, TARGET)) {
            // Something, so that one that is idle can start.
            let _accepted = adaptive.set_target(share.max(1.0));
        }
    }
}

/// Jaeger's adaptive sampling as its collector does it, for one target in all: each minute the
/// probability of a key is multiplied by target / sampled rate, but at most doubled, unless it is
/// within three tenths. Begins where it would have settled. (jaeger,
/// `internal/sampling/samplingstrategy/adaptive`: interval 1 min, tolerance 0.3, least
/// probability 10⁻⁵. Its server's delay and its weighted history are left out, in its favour.)
pub(super) struct JaegerLike {
    target: f64,
    keys: HashMap<String, JaegerKey>,
    initial: f64,
    next: f64,
}

struct JaegerKey {
    probability: f64,
    threshold: Threshold,
    sampled: u32,
}

impl JaegerLike {
    fn new(target: f64, rate: f64) -> Self {
        let initial = (target / rate.max(1.0)).min(1.0);
        Self { target, keys: HashMap::new(), initial, next: f64::NAN }
    }

    fn keeps(&mut self, now: f64, key: &str, trace_id: u128) -> bool {
        if self.next.is_nan() || self.next - now > 2.0 * INTERVAL {
            self.next = now + INTERVAL;
        }
        if now >= self.next {
            self.next = now + INTERVAL;
            self.recalculate();
        }
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(key) {
            return false;
        }
        let initial = self.initial;
        let fresh = || JaegerKey::new(initial);
        let state = self.keys.entry(key.to_owned()).or_insert_with(fresh);
        let keeps = state.threshold.keeps(Randomness::of_trace(trace_id));
        state.sampled += u32::from(keeps);
        keeps
    }

    fn recalculate(&mut self) {
        // Jaeger's target is for each operation; here it is for all of them.
        let target = self.target / self.keys.len().max(1) as f64;
        for key in self.keys.values_mut() {
            let sampled = f64::from(key.sampled) / INTERVAL;
            let settled = (sampled / target - 1.0).abs() < 0.3;
            let wanted = match sampled {
                _ if settled => key.probability,
                0.0 => key.probability * 2.0,
                _ => (key.probability * target / sampled).min(key.probability * 2.0),
            };
            *key = JaegerKey::new(wanted.clamp(1e-5, 1.0));
        }
    }
}

impl JaegerKey {
    fn new(probability: f64) -> Self {
        Self { probability, threshold: Threshold::nearest(probability), sampled: 0 }
    }
}

/// The time in a scenario.
#[derive(Debug, Default)]
pub(super) struct Clock(AtomicU64);

impl Clock {
    pub(super) fn set(&self, seconds: f64) {
        self.0.store(DAY.saturating_add_signed((seconds * 1e9) as i64), Relaxed);
    }

    fn seconds(&self) -> f64 {
        self.0.load(Relaxed) as f64 / 1e9
    }
}

impl SamplerContext for Clock {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn random(&self) -> u64 {
        // No algorithm that is compared here uses random numbers.
        0
    }
}

const INTERVAL: f64 = 60.0;
/// Operations that a Jaeger collector tracks for a service.
const MAX_KEYS: usize = 2_000;
/// The start of each scenario, so that a clock can be set back.
const DAY: u64 = 86_400_000_000_000;
