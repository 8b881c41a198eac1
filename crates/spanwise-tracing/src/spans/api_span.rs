//! [`ApiSpan`]: the span of a context, for code that uses the OpenTelemetry API.

use super::open_span::Slot;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, Status};
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::Span;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

/// A reference to an open span, as `Context::current().span()` returns it. After the close of the span it changes nothing.
#[derive(Debug)]
pub(super) struct ApiSpan {
    context: SpanContext,
    slot: SlotRef,
    generation: u64,
}

struct SlotRef(Arc<Slot>);

impl std::fmt::Debug for SlotRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slot")
    }
}

impl ApiSpan {
    #[inline]
    pub(super) fn new(context: &SpanContext, slot: &Arc<Slot>, generation: u64) -> Self {
        Self { context: context.clone(), slot: SlotRef(slot.clone()), generation }
    }

    /// Runs `f` on the span while it is open. `f` runs no code of the program.
    fn with<T>(&self, f: impl FnOnce(&mut Span) -> T) -> Option<T> {
        let mut open = self.slot.0.lock();
        if open.generation != self.generation {
            return None;
        }
        open.started().map(f)
    }
}

impl opentelemetry::trace::Span for ApiSpan {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        let name = name.into();
        self.with(|span| span.add_event_with_timestamp(name, timestamp, attributes));
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.with(|span| span.is_recording()).unwrap_or_default()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.with(|span| span.set_attribute(attribute));
    }

    fn set_status(&mut self, status: Status) {
        self.with(|span| span.set_status(status));
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        let name = new_name.into();
        self.with(|span| span.update_name(name));
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.with(|span| span.add_link(span_context, attributes));
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        // The end runs processors, which are code of the program: not under the lock.
        let taken = self.with(|span| span.take());
        if let Some(mut span) = taken {
            span.end_with_timestamp(timestamp);
        }
    }
}
