//! The extension trait of the layer of a run: both have the same methods.

use crate::bench::Bench;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use spanwise_tracing::OpenTelemetrySpanExt as Ours;
use std::time::SystemTime;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as Theirs;

impl Bench {
    /// `set_parent`, with its result as text.
    pub fn set_parent(&self, span: &Span, parent: Context) -> String {
        match self.is_theirs() {
            _ if !self.is_warm() => String::new(),
            true => format!("{:?}", Theirs::set_parent(span, parent)),
            false => format!("{:?}", Ours::set_parent(span, parent)),
        }
    }

    pub fn context(&self, span: &Span) -> Context {
        match self.is_theirs() {
            true => Theirs::context(span),
            false => Ours::context(span),
        }
    }

    pub fn set_attribute(&self, span: &Span, attribute: KeyValue) {
        match self.is_theirs() {
            true => Theirs::set_attribute(span, attribute.key, attribute.value),
            false => Ours::set_attribute(span, attribute.key, attribute.value),
        }
    }

    pub fn set_status(&self, span: &Span, status: Status) {
        match self.is_theirs() {
            true => Theirs::set_status(span, status),
            false => Ours::set_status(span, status),
        }
    }

    pub fn add_event(&self, span: &Span, name: &'static str, attributes: Vec<KeyValue>) {
        match self.is_theirs() {
            true => Theirs::add_event(span, name, attributes),
            false => Ours::add_event(span, name, attributes),
        }
    }

    pub fn add_event_at(&self, span: &Span, name: &'static str, at: SystemTime) {
        match self.is_theirs() {
            true => Theirs::add_event_with_timestamp(span, name, at, Vec::new()),
            false => Ours::add_event_with_timestamp(span, name, at, Vec::new()),
        }
    }

    pub fn add_link(&self, span: &Span, to: SpanContext) {
        match self.is_theirs() {
            true => Theirs::add_link(span, to),
            false => Ours::add_link(span, to),
        }
    }

    pub fn add_link_with(&self, span: &Span, to: SpanContext, attributes: Vec<KeyValue>) {
        match self.is_theirs() {
            true => Theirs::add_link_with_attributes(span, to, attributes),
            false => Ours::add_link_with_attributes(span, to, attributes),
        }
    }

    /// `get_otel_context` of the span.
    pub fn context_of_id(&self, span: &Span) -> Option<Context> {
        let id = span.id()?;
        match self.is_theirs() {
            true => tracing_opentelemetry::get_otel_context(&id, self.dispatch()),
            false => spanwise_tracing::get_otel_context(&id, self.dispatch()),
        }
    }
}

/// The context of another process' span: trace and span have the id `number`.
pub fn remote(number: u64) -> SpanContext {
    let (trace_id, span_id) = (TraceId::from(u128::from(number)), SpanId::from(number));
    SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::default())
}

/// A context below that span.
pub fn remote_parent(number: u64) -> Context {
    use opentelemetry::trace::TraceContextExt as _;
    Context::new().with_remote_span_context(remote(number))
}
