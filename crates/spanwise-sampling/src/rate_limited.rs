//! So many traces a second, whatever comes.

use crate::bucket::Bucket;
use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::parent::follow_local;
use crate::sampler::ComposableSampler;
use crate::setting::{SettingError, rate};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Keeps the first so many traces of every second and drops the rest.
///
/// A trace is decided where it enters the process: at its root, or below a parent of another process
/// (put it below a [`ParentBased`](crate::ParentBased) to go with those). Children of a parent of
/// this process go with it, else the limit would tear traces.
///
/// With which probability a span was kept is not known, so a `th` that comes in is erased and
/// counts cannot be scaled up. [`Adaptive`](crate::Adaptive) keeps to a rate *and* to a threshold.
/// Clones share the bucket.
///
/// # Cost
/// A read of the host's clock; below the limit a shared atomic write, above it none.
#[derive(Debug, Clone)]
pub struct RateLimited {
    shared: Arc<ArcSwap<Bucket>>,
}

impl RateLimited {
    /// Keeps `traces_per_second`, as many at once as in a second.
    ///
    /// # Errors
    /// Not a number, below 10⁻⁶ or above 10⁹.
    pub fn new(traces_per_second: f64) -> Result<Self, SettingError> {
        let bucket = Bucket::new(checked(traces_per_second)?);
        Ok(Self { shared: Arc::new(ArcSwap::from_pointee(bucket)) })
    }

    /// Changes the rate for all clones; the bucket keeps what it holds.
    ///
    /// # Errors
    /// As [`new`](Self::new); the rate stays as it was.
    pub fn set_rate(&self, traces_per_second: f64) -> Result<(), SettingError> {
        let traces_per_second = checked(traces_per_second)?;
        self.shared.rcu(|bucket| bucket.at(traces_per_second));
        Ok(())
    }

    /// Traces per second.
    pub fn rate(&self) -> f64 {
        self.shared.load().per_second
    }
}

fn checked(traces_per_second: f64) -> Result<f64, SettingError> {
    rate("RateLimited::traces_per_second", traces_per_second)
}

impl ComposableSampler for RateLimited {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        if let Some(followed) = follow_local(params) {
            return followed;
        }
        let room = self.shared.load().limiter.take(params.host.now());
        if room { SamplingIntent::keep_without_threshold() } else { SamplingIntent::DROP }
    }

    fn description(&self) -> String {
        format!("RateLimitingSampler{{{}}}", self.rate())
    }
}
