//! [`FilteredSpanwiseLayer`]: a layer that records a part of the events, and counts all.

use crate::layer::SpanwiseLayer;
use std::any::TypeId;
use std::ptr;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

/// A [`SpanwiseLayer`] that records the events that pass a filter, and counts all: see
/// [`SpanwiseLayer::with_counting_event_filter`].
#[derive(Debug)]
pub struct FilteredSpanwiseLayer<F> {
    /// Its option `counted_events` is on.
    inner: SpanwiseLayer,
    filter: F,
}

impl SpanwiseLayer {
    /// Records only the events that pass `filter`, and counts all: the attribute `otel.tracing_event_count` of a span is the number of its
    /// events. So a trace shows whether the log has more of a span. Spans need not pass the filter.
    #[must_use]
    pub fn with_counting_event_filter<F>(mut self, filter: F) -> FilteredSpanwiseLayer<F> {
        self.spans.options.counted_events = true;
        FilteredSpanwiseLayer { inner: self, filter }
    }
}

impl<F> FilteredSpanwiseLayer<F> {
    /// Changes the options of the layer.
    #[must_use]
    pub fn map_inner(self, change: impl FnOnce(SpanwiseLayer) -> SpanwiseLayer) -> Self {
        change(self.inner).with_counting_event_filter(self.filter)
    }

    /// Replaces the filter.
    #[must_use]
    pub fn with_counting_event_filter<G>(self, filter: G) -> FilteredSpanwiseLayer<G> {
        FilteredSpanwiseLayer { inner: self.inner, filter }
    }
}

impl<S, F> Layer<S> for FilteredSpanwiseLayer<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    F: Filter<S> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.inner.on_new_span(attributes, id, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.inner.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.inner.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.inner.on_close(id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.inner.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.inner.spans.count_event(event);
        if self.filter.enabled(event.metadata(), &context) {
            self.inner.on_event(event, context);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        self.inner.on_follows_from(id, follows, context);
    }

    // SAFETY: the pointers are valid for the lifetime of `&self`, and have the type of the id.
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(ptr::from_ref(self).cast());
        }
        // SAFETY: the inner layer lives as long as this one.
        unsafe { <SpanwiseLayer as Layer<S>>::downcast_raw(&self.inner, id) }
    }
}
