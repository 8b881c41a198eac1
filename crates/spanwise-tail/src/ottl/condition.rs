//! `ottl_condition`

use std::fmt;
use std::time::Duration;

use super::compiled::{Compiled, Scope};
use super::error::OttlError;
use super::field::{Context, Subject};
use crate::keys::KeyPool;
use crate::policy::{Evaluate, EvaluationError, PolicyDecision};
use crate::span_facts::SpanFacts;
use crate::trace_view::TraceView;

/// Samples traces in which any condition holds for any span or span event, in the
/// [OpenTelemetry Transformation Language](https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/main/pkg/ottl/LANGUAGE.md).
///
/// The supported part of the language is in the crate's documentation of OTTL; the rest is an error when the policy is built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OttlConditionPolicy {
    /// The consequence when a condition cannot be evaluated.
    pub error_mode: ErrorMode,
    /// Conditions over spans.
    pub span: Vec<String>,
    /// Conditions over span events.
    pub spanevent: Vec<String>,
}

/// The consequence when a condition cannot be evaluated, such as `Len` of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorMode {
    /// The policy is left out of the decision, and the error is counted.
    Propagate,
    /// The condition does not hold.
    Ignore,
    /// As [`Ignore`](Self::Ignore); the Collector writes no log message either. The default, as in the Collector.
    #[default]
    Silent,
}

impl OttlConditionPolicy {
    /// Samples traces with a span for which one of `conditions` holds.
    pub fn span<C: Into<String>>(conditions: impl IntoIterator<Item = C>) -> Self {
        Self { span: conditions.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds conditions over span events.
    #[must_use]
    pub fn or_span_event<C: Into<String>>(
        mut self,
        conditions: impl IntoIterator<Item = C>,
    ) -> Self {
        self.spanevent.extend(conditions.into_iter().map(Into::into));
        self
    }

    /// Changes the consequence of errors.
    #[must_use]
    pub fn with_error_mode(self, error_mode: ErrorMode) -> Self {
        Self { error_mode, ..self }
    }
}

/// An `ottl_condition` policy cannot be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OttlConditionError {
    NoCondition,
    Invalid(OttlError),
}

impl fmt::Display for OttlConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCondition => f.write_str("expected at least one OTTL condition to filter on"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

/// Whether `text` is a condition over spans, or over span events.
pub(crate) fn check_condition(text: &str, is_event: bool) -> Result<(), OttlError> {
    let context = if is_event { Context::SpanEvent } else { Context::Span };
    Compiled::new(text, Scope { context, keys: &KeyPool::default() }).map(drop)
}

/// One condition over spans.
pub(crate) struct SpanCondition {
    compiled: Compiled,
}

impl SpanCondition {
    pub(crate) fn new(text: &str, keys: &KeyPool) -> Result<Self, OttlError> {
        let compiled = Compiled::new(text, Scope { context: Context::Span, keys })?;
        Ok(Self { compiled })
    }

    /// Whether the condition holds for the span.
    pub(crate) fn holds(&self, span: &SpanFacts<'_>) -> Result<bool, EvaluationError> {
        self.compiled.holds(&Subject { span, event: None })
    }
}

pub(crate) struct OttlCondition {
    propagates: bool,
    span: Vec<Compiled>,
    span_event: Vec<Compiled>,
}

impl OttlCondition {
    pub(crate) fn new(
        policy: &OttlConditionPolicy,
        keys: &KeyPool,
    ) -> Result<Self, OttlConditionError> {
        if policy.span.is_empty() && policy.spanevent.is_empty() {
            return Err(OttlConditionError::NoCondition);
        }
        let compiled = |texts: &[String], context| {
            let conditions = texts.iter().map(|text| Compiled::new(text, Scope { context, keys }));
            conditions.collect::<Result<Vec<_>, _>>().map_err(OttlConditionError::Invalid)
        };
        Ok(Self {
            propagates: policy.error_mode == ErrorMode::Propagate,
            span: compiled(&policy.span, Context::Span)?,
            span_event: compiled(&policy.spanevent, Context::SpanEvent)?,
        })
    }

    #[inline]
    fn any(
        &self,
        conditions: &[Compiled],
        subject: &Subject<'_, '_>,
    ) -> Result<bool, EvaluationError> {
        for condition in conditions {
            match condition.holds(subject) {
                Ok(true) => return Ok(true),
                Err(error) if self.propagates => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
        Ok(false)
    }
}

impl OttlCondition {
    /// `Some` if a condition holds for the span or one of its events.
    #[inline]
    fn matches(&self, span: &SpanFacts<'_>) -> Result<Option<()>, EvaluationError> {
        if self.any(&self.span, &Subject { span, event: None })? {
            return Ok(Some(()));
        }
        if self.span_event.is_empty() {
            return Ok(None);
        }
        for event in span.events().filter_map(Result::ok) {
            if self.any(&self.span_event, &Subject { span, event: Some(event) })? {
                return Ok(Some(()));
            }
        }
        Ok(None)
    }
}

impl Evaluate for OttlCondition {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        if let [condition] = self.span.as_slice()
            && self.span_event.is_empty()
            && condition.is_text()
        {
            // Cannot fail.
            let found = trace.any(|span| condition.text_holds(span) == Some(true));
            return Ok(PolicyDecision::of(found));
        }
        let found = trace.find(|span| match self.matches(span) {
            Ok(None) => None,
            Ok(Some(())) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        });
        found.transpose().map(|found| PolicyDecision::of(found.is_some()))
    }
}
