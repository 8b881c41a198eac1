//! `status_code`

use std::time::Duration;

use spanwise_wire::StatusCode as Code;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_view::TraceView;

/// Samples traces in which any span has one of the status codes.
pub(crate) struct StatusCode {
    bits: u8,
}

impl StatusCode {
    pub(crate) fn new(codes: &[Code]) -> Result<Self, String> {
        if codes.is_empty() {
            return Err("expected at least one status code to filter on".to_owned());
        }
        Ok(Self { bits: codes.iter().fold(0, |bits, code| bits | 1 << number(*code)) })
    }
}

/// The code as OTLP numbers it.
fn number(code: Code) -> u8 {
    match code {
        Code::Unset => 0,
        Code::Ok => 1,
        Code::Error => 2,
    }
}

impl Evaluate for StatusCode {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(PolicyDecision::of(trace.summary().statuses() & self.bits != 0))
    }
}
