//! A sampler with a fixed number of traces per second.

use crate::bucket::Bucket;
use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::parent::follow_local;
use crate::sampler::ComposableSampler;
use crate::setting::{SettingError, rate};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Limits sampling to a fixed number of traces per second (a rate limiting sampler).
///
/// The limit applies where a trace enters the process: to its root, or to a span below a parent of
/// another process (wrap the sampler with a [`ParentBased`](crate::ParentBased) to follow such
/// parents). Children of a parent of this process follow it; otherwise the limit would tear traces.
///
/// The probability of a sampled span is unknown. The sampler therefore erases the `th` of the
/// parent, and backends cannot scale counts up. [`Adaptive`](crate::Adaptive) meets a rate *and*
/// writes a threshold. Clones share the bucket.
///
/// # Cost
/// A reading of the context's clock; below the limit a shared atomic write, above it none.
#[derive(Debug, Clone)]
pub struct RateLimited {
    shared: Arc<ArcSwap<Bucket>>,
}

impl RateLimited {
    /// Limits sampling to `traces_per_second`; a burst has at most the traces of one second.
    ///
    /// # Errors
    /// Not a number, below 10⁻⁶ or above 10⁹.
    pub fn new(traces_per_second: f64) -> Result<Self, SettingError> {
        let bucket = Bucket::new(checked(traces_per_second)?);
        Ok(Self { shared: Arc::new(ArcSwap::from_pointee(bucket)) })
    }

    /// Changes the rate of all clones; the bucket retains its permits.
    ///
    /// # Errors
    /// As [`new`](Self::new); the rate is unchanged.
    pub fn set_rate(&self, traces_per_second: f64) -> Result<(), SettingError> {
        let traces_per_second = checked(traces_per_second)?;
        self.shared.rcu(|bucket| bucket.at(traces_per_second));
        Ok(())
    }

    /// The limit, in traces per second.
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
        let permitted = self.shared.load().limiter.take(params.context.now());
        if permitted { SamplingIntent::keep_without_threshold() } else { SamplingIntent::DROP }
    }

    fn description(&self) -> String {
        format!("RateLimitingSampler{{{}}}", self.rate())
    }
}
