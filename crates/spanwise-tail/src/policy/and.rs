//! `and`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError, vote};
use crate::trace_view::TraceView;

/// Samples a trace if every sub-policy does. A sub-policy behind the first that does not is not evaluated.
pub(crate) struct And(pub(crate) Vec<Box<dyn Evaluate>>);

impl Evaluate for And {
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
        Ok(PolicyDecision::Sampled)
    }
}
