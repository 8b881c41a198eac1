//! The builder of the adaptive sampler.

use super::Adaptive;
use super::settings::{AdaptiveAlgorithm, AdaptiveKey, Settings, Target};
use crate::limits::PERIOD;
use crate::setting::{SettingError, rate};
use crate::threshold::Threshold;
use std::time::Duration;

/// The builder of an [`Adaptive`] sampler.
#[derive(Debug, Clone)]
#[must_use]
pub struct AdaptiveBuilder {
    traces: Option<f64>,
    spans: Option<f64>,
    algorithm: AdaptiveAlgorithm,
    key: AdaptiveKey,
    period: Option<Duration>,
    initial_probability: f64,
    min_probability: f64,
    trend: bool,
    governor: bool,
}

impl AdaptiveBuilder {
    pub(super) fn new() -> Self {
        Self {
            traces: None,
            spans: None,
            algorithm: AdaptiveAlgorithm::default(),
            key: AdaptiveKey::default(),
            period: None,
            initial_probability: 1.0,
            min_probability: 0.0,
            trend: false,
            governor: true,
        }
    }

    /// Sets the target in traces per second that start in this process. Set this or
    /// [`with_spans_per_second`](Self::with_spans_per_second).
    pub fn with_traces_per_second(mut self, rate: f64) -> Self {
        self.traces = Some(rate);
        self
    }

    /// Sets the target in spans per second. The sampler converts it to traces by the span counts of
    /// its ticks ([`Tick::with_recorded`](crate::Tick::with_recorded)); without them a trace counts
    /// as one span.
    pub fn with_spans_per_second(mut self, rate: f64) -> Self {
        self.spans = Some(rate);
        self
    }

    /// Sets the algorithm by which the probability follows the load. Default [`AdaptiveAlgorithm::OfferedRate`].
    pub fn with_algorithm(mut self, algorithm: AdaptiveAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets the key whose values each get a share of the target. Default [`AdaptiveKey::Name`];
    /// [`AdaptiveAlgorithm::Multiplicative`] has no keys.
    pub fn with_key(mut self, key: AdaptiveKey) -> Self {
        self.key = key;
        self
    }

    /// Sets the period over which the rate is measured. Default 1 s, with
    /// [`AdaptiveAlgorithm::Multiplicative`] 10 s; 10 ms to 1 h.
    pub fn with_period(mut self, period: Duration) -> Self {
        self.period = Some(period);
        self
    }

    /// Sets the probability before the first measurement. Default 1: the governor limits the first
    /// burst.
    pub fn with_initial_probability(mut self, probability: f64) -> Self {
        self.initial_probability = probability;
        self
    }

    /// Sets the minimum probability of every key, even if the target is exceeded. Default 0.
    pub fn with_min_probability(mut self, probability: f64) -> Self {
        self.min_probability = probability;
        self
    }

    /// Extrapolates the rise or fall of a rate in the last period. This is better for slow changes
    /// (the ramps of a day), and slightly noisier otherwise. Default no.
    pub fn with_trend(mut self, trend: bool) -> Self {
        self.trend = trend;
        self
    }

    /// Limits bursts to the target of one second, and the sustained rate to 15 % above the target.
    /// Roots sampled in a period in which the governor drops others have no `th`. Default yes.
    pub fn with_governor(mut self, governor: bool) -> Self {
        self.governor = governor;
        self
    }

    /// Validates the configuration and builds the sampler.
    ///
    /// # Errors
    /// No target, or two; a target that is not a number, below 10⁻⁶ or above 10⁹; a probability
    /// outside 0 to 1; a period outside 10 ms to 1 h.
    pub fn build(self) -> Result<Adaptive, SettingError> {
        let target = match (self.traces, self.spans) {
            (Some(traces), None) => Target::Traces(rate("with_traces_per_second", traces)?),
            (None, Some(spans)) => Target::Spans(rate("with_spans_per_second", spans)?),
            (given, _) => {
                let value = if given.is_some() { "two targets" } else { "no target" };
                return Err(SettingError::new(
                    "with_traces_per_second",
                    value,
                    "one target, by traces or by spans",
                ));
            }
        };
        let default = match self.algorithm {
            AdaptiveAlgorithm::OfferedRate => Duration::from_secs(1),
            AdaptiveAlgorithm::Multiplicative => Duration::from_secs(10),
        };
        let period = self.period.unwrap_or(default);
        if !PERIOD.contains(&period) {
            let given = format!("{period:?}");
            return Err(SettingError::new("with_period", given, "10 ms to 1 h"));
        }
        probability("with_min_probability", self.min_probability)?;
        probability("with_initial_probability", self.initial_probability)?;
        let multiplicative = self.algorithm == AdaptiveAlgorithm::Multiplicative;
        Ok(Adaptive::new(Settings {
            target,
            algorithm: self.algorithm,
            key: if multiplicative { AdaptiveKey::None } else { self.key },
            period,
            initial_probability: self.initial_probability,
            min_probability: self.min_probability,
            trend: self.trend,
            governor: self.governor && !multiplicative,
        }))
    }
}

fn probability(setting: &'static str, value: f64) -> Result<(), SettingError> {
    let checked = Threshold::from_probability(value).map(drop);
    checked.map_err(|_| SettingError::new(setting, value, "0, or 2^-56 (1.4e-17) to 1"))
}
