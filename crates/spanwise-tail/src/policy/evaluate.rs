//! The interface of a policy that is ready to evaluate traces.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::decision::PolicyDecision;
use crate::trace_view::TraceView;

/// Evaluates traces for one policy.
pub(crate) trait Evaluate: Send {
    /// The outcome for `trace` at `now`, the time since the sampler was built.
    ///
    /// # Errors
    /// An OTTL condition with `error_mode: propagate` failed.
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError>;

    /// The index of the sub-policy by which a `composite` policy sampled the trace that was evaluated last.
    fn sampled_sub_policy(&self) -> Option<usize> {
        None
    }

    /// The number that a policy derives from the trace's ids, for explanations.
    fn number(&self, trace: &TraceView<'_>) -> Option<String> {
        let _ = trace;
        None
    }
}

/// Evaluates a policy or a sub-policy, and notes its vote if the trace is explained.
#[inline]
pub(crate) fn vote(
    policy: &mut dyn Evaluate,
    trace: &TraceView<'_>,
    now: Duration,
) -> Result<PolicyDecision, EvaluationError> {
    match trace.votes() {
        None => policy.evaluate(trace, now),
        Some(votes) => votes.record(|| policy.evaluate(trace, now)),
    }
}

/// Whether every policy samples the trace. A policy behind the first that does not is not evaluated.
#[inline]
pub(super) fn all_sample(
    policies: &mut [Box<dyn Evaluate>],
    trace: &TraceView<'_>,
    now: Duration,
) -> Result<bool, EvaluationError> {
    for policy in policies {
        if vote(policy.as_mut(), trace, now)?.is_not_sampled() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A policy could not be evaluated for a trace; the other policies decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    message: Cow<'static, str>,
}

impl EvaluationError {
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvaluationError {}
