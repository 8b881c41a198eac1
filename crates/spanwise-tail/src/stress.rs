//! Stress: decisions by a ratio alone, while the sampler is short of memory.

use std::time::Duration;

use spanwise_sampling::Threshold;

#[cfg(feature = "planted-bugs")]
use crate::planted::{TailBug, planted};

/// Stress relief: while a sampler is short of space, the traces that begin are decided at once by the randomness of their first span,
/// without a wait and without memory for their spans. Sampled spans leave with the threshold `th` of the ratio, so that counts stay right.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StressRelief {
    /// The percentage of `max_memory_bytes` or `num_traces` in use at which it begins, up to 100. Default 90.
    pub activation_level: f64,
    /// The percentage below which it ends, at most `activation_level`. Default 75.
    pub deactivation_level: f64,
    /// The least time from its begin to its end. Default 10 s.
    pub minimum_activation_duration: Duration,
    /// The percentage of traces that is sampled meanwhile, above 0 to 100. Default 1.
    pub sampling_percentage: f64,
}

impl Default for StressRelief {
    fn default() -> Self {
        Self {
            activation_level: 90.0,
            deactivation_level: 75.0,
            minimum_activation_duration: Duration::from_secs(10),
            sampling_percentage: 1.0,
        }
    }
}

impl StressRelief {
    /// Changes [`activation_level`](Self::activation_level) and [`deactivation_level`](Self::deactivation_level).
    #[must_use]
    pub fn with_levels(self, activation_level: f64, deactivation_level: f64) -> Self {
        Self { activation_level, deactivation_level, ..self }
    }

    /// Changes [`minimum_activation_duration`](Self::minimum_activation_duration).
    #[must_use]
    pub fn with_minimum_activation_duration(self, duration: Duration) -> Self {
        Self { minimum_activation_duration: duration, ..self }
    }

    /// Changes [`sampling_percentage`](Self::sampling_percentage).
    #[must_use]
    pub fn with_sampling_percentage(self, sampling_percentage: f64) -> Self {
        Self { sampling_percentage, ..self }
    }

    /// The threshold of the ratio, or the name of the setting that is out of range with the reason.
    pub(crate) fn threshold(&self) -> Result<Threshold, (&'static str, String)> {
        let Self { activation_level, deactivation_level, sampling_percentage, .. } = *self;
        if !(activation_level > 0.0 && activation_level <= 100.0) {
            let message =
                format!("{activation_level:?} is out of range; accepted is above 0 to 100");
            return Err(("activation_level", message));
        }
        if !(deactivation_level >= 0.0 && deactivation_level <= activation_level) {
            let message = format!(
                "{deactivation_level:?} is out of range; accepted is 0 to `activation_level`, {activation_level:?}"
            );
            return Err(("deactivation_level", message));
        }
        match Threshold::from_probability(sampling_percentage / 100.0) {
            Ok(Some(threshold)) => Ok(threshold),
            _ => {
                let message =
                    format!("{sampling_percentage:?} is out of range; accepted is above 0 to 100");
                Err(("sampling_percentage", message))
            }
        }
    }
}

/// The state of stress relief in one shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stress {
    settings: StressRelief,
    threshold: Threshold,
    /// The begin of the present phase.
    since: Option<Duration>,
    activations: u64,
}

impl Stress {
    pub(crate) fn new(settings: StressRelief, threshold: Threshold) -> Self {
        Self { settings, threshold, since: None, activations: 0 }
    }

    /// The same settings in the state of `previous`.
    pub(crate) fn after(self, previous: Self) -> Self {
        Self { since: previous.since, activations: previous.activations, ..self }
    }

    /// The threshold for a trace that begins at `now` while `used` percent of the space are in use; `None` without stress.
    pub(crate) fn threshold(&mut self, used: f64, now: Duration) -> Option<Threshold> {
        #[cfg(feature = "planted-bugs")]
        if self.is_active() && planted(TailBug::StressNeverEnds) {
            return Some(self.threshold);
        }
        match self.since {
            None if used >= self.settings.activation_level => {
                self.since = Some(now);
                self.activations += 1;
            }
            Some(since)
                if used < self.settings.deactivation_level
                    && now.saturating_sub(since) >= self.settings.minimum_activation_duration =>
            {
                self.since = None;
            }
            _ => {}
        }
        self.since.map(|_| self.threshold)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.since.is_some()
    }

    /// Number of phases.
    pub(crate) fn activations(&self) -> u64 {
        self.activations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_above_one_level_and_ends_below_another_after_its_least_time() {
        let settings = StressRelief::default().with_levels(80.0, 50.0);
        let mut stress = Stress::new(settings, settings.threshold().unwrap());
        for (second, used, is_active, activations) in [
            (0, 79.9, false, 0),
            (1, 80.0, true, 1),
            (2, 10.0, true, 1),
            (10, 10.0, true, 1),
            (11, 50.0, true, 1),
            (12, 49.9, false, 1),
            (13, 79.0, false, 1),
            (14, 100.0, true, 2),
        ] {
            let threshold = stress.threshold(used, Duration::from_secs(second));
            assert_eq!(threshold.is_some(), is_active, "{second}");
            assert_eq!((stress.is_active(), stress.activations()), (is_active, activations));
        }
    }
}
