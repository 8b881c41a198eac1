//! Replays a [`SpanSpec`] on any implementation of the API.

use opentelemetry::Context;
use opentelemetry::trace::{Span, SpanContext, Status, TraceContextExt, Tracer, TracerProvider};

use crate::SpanSpec;

/// Creates the span that `spec` describes on `tracer`, and returns its span context.
///
/// All times are explicit. The parent is in a context of its own, so the thread's current
/// context has no effect. The order on the recording span is: attributes, events, links, name, status,
/// end.
pub fn replay<T: Tracer>(tracer: &T, spec: &SpanSpec) -> SpanContext {
    let parent = match &spec.parent {
        Some(parent) => Context::new().with_remote_span_context(parent.clone()),
        None => Context::new(),
    };
    let builder = tracer
        .span_builder(spec.name.clone())
        .with_kind(spec.kind.clone())
        .with_start_time(spec.start)
        .with_attributes(spec.at_start.attributes.clone())
        .with_events(spec.at_start.events.clone())
        .with_links(spec.at_start.links.clone());
    let mut span = tracer.build_with_context(builder, &parent);
    span.set_attributes(spec.later.attributes.iter().cloned());
    for event in &spec.later.events {
        let name = event.name.clone();
        span.add_event_with_timestamp(name, event.timestamp, event.attributes.clone());
    }
    for link in &spec.later.links {
        span.add_link(link.span_context.clone(), link.attributes.clone());
    }
    if let Some(name) = &spec.new_name {
        span.update_name(name.clone());
    }
    if spec.status != Status::Unset {
        span.set_status(spec.status.clone());
    }
    span.end_with_timestamp(spec.end);
    span.span_context().clone()
}

/// Calls [`replay`] with the tracer that `provider` returns for the scope of `spec`.
pub fn replay_on<P: TracerProvider>(provider: &P, spec: &SpanSpec) -> SpanContext {
    replay(&provider.tracer_with_scope(spec.scope.clone()), spec)
}
