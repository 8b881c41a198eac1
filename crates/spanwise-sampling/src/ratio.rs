//! The older ratio sampler, for who has to agree with a service that has one.

use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::threshold::ProbabilityError;

/// Keeps a share of the traces as `opentelemetry_sdk`'s sampler of this name does: the same
/// decision for every id and ratio.
///
/// Prefer [`Sampler::probability`](crate::Sampler::probability): services in other languages keep
/// other traces at the same ratio with this one, and nothing says with which probability a span
/// was kept, so a `th` that comes in is erased.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceIdRatioBased {
    ratio: f64,
    /// The low 64 bits of a trace id but the last are below this; 2⁶³ keeps all.
    bound: u64,
}

impl TraceIdRatioBased {
    /// Keeps `ratio` of the traces, 0 to 1.
    ///
    /// # Errors
    /// Not a number, or outside 0 to 1.
    pub fn new(ratio: f64) -> Result<Self, ProbabilityError> {
        // Written so that NaN fails it.
        if !(0.0..=1.0).contains(&ratio) {
            return Err(ProbabilityError(ratio));
        }
        Ok(Self { ratio, bound: (ratio * (1u64 << 63) as f64) as u64 })
    }

    #[inline]
    pub(crate) fn sampling_intent<'s>(
        &self,
        params: &SamplingParameters<'_>,
    ) -> SamplingIntent<'s> {
        let keeps = (params.trace_id as u64 >> 1) < self.bound;
        if keeps { SamplingIntent::keep_without_threshold() } else { SamplingIntent::DROP }
    }

    pub(crate) fn description(&self) -> String {
        format!("TraceIdRatioBased{{{}}}", self.ratio)
    }
}
