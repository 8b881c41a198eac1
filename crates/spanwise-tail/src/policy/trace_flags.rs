//! `trace_flags`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_view::TraceView;

/// Samples a trace if any span has the W3C flag "sampled".
pub(crate) struct TraceFlags;

impl Evaluate for TraceFlags {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(PolicyDecision::of(trace.summary().has_sampled_flag()))
    }
}
