//! `latency`

use std::time::Duration;

use super::compat::Compat;
use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_view::TraceView;

/// Samples traces by their duration: the latest end of a span minus the earliest start, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LatencyPolicy {
    /// A longer trace is sampled (`threshold_ms`). Before v0.157, so is a trace of exactly this duration
    /// unless there is an upper threshold.
    pub threshold_ms: i64,
    /// The longest duration that is sampled (`upper_threshold_ms`); 0 means no bound.
    ///
    /// The Collector adds span after span and samples the trace when the duration until then is in range.
    pub upper_threshold_ms: i64,
}

impl LatencyPolicy {
    /// Samples traces longer than `threshold_ms`.
    pub fn above(threshold_ms: i64) -> Self {
        Self { threshold_ms, upper_threshold_ms: 0 }
    }

    /// Samples no trace longer than `upper_threshold_ms`.
    #[must_use]
    pub fn with_upper_threshold_ms(self, upper_threshold_ms: i64) -> Self {
        Self { upper_threshold_ms, ..self }
    }
}

pub(crate) struct Latency {
    policy: LatencyPolicy,
    is_inclusive: bool,
}

impl Latency {
    pub(crate) fn new(policy: LatencyPolicy, compat: Compat) -> Self {
        Self { policy, is_inclusive: compat.has_inclusive_latency() }
    }

    fn samples(&self, start: u64, end: u64) -> bool {
        // Timestamps beyond the year 2262 are negative in Go.
        let millis = (end as i64).saturating_sub(start as i64) / 1_000_000;
        let LatencyPolicy { threshold_ms, upper_threshold_ms } = self.policy;
        match upper_threshold_ms {
            0 if self.is_inclusive => millis >= threshold_ms,
            0 => millis > threshold_ms,
            upper => threshold_ms < millis && millis <= upper,
        }
    }
}

impl Evaluate for Latency {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        if let Some((start, end)) = trace.summary().times()
            && self.policy.upper_threshold_ms == 0
        {
            // The duration only grows with further spans: the last one decides.
            return Ok(PolicyDecision::of(self.samples(start, end)));
        }
        let (mut start, mut end) = (0, 0);
        let sampled = trace.any(|span| {
            // A zero stands for "no span yet", also when a span has it.
            if start == 0 || span.start_unix_nanos() < start {
                start = span.start_unix_nanos();
            }
            if end == 0 || span.end_unix_nanos() > end {
                end = span.end_unix_nanos();
            }
            self.samples(start, end)
        });
        Ok(PolicyDecision::of(sampled))
    }
}
