//! The Collector's processor `filter`: spans and events that conditions leave out of a request.

mod request;

use std::fmt;

use spanwise_wire::read::WireError;

use crate::keys::KeyPool;
use crate::ottl::{Compiled, Context, ErrorMode, OttlError, Scope, Subject};
use crate::policy::EvaluationError;
use crate::span_facts::{EncodedSpan, SpanFacts};

/// Leaves spans and span events out of requests, as the Collector's processor `filter` does: those for which any condition holds.
///
/// [`from_document`](Self::from_document) reads it from a file of the Collector.
#[derive(Debug, Default)]
pub struct SpanFilter {
    pub(crate) groups: Vec<FilterGroup>,
}

/// The conditions of one list, and the consequence of their errors.
#[derive(Debug, Default)]
pub(crate) struct FilterGroup {
    error_mode: ErrorMode,
    span: Vec<Compiled>,
    span_event: Vec<Compiled>,
    keys: Vec<Box<str>>,
}

/// A request without the spans and events that a [`SpanFilter`] left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilteredRequest {
    /// The request in protobuf; empty if no span is left.
    pub request: Vec<u8>,
    /// Spans that were left out.
    pub dropped_spans: u64,
    /// Events that were left out of the other spans.
    pub dropped_events: u64,
    /// Conditions that could not be evaluated for a span or event, for which they do not hold then.
    pub failed_conditions: u64,
}

/// A request cannot be filtered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// The request cannot be read.
    Request(WireError),
    /// A condition of a list with `error_mode: propagate` cannot be evaluated: the Collector drops the whole request.
    Condition(String),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => write!(f, "the request cannot be read: {error}"),
            Self::Condition(message) => write!(f, "a condition cannot be evaluated: {message}"),
        }
    }
}

impl std::error::Error for FilterError {}

impl From<WireError> for FilterError {
    fn from(error: WireError) -> Self {
        Self::Request(error)
    }
}

/// The part of a request that a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filtered {
    Spans,
    SpanEvents,
    /// The first of them in whose context the condition is valid.
    Inferred,
}

impl FilterGroup {
    pub(crate) fn new(
        error_mode: ErrorMode,
        conditions: &[(Filtered, String)],
    ) -> Result<Self, OttlError> {
        let pool = KeyPool::default();
        let mut group = Self { error_mode, ..Self::default() };
        for (filtered, text) in conditions {
            let compiled = |context| Compiled::new(text, Scope { context, keys: &pool });
            let span = || compiled(Context::Span);
            let event = || compiled(Context::SpanEvent);
            match filtered {
                Filtered::Spans => group.span.push(span()?),
                Filtered::SpanEvents => group.span_event.push(event()?),
                // Paths of events are no paths of spans.
                Filtered::Inferred => match (span(), event()) {
                    (Ok(condition), _) => group.span.push(condition),
                    (Err(_), Ok(condition)) => group.span_event.push(condition),
                    (Err(_), Err(error)) if text.contains("spanevent") => return Err(error),
                    (Err(error), Err(_)) => return Err(error),
                },
            }
        }
        group.keys = pool.into_keys();
        Ok(group)
    }

    fn any(
        &self,
        conditions: &[Compiled],
        subject: &Subject<'_, '_>,
        failed: &mut u64,
    ) -> Result<bool, FilterError> {
        for condition in conditions {
            match condition.holds(subject) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if self.error_mode == ErrorMode::Propagate => return Err(of(&error)),
                Err(_) => *failed += 1,
            }
        }
        Ok(false)
    }

    /// Whether the span is left out; if not, `events` has true for each of its events that is.
    fn filter(
        &self,
        encoded: EncodedSpan<'_>,
        events: &mut Vec<bool>,
        failed: &mut u64,
    ) -> Result<bool, FilterError> {
        let span = &SpanFacts::new(encoded, &self.keys);
        if self.any(&self.span, &Subject { span, event: None }, failed)? {
            return Ok(true);
        }
        if self.span_event.is_empty() {
            return Ok(false);
        }
        for (index, event) in span.events().enumerate() {
            if events.len() <= index {
                events.push(false);
            }
            let event = Some(event?);
            let is_dropped = self.any(&self.span_event, &Subject { span, event }, failed)?;
            if let Some(slot) = events.get_mut(index) {
                *slot |= is_dropped;
            }
        }
        Ok(false)
    }
}

fn of(error: &EvaluationError) -> FilterError {
    FilterError::Condition(error.to_string())
}
