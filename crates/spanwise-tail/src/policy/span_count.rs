//! `span_count`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_view::TraceView;

/// Samples traces by their number of spans, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SpanCountPolicy {
    /// The fewest spans of a sampled trace (`min_spans`).
    pub min_spans: i32,
    /// The most spans of a sampled trace (`max_spans`); 0 means no bound.
    pub max_spans: i32,
}

impl SpanCountPolicy {
    /// Samples traces with `min_spans` spans or more.
    pub fn at_least(min_spans: i32) -> Self {
        Self { min_spans, max_spans: 0 }
    }

    /// Samples no trace with more spans than `max_spans`.
    #[must_use]
    pub fn with_max_spans(self, max_spans: i32) -> Self {
        Self { max_spans, ..self }
    }
}

pub(crate) struct SpanCount(pub(crate) SpanCountPolicy);

impl Evaluate for SpanCount {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        let SpanCountPolicy { min_spans, max_spans } = self.0;
        let spans = i64::try_from(trace.summary().spans()).unwrap_or(i64::MAX);
        let is_below = max_spans == 0 || spans <= i64::from(max_spans);
        Ok(PolicyDecision::of(spans >= i64::from(min_spans) && is_below))
    }
}
