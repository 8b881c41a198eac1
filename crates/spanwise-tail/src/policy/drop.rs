//! `drop`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError, vote};
use crate::trace_view::TraceView;

/// Drops a trace if every sub-policy matches it.
pub(crate) struct Drop(pub(crate) Vec<Box<dyn Evaluate>>);

impl Evaluate for Drop {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        for policy in &mut self.0 {
            if vote(policy.as_mut(), trace, now)?.is_not_sampled() {
                return Ok(PolicyDecision::NotSampled);
            }
        }
        Ok(PolicyDecision::Dropped)
    }
}
