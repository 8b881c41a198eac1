//! `not`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError, vote};
use crate::trace_view::TraceView;

/// Samples the traces that its sub-policy does not sample.
pub(crate) struct Not(pub(crate) Box<dyn Evaluate>);

impl Evaluate for Not {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(match vote(self.0.as_mut(), trace, now)? {
            PolicyDecision::Sampled => PolicyDecision::NotSampled,
            PolicyDecision::NotSampled => PolicyDecision::Sampled,
            other => other,
        })
    }
}
