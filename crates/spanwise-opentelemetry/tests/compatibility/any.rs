//! One type for the providers, tracers and spans of both implementations.

use opentelemetry::trace::{Span, SpanBuilder, SpanContext, Status, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan};
use spanwise_sdk::Spanwise;
use std::borrow::Cow;
use std::time::SystemTime;

#[derive(Clone)]
pub enum AnyProvider {
    Sdk(SdkTracerProvider),
    Native(Spanwise),
}

pub enum AnyTracer {
    Sdk(SdkTracer),
    Native(spanwise_sdk::Tracer),
}

pub enum AnySpan {
    Sdk(Box<SdkSpan>),
    Native(spanwise_sdk::Span),
}

impl TracerProvider for AnyProvider {
    type Tracer = AnyTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> AnyTracer {
        match self {
            Self::Sdk(provider) => AnyTracer::Sdk(provider.tracer_with_scope(scope)),
            Self::Native(provider) => AnyTracer::Native(provider.tracer_with_scope(scope)),
        }
    }
}

impl Tracer for AnyTracer {
    type Span = AnySpan;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> AnySpan {
        match self {
            Self::Sdk(tracer) => AnySpan::Sdk(Box::new(tracer.build_with_context(builder, parent))),
            Self::Native(tracer) => AnySpan::Native(tracer.build_with_context(builder, parent)),
        }
    }
}

macro_rules! forward {
    ($self:ident, $span:ident => $call:expr) => {
        match $self {
            AnySpan::Sdk($span) => $call,
            AnySpan::Native($span) => $call,
        }
    };
}

impl Span for AnySpan {
    fn add_event<T: Into<Cow<'static, str>>>(&mut self, name: T, attributes: Vec<KeyValue>) {
        forward!(self, span => span.add_event(name, attributes));
    }

    fn add_event_with_timestamp<T: Into<Cow<'static, str>>>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        forward!(self, span => span.add_event_with_timestamp(name, timestamp, attributes));
    }

    fn record_error(&mut self, error: &dyn std::error::Error) {
        forward!(self, span => span.record_error(error));
    }

    fn span_context(&self) -> &SpanContext {
        forward!(self, span => span.span_context())
    }

    fn is_recording(&self) -> bool {
        forward!(self, span => span.is_recording())
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        forward!(self, span => span.set_attribute(attribute));
    }

    fn set_attributes(&mut self, attributes: impl IntoIterator<Item = KeyValue>) {
        forward!(self, span => span.set_attributes(attributes));
    }

    fn set_status(&mut self, status: Status) {
        forward!(self, span => span.set_status(status));
    }

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, name: T) {
        forward!(self, span => span.update_name(name));
    }

    fn add_link(&mut self, context: SpanContext, attributes: Vec<KeyValue>) {
        forward!(self, span => span.add_link(context, attributes));
    }

    fn end(&mut self) {
        forward!(self, span => span.end());
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        forward!(self, span => span.end_with_timestamp(timestamp));
    }
}
