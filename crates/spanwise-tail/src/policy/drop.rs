//! `drop`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError, all_sample};
use crate::trace_view::TraceView;

/// Drops a trace if every sub-policy matches it.
pub(crate) struct Drop(pub(crate) Vec<Box<dyn Evaluate>>);

impl Evaluate for Drop {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(match all_sample(&mut self.0, trace, now)? {
            true => PolicyDecision::Dropped,
            false => PolicyDecision::NotSampled,
        })
    }
}
