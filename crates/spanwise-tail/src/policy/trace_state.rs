//! `trace_state`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_state::member;
use crate::trace_view::TraceView;

/// Samples traces in which any span has a member of the W3C `tracestate` with one of some values. A `tracestate` with a malformed or
/// repeated member counts as empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TraceStatePolicy {
    /// The member's key.
    pub key: String,
    /// The member's values. Key and value together have 255 bytes at most; longer ones match nothing.
    pub values: Vec<String>,
}

impl TraceStatePolicy {
    /// Samples traces in which the member `key` has one of `values`.
    pub fn new<V: Into<String>>(
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self { key: key.into(), values: values.into_iter().map(Into::into).collect() }
    }
}

pub(crate) struct TraceState {
    key: Box<str>,
    values: Vec<Box<str>>,
}

impl TraceState {
    pub(crate) fn new(policy: &TraceStatePolicy) -> Self {
        let fits = |value: &&String| {
            !value.is_empty() && policy.key.len() + value.len() < MAX_MEMBER_BYTES
        };
        let values = policy.values.iter().filter(fits).map(|value| value.as_str().into());
        Self { key: policy.key.as_str().into(), values: values.collect() }
    }
}

impl Evaluate for TraceState {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        let sampled = trace.any(|span| {
            let header = span.trace_state().ok();
            let value = header.and_then(|header| member(header, &self.key).ok().flatten());
            value.is_some_and(|value| self.values.iter().any(|wanted| **wanted == *value))
        });
        Ok(PolicyDecision::of(sampled))
    }
}

/// A member, its `=` included, has at most this many bytes (W3C Trace Context).
const MAX_MEMBER_BYTES: usize = 256;
