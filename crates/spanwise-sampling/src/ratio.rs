//! The older ratio sampler, for compatibility with services that use it.

use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::threshold::ProbabilityError;

/// Samples a ratio of the traces (specification, *TraceIdRatioBased*), with the decisions of
/// `opentelemetry_sdk`'s sampler of this name for every id and ratio.
///
/// Prefer [`Sampler::probability`](crate::Sampler::probability). Services in other languages select
/// other traces at the same ratio with this sampler, and the trace state does not carry the
/// probability: the sampler erases the `th` of the parent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceIdRatioBased {
    ratio: f64,
    /// The sampler keeps traces whose low 64 bits, shifted right by one, are below this; 2⁶³ keeps
    /// every trace.
    bound: u64,
}

impl TraceIdRatioBased {
    /// Samples `ratio` of the traces, 0 to 1.
    ///
    /// # Errors
    /// Not a number, or outside 0 to 1.
    pub fn new(ratio: f64) -> Result<Self, ProbabilityError> {
        // NaN fails this form of the test.
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

    pub(crate) fn samples_nothing(&self) -> bool {
        self.bound == 0
    }

    pub(crate) fn description(&self) -> String {
        format!("TraceIdRatioBased{{{}}}", self.ratio)
    }
}
