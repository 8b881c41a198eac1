//! `not`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_view::TraceView;

/// Samples the traces that its sub-policy does not sample.
pub(crate) struct Not(pub(crate) Box<dyn Evaluate>);

impl Evaluate for Not {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(match self.0.evaluate(trace, now)? {
            PolicyDecision::Sampled => PolicyDecision::NotSampled,
            PolicyDecision::NotSampled => PolicyDecision::Sampled,
            other => other,
        })
    }
}
