//! [`SamplingRate`]: the present probability of one key of a sampler.

/// The present probability of one key of a sampler, for operators: see [`Sampler::rates`](crate::Sampler::rates).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SamplingRate {
    /// The name of the key, of at most 48 bytes; of a key that is an attribute's value, which may be a secret, its hash.
    pub key: String,
    /// The sampling probability of its roots, 0 to 1.
    pub probability: f64,
    /// The estimated rate of its roots, sampled or not, per second.
    pub per_second: f64,
}

impl SamplingRate {
    /// A rate, for a sampler of your own.
    pub fn new(key: impl Into<String>, probability: f64, per_second: f64) -> Self {
        Self { key: key.into(), probability, per_second }
    }
}
