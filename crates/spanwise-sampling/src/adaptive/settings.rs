//! The settings of the adaptive sampler.

use std::time::Duration;

/// How the probability follows the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdaptiveAlgorithm {
    /// Target by offered rate, measured each second and at once when too much is kept.
    #[default]
    OfferedRate,
    /// The source document's, for comparison: every ten seconds the probability is multiplied by
    /// target / offered rate if that is above the target, and by 1.2 if it is below half of it,
    /// within 0.001 and 1. Its window is counted per second here and a probability of 1 keeps
    /// every id; neither holds in the document. It reaches its floor and stays there while more
    /// is offered than the target.
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
