//! A tracer whose spans do nothing but carry one span context: the API's own cost.

use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use spanwise_bench_harness::Sampler;
use std::borrow::Cow;
use std::time::SystemTime;

/// All of its spans have the same context, so that their start copies nothing. A copy that the API makes
/// of it, when a span enters a [`Context`], is one that it makes of every tracer's. The API's own
/// `NoopTracer` looks its parent up and reads the clock, which other tracers need not. Methods that take owned
/// values are not inlined: the compiler would remove the caller's copies of its strings.
#[derive(Debug, Clone, Copy)]
pub struct NullTracer {
    context: &'static SpanContext,
}

impl NullTracer {
    /// Under a ratio of one half, the context has the trace state that consistent sampling adds.
    pub fn new(sampler: Sampler) -> Self {
        let (flags, trace_state) = match sampler {
            Sampler::On => (TraceFlags::SAMPLED, TraceState::NONE),
            Sampler::Half => {
                (TraceFlags::SAMPLED, TraceState::from_key_value([("ot", "th:8")]).unwrap())
            }
            _ => (TraceFlags::NOT_SAMPLED, TraceState::NONE),
        };
        let (trace_id, span_id) = (TraceId::from(1), SpanId::from(1));
        let context = SpanContext::new(trace_id, span_id, flags, false, trace_state);
        // One for the process.
        Self { context: Box::leak(Box::new(context)) }
    }
}

impl TracerProvider for NullTracer {
    type Tracer = Self;

    fn tracer_with_scope(&self, _scope: InstrumentationScope) -> Self {
        *self
    }
}

impl Tracer for NullTracer {
    type Span = NullSpan;

    #[inline(never)]
    fn build_with_context(&self, _builder: SpanBuilder, _parent_cx: &Context) -> NullSpan {
        NullSpan(self.context)
    }
}

pub struct NullSpan(&'static SpanContext);

impl Span for NullSpan {
    #[inline(never)]
    fn add_event<T: Into<Cow<'static, str>>>(&mut self, _name: T, _attributes: Vec<KeyValue>) {}

    fn add_event_with_timestamp<T>(
        &mut self,
        _name: T,
        _timestamp: SystemTime,
        _attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
    }

    fn span_context(&self) -> &SpanContext {
        self.0
    }

    fn is_recording(&self) -> bool {
        self.0.is_sampled()
    }

    #[inline(never)]
    fn set_attribute(&mut self, _attribute: KeyValue) {}

    fn set_status(&mut self, _status: Status) {}

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, _new_name: T) {}

    fn add_link(&mut self, _span_context: SpanContext, _attributes: Vec<KeyValue>) {}

    fn end(&mut self) {}

    fn end_with_timestamp(&mut self, _timestamp: SystemTime) {}
}
