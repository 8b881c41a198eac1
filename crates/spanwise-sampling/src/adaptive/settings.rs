//! The settings of the adaptive sampler.

use std::time::Duration;

/// How the probability of an [`Adaptive`] sampler follows the load, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdaptiveAlgorithm {
    /// Target by offered rate, measured each second and at once when too much is kept.
    #[default]
    OfferedRate,
    /// The source document's: every ten seconds the probability is multiplied by target / offered
    /// rate if that is above the target, and by 1.2 if it is below half of it, within 0.001 and 1.
    /// Its window is counted per second here and a probability of 1 keeps every id; neither holds
    /// in the document.
    ///
    /// It is not the default because it corrects by the *offered* rate, in each window again, so
    /// that the probability falls to its floor and stays there while more is offered than the
    /// target. `cargo xtask sampling-lab` measures, at a target of T = 1,000 roots per second:
    ///
    /// | load | `OfferedRate` | `Document` |
    /// |---|---|---|
    /// | 1k → 100k, worst second | 2.0 T | 100 T |
    /// | the same, a minute later | 1.0 T | 0.1 T |
    /// | 100k → 2k, from the third second | 1.0 T | 0.00 T |
    /// | 50k on and off each 5 s, worst second | 1.5 T | 50 T |
    /// | 99 rare keys beside a frequent one: kept of 495/s | 100 % | 10 % |
    Document,
}

/// What makes a key: traffic that gets its own share of the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdaptiveKey {
    /// All roots are one.
    None,
    /// The root's name.
    #[default]
    Name,
    /// The value of an attribute that is a string; roots without it are one key.
    Attribute(String),
}

/// What is to be kept per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    Traces(f64),
    Spans(f64),
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) target: Target,
    pub(super) law: AdaptiveAlgorithm,
    pub(super) key: AdaptiveKey,
    pub(super) period: Duration,
    pub(super) initial_probability: f64,
    pub(super) min_probability: f64,
    pub(super) trend: bool,
    pub(super) governor: bool,
}
