//! `always_sample`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_view::TraceView;

pub(crate) struct AlwaysSample;

impl Evaluate for AlwaysSample {
    fn evaluate(
        &mut self,
        _: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(PolicyDecision::Sampled)
    }
}
