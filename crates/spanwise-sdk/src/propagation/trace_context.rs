//! The propagator of W3C Trace Context.

use super::trace_parent::TraceParent;
use super::trace_state;
use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use std::sync::LazyLock;

/// A `TextMapPropagator` of [W3C Trace Context](https://www.w3.org/TR/trace-context-2/), level 2:
/// `traceparent` and `tracestate`.
///
/// Where it differs from `opentelemetry_sdk`'s:
///
/// - The flag `random` is propagated, so that samplers in later processes need no randomness of their
///   own; unknown flags are cleared in both directions, as the specification requires.
/// - Fields have exactly their length. Two `traceparent` headers discard each other; several
///   `tracestate` headers are one list.
/// - A `tracestate` with a broken member or more than 32 is discarded. On the way out it has at most
///   512 characters: members above 128 are removed first, then members from its end.
/// - An empty `tracestate` is not sent.
///
/// Without a valid `traceparent`, an extraction returns the context that it was given.
///
/// # Cost
/// An injection allocates the value of each header. An extraction allocates the context, and the
/// members of a `tracestate`.
#[derive(Debug, Clone, Default)]
pub struct TraceContextPropagator {
    _private: (),
}

impl TraceContextPropagator {
    /// A propagator; all of them are equal.
    pub fn new() -> Self {
        Self::default()
    }
}

impl TextMapPropagator for TraceContextPropagator {
    /// Sets `traceparent`, and `tracestate` if it is not empty. Does nothing if the span context of
    /// `cx` is invalid.
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let context = span.span_context();
        if !context.is_valid() {
            return;
        }
        injector.set(TRACEPARENT, TraceParent::write(context));
        if let Some(state) = trace_state::write(context.trace_state()) {
            injector.set(TRACESTATE, state);
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        match remote_parent(extractor) {
            Some(parent) => cx.with_remote_span_context(parent),
            None => cx.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&*FIELDS)
    }
}

fn remote_parent(extractor: &dyn Extractor) -> Option<SpanContext> {
    let headers = extractor.get_all(TRACEPARENT)?;
    // Which of two is the parent is unknown.
    let [header] = &*headers else { return None };
    let TraceParent { trace_id, span_id, flags } = TraceParent::parse(header)?;
    let state = trace_state::parse(extractor.get_all(TRACESTATE).unwrap_or_default());
    Some(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// Names of the headers.
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const TRACESTATE: &str = "tracestate";
static FIELDS: LazyLock<[String; 2]> =
    LazyLock::new(|| [TRACEPARENT.to_owned(), TRACESTATE.to_owned()]);
