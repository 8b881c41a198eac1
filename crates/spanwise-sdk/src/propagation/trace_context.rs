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
/// Differences from the propagator of `opentelemetry_sdk`:
///
/// - It propagates the random flag, so that samplers in later processes need no randomness of their own. It
///   clears unknown flags in both directions, as the specification requires.
/// - Fields have exactly their length. Two `traceparent` headers discard each other; several
///   `tracestate` headers are one list.
/// - An extraction discards a `tracestate` with an invalid member or with more than 32 members. An injection
///   writes at most 512 characters: it removes members above 128 characters first, then members from the end.
/// - An injection writes no empty `tracestate`. A carrier that is used again must be cleared of the
///   [`fields`](TextMapPropagator::fields) first, as the specification asks of its owner;
///   `propagation::http` clears its headers.
///
/// Without a valid `traceparent`, an extraction returns its context unchanged.
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
    // Of two headers, the propagator cannot know the parent.
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
