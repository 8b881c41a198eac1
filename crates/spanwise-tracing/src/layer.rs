//! [`SpanwiseLayer`]: the layer of a subscriber.

use crate::option_methods::option_methods;
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
///
/// The layer is an owner of the provider, which runs until its shutdown or until the last owner is dropped. Spans that are open at
/// a shutdown are lost, and the ledger counts them (`after_shutdown`).
///
/// The threads of a provider make no span and no event of any subscriber, whatever its filter: libraries such as h2 and rustls are
/// silent there. Spans that these libraries make on threads of the program are recorded.
///
/// # Limits
/// A [`SpanProcessor`](spanwise_sdk::SpanProcessor) that makes spans of `tracing` in `on_end` makes roots (`parent: None`): the
/// registry of tracing-subscriber never closes the parent of a span that starts inside of a close.
pub fn layer(provider: &Spanwise) -> SpanwiseLayer {
    SpanwiseLayer::new(provider.tracer(SCOPE))
}

/// Records the spans and events of `tracing` in the spans of a [`Tracer`].
pub struct SpanwiseLayer {
    pub(crate) spans: OpenSpans,
}

impl SpanwiseLayer {
    /// A layer whose spans `tracer` starts.
    pub fn new(tracer: Tracer) -> Self {
        Self { spans: OpenSpans::of_layer(tracer) }
    }

    option_methods!();
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
pub(crate) const SCOPE: &str = "tracing";
