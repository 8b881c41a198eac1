//! [`SpanwiseLayer`]: the layer of a subscriber.

use crate::filtered::FilteredSpanwiseLayer;
use crate::options::Options;
use crate::spans::OpenSpans;
use spanwise_sdk::{Spanwise, Tracer};
use std::any::TypeId;
use std::ptr;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// A layer that records the spans of `tracing` as spans of `provider`, in the instrumentation scope `tracing`.
///
/// ```no_run
/// use spanwise_sdk::Spanwise;
/// use tracing_subscriber::prelude::*;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().with_service_name("shop").build()?;
///     tracing_subscriber::registry().with(spanwise_tracing::layer(&spanwise)).init();
///
///     tracing::info_span!("order", order.id = 7).in_scope(|| tracing::info!("paid"));
///     println!("{}", spanwise.shutdown()?);
///     Ok(())
/// }
/// ```
pub fn layer(provider: &Spanwise) -> SpanwiseLayer {
    SpanwiseLayer::new(provider.tracer(SCOPE))
}

/// Records the spans and events of `tracing` in the spans of a [`Tracer`].
pub struct SpanwiseLayer {
    pub(crate) spans: OpenSpans,
    max_open_spans: usize,
}

impl SpanwiseLayer {
    /// A layer whose spans `tracer` starts.
    pub fn new(tracer: Tracer) -> Self {
        let spans = OpenSpans::new(tracer, Options::default(), MAX_OPEN_SPANS);
        Self { spans, max_open_spans: MAX_OPEN_SPANS }
    }

    /// Starts spans by `tracer`, to choose the instrumentation scope.
    #[must_use]
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        self.rebuilt(|parts| parts.0 = tracer)
    }

    /// Adds file, module and line of the callsite to spans and events: `code.file.path`, `code.module.name`,
    /// `code.line.number`. Default off: three attributes a span.
    #[must_use]
    pub fn with_location(self, location: bool) -> Self {
        self.rebuilt(|parts| parts.1.location = location)
    }

    /// Adds the thread that starts a span: `thread.id`, `thread.name`. Default off: two attributes a span.
    #[must_use]
    pub fn with_threads(self, threads: bool) -> Self {
        self.rebuilt(|parts| parts.1.threads = threads)
    }

    /// Adds the level of a span: `level`. Default off. Events always have it.
    #[must_use]
    pub fn with_level(self, level: bool) -> Self {
        self.rebuilt(|parts| parts.1.level = level)
    }

    /// Adds the target of a span: `target`. Default off. Events always have it.
    #[must_use]
    pub fn with_target(self, target: bool) -> Self {
        self.rebuilt(|parts| parts.1.target = target)
    }

    /// Measures the time inside of a span and the time that it is open without being entered: `busy_ns`, `idle_ns`.
    /// Default off: a lock and a reading of the clock for each enter and exit.
    #[must_use]
    pub fn with_tracked_inactivity(self, tracked_inactivity: bool) -> Self {
        self.rebuilt(|parts| parts.1.tracked_inactivity = tracked_inactivity)
    }

    /// Makes the entered span the current span of `opentelemetry::Context::current()`, for propagators, for the correlation of
    /// logs and for code that uses the API. Default on.
    ///
    /// # Cost
    /// Two allocations for a recorded span, one for any other.
    #[must_use]
    pub fn with_context_activation(self, context_activation: bool) -> Self {
        self.rebuilt(|parts| parts.1.context_activation = context_activation)
    }

    /// Adds `exception.message` and `exception.stacktrace` where a field of a span or an event is an error
    /// (`&dyn std::error::Error`). Default on.
    #[must_use]
    pub fn with_error_fields_to_exceptions(self, is_on: bool) -> Self {
        self.rebuilt(|parts| parts.1.errors.fields_to_exceptions = is_on)
    }

    /// Adds the exception attributes of an event with an error to its span too. Default on.
    #[must_use]
    pub fn with_error_records_to_exceptions(self, is_on: bool) -> Self {
        self.rebuilt(|parts| parts.1.errors.records_to_exceptions = is_on)
    }

    /// Makes the field `error` of an event without a message, as of `#[instrument(err)]`, the description of the span's status.
    /// Default on.
    #[must_use]
    pub fn with_error_events_to_status(self, is_on: bool) -> Self {
        self.rebuilt(|parts| parts.1.errors.events_to_status = is_on)
    }

    /// Names an event without a message and with a field `error` `exception`, and that field `exception.message`. Default on.
    #[must_use]
    pub fn with_error_events_to_exceptions(self, is_on: bool) -> Self {
        self.rebuilt(|parts| parts.1.errors.events_to_exceptions = is_on)
    }

    /// Records only the events that pass `filter`, and counts all: the attribute `otel.tracing_event_count` of a span is the number of its
    /// events. So a trace shows whether the log has more of a span. Spans need not pass the filter.
    #[must_use]
    pub fn with_counting_event_filter<F>(self, filter: F) -> FilteredSpanwiseLayer<F> {
        FilteredSpanwiseLayer::new(self.rebuilt(|parts| parts.1.counted_events = true), filter)
    }

    /// The spans that may be open at a time. Default 65,536. Each open span beyond is dropped at its start, and the ledger counts
    /// it (`too_many_open_spans`).
    ///
    /// Slots are charged to the byte budget of the provider as they are first used.
    #[must_use]
    pub fn with_max_open_spans(mut self, max_open_spans: usize) -> Self {
        self.max_open_spans = max_open_spans;
        self.rebuilt(|_| {})
    }

    fn rebuilt(self, change: impl FnOnce(&mut (Tracer, Options))) -> Self {
        let max_open_spans = self.max_open_spans;
        let mut parts = self.spans.into_parts();
        change(&mut parts);
        Self { spans: OpenSpans::new(parts.0, parts.1, max_open_spans), max_open_spans }
    }
}

impl<S: Subscriber> Layer<S> for SpanwiseLayer {
    #[inline]
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        self.spans.new_span(attributes, id);
    }

    #[inline]
    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.spans.enter(id);
    }

    #[inline]
    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.spans.exit(id);
    }

    #[inline]
    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.spans.close(&id);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.spans.record(id, values);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.spans.event(event);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        self.spans.follows_from(id, follows);
    }

    // SAFETY: the pointers are valid for the lifetime of `&self`, and have the type of the id.
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(ptr::from_ref(self).cast());
        }
        (id == TypeId::of::<OpenSpans>()).then(|| ptr::from_ref(&self.spans).cast())
    }
}

impl std::fmt::Debug for SpanwiseLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpanwiseLayer").finish_non_exhaustive()
    }
}

/// The instrumentation scope of spans by default.
const SCOPE: &str = "tracing";
const MAX_OPEN_SPANS: usize = 65_536;
