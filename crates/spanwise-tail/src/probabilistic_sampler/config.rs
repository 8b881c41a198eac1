//! The settings of the processor.

use std::fmt;

/// The settings of a probabilistic sampler, with the Collector's names. `Default` has the Collector's defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ProbabilisticSamplerConfig {
    /// The percentage of traces that is sampled; 100 and more samples all of them. Default 0.
    pub sampling_percentage: f32,
    /// The randomness of a decision, and its composition with earlier ones. Default [`SamplerMode::HashSeed`].
    pub mode: SamplerMode,
    /// `hash_seed`: collectors in a row need different seeds to sample independently. Default 0.
    pub hash_seed: u32,
    /// Whether a span is dropped if its trace state is malformed, contradicts its randomness or does not fit the mode; otherwise such a
    /// span is sampled. Default true.
    pub fail_closed: bool,
    /// Significant hexadecimal digits of thresholds, 1 to 14. Default 4.
    pub sampling_precision: u32,
}

/// The mode of a probabilistic sampler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SamplerMode {
    /// `hash_seed`: by a hash of the trace id with 14 bits. It is written as explicit randomness `rv`, and a span that has `rv` or `th`
    /// already is an error.
    #[default]
    HashSeed,
    /// `proportional`: multiplies the probability with which a span was sampled before.
    Proportional,
    /// `equalizing`: lowers the probability with which a span was sampled before to this one.
    Equalizing,
}

impl Default for ProbabilisticSamplerConfig {
    fn default() -> Self {
        Self {
            sampling_percentage: 0.0,
            mode: SamplerMode::default(),
            hash_seed: 0,
            fail_closed: true,
            sampling_precision: 4,
        }
    }
}

impl ProbabilisticSamplerConfig {
    /// Changes [`sampling_percentage`](Self::sampling_percentage).
    #[must_use]
    pub fn with_sampling_percentage(self, sampling_percentage: f32) -> Self {
        Self { sampling_percentage, ..self }
    }

    /// Changes [`mode`](Self::mode).
    #[must_use]
    pub fn with_mode(self, mode: SamplerMode) -> Self {
        Self { mode, ..self }
    }

    /// Changes [`hash_seed`](Self::hash_seed).
    #[must_use]
    pub fn with_hash_seed(self, hash_seed: u32) -> Self {
        Self { hash_seed, ..self }
    }

    /// Changes [`fail_closed`](Self::fail_closed).
    #[must_use]
    pub fn with_fail_closed(self, fail_closed: bool) -> Self {
        Self { fail_closed, ..self }
    }

    /// Changes [`sampling_precision`](Self::sampling_precision).
    #[must_use]
    pub fn with_sampling_precision(self, sampling_precision: u32) -> Self {
        Self { sampling_precision, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), ProbabilisticSamplerError> {
        let error = |name, message| Err(ProbabilisticSamplerError { name, message });
        let percentage = self.sampling_percentage;
        if !percentage.is_finite() || percentage < 0.0 {
            let message =
                format!("{percentage:?} is no percentage: accepted is 0 or more; 100 samples all");
            return error("sampling_percentage", message);
        }
        if percentage > 0.0 && f64::from(percentage) / 100.0 < MIN_PROBABILITY {
            let message =
                format!("{percentage:?} is too small: accepted is 0, or 1.4e-15 (2^-56) or more");
            return error("sampling_percentage", message);
        }
        if !(1..=14).contains(&self.sampling_precision) {
            let digits = self.sampling_precision;
            return error(
                "sampling_precision",
                format!("{digits} is out of range; accepted is 1 to 14"),
            );
        }
        Ok(())
    }
}

/// A setting of a probabilistic sampler is out of range.
#[derive(Clone, PartialEq, Eq)]
pub struct ProbabilisticSamplerError {
    name: &'static str,
    message: String,
}

impl ProbabilisticSamplerError {
    /// The name of the setting.
    pub fn setting(&self) -> &'static str {
        self.name
    }

    /// The mistake, and the values that are accepted.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ProbabilisticSamplerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for ProbabilisticSamplerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ProbabilisticSamplerError {}

/// 2⁻⁵⁶, the least probability of a threshold.
pub(crate) const MIN_PROBABILITY: f64 = 1.0 / (1u64 << 56) as f64;
