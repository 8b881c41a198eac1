//! `and`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError, all_sample};
use crate::trace_view::TraceView;

/// Samples a trace if every sub-policy does. A sub-policy behind the first that does not is not evaluated.
pub(crate) struct And(pub(crate) Vec<Box<dyn Evaluate>>);

impl Evaluate for And {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(match all_sample(&mut self.0, trace, now)? {
            true => PolicyDecision::Sampled,
            false => PolicyDecision::NotSampled,
        })
    }
}
