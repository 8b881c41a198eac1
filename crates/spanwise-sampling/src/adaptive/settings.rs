//! The settings of the adaptive sampler.

use std::time::Duration;

/// How the probability of an [`Adaptive`](crate::Adaptive) sampler follows the load, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdaptiveAlgorithm {
    /// The probability is target / offered rate, measured each second, and at once when the sampler
    /// samples too much.
    #[default]
    OfferedRate,
    /// Multiplicative increase and decrease: every ten seconds the sampler multiplies the probability
    /// by target / offered rate if that rate is above the target, and by 1.2 if it is below half of
    /// the target, within 0.001 and 1.
    ///
    /// This is the adaptive sampler of the guide that Spanwise implements (the source document), but
    /// the rate of a window is counted per second, and a probability of 1 samples every id.
    ///
    /// It is not the default because it corrects by the *offered* rate, in each window again, so
    /// that the probability falls to its floor and stays there while more is offered than the
    /// target. `cargo xtask sampling-lab` measures, at a target of T = 1,000 roots per second:
    ///
    /// | load | `OfferedRate` | `Multiplicative` |
    /// |---|---|---|
    /// | 1k → 100k, worst second | 2.0 T | 100 T |
    /// | the same, a minute later | 1.0 T | 0.1 T |
    /// | 100k → 2k, from the third second | 1.0 T | 0.00 T |
    /// | 50k on and off each 5 s, worst second | 1.5 T | 50 T |
    /// | 99 rare keys beside a frequent one: sampled of 495/s | 100 % | 10 % |
    Multiplicative,
}

/// The key of an [`Adaptive`](crate::Adaptive) sampler: each value of it gets a share of the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdaptiveKey {
    /// All roots share one value.
    None,
    /// The name of the root.
    #[default]
    Name,
    /// The value of a string attribute; roots without the attribute share one value.
    Attribute(String),
}

/// The target per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    Traces(f64),
    Spans(f64),
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) target: Target,
    pub(super) algorithm: AdaptiveAlgorithm,
    pub(super) key: AdaptiveKey,
    pub(super) period: Duration,
    pub(super) initial_probability: f64,
    pub(super) min_probability: f64,
    pub(super) trend: bool,
    pub(super) governor: bool,
}
