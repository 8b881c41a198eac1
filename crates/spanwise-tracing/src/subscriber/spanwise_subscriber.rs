//! [`SpanwiseSubscriber`]: spans by ids of its own.

use super::filter::Filter;
use crate::layer::SCOPE;
use crate::option_methods::option_methods;
use crate::spans::OpenSpans;
use spanwise_sdk::{Spanwise, Tracer};
use std::any::TypeId;
use std::ptr;
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::{Event, Interest, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// A subscriber that records the spans of `tracing` as spans of `provider`, in the instrumentation scope `tracing`, for programs
/// without any other layer.
///
/// ```no_run
/// use spanwise_sdk::Spanwise;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().with_service_name("shop").build()?;
///     spanwise_tracing::subscriber(&spanwise).init();
///
///     tracing::info_span!("order", order.id = 7).in_scope(|| tracing::info!("paid"));
///     println!("{}", spanwise.shutdown()?);
///     Ok(())
/// }
/// ```
pub fn subscriber(provider: &Spanwise) -> SpanwiseSubscriber {
    SpanwiseSubscriber::new(provider.tracer(SCOPE))
}

/// A subscriber without a registry: it records the spans and events of `tracing` in the spans of a [`Tracer`], and nothing else.
/// Other layers (`fmt`, `EnvFilter`) need a registry and [`layer`](crate::layer()).
///
/// The exported spans are those of [`SpanwiseLayer`](crate::SpanwiseLayer) on a registry. A span is closed by the drop of its last
/// handle, and not before its children are. A disabled callsite costs one load of an atomic, as under any subscriber.
///
/// It differs from a registry in two cases. A thread's current span is the one that it entered last, also if it entered that
/// twice; a registry passes over it. And an id without a span (closed, or of another subscriber) changes nothing, where a registry
/// panics.
///
/// # Cost
/// Ids refer to memory directly: no hash, no lock that other spans use, and no allocation for a span, once as many spans were
/// open before.
pub struct SpanwiseSubscriber {
    spans: OpenSpans,
    filter: Filter,
}

impl SpanwiseSubscriber {
    /// A subscriber whose spans `tracer` starts.
    pub fn new(tracer: Tracer) -> Self {
        Self { spans: OpenSpans::of_subscriber(tracer), filter: Filter::default() }
    }

    /// Records spans and events of this level and of more important ones. Default [`LevelFilter::INFO`].
    #[must_use]
    pub fn with_max_level(mut self, max_level: impl Into<LevelFilter>) -> Self {
        self.filter.max_level = max_level.into();
        self
    }

    /// Records the spans and events that `targets` enables, within the level of [`with_max_level`](Self::with_max_level). Default
    /// all targets.
    ///
    /// # Cost
    /// None for a span or an event: `tracing` asks once for each callsite.
    #[must_use]
    pub fn with_targets(mut self, targets: impl Into<Targets>) -> Self {
        self.filter.targets = Some(targets.into());
        self
    }

    /// Makes this the subscriber of the process.
    ///
    /// # Panics
    /// The process has a subscriber.
    pub fn init(self) {
        SubscriberInitExt::init(self);
    }

    /// Makes this the subscriber of the process.
    ///
    /// # Errors
    /// The process has a subscriber.
    pub fn try_init(self) -> Result<(), TryInitError> {
        SubscriberInitExt::try_init(self)
    }

    option_methods!();
}

impl Subscriber for SpanwiseSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.filter.enables(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enables(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.max_level)
    }

    #[inline]
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.spans.open(attributes)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.spans.record(id, values);
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        self.spans.follows_from(id, follows);
    }

    fn event(&self, event: &Event<'_>) {
        self.spans.event(event);
    }

    #[inline]
    fn enter(&self, id: &Id) {
        self.spans.enter(id);
    }

    #[inline]
    fn exit(&self, id: &Id) {
        self.spans.exit(id);
    }

    #[inline]
    fn clone_span(&self, id: &Id) -> Id {
        self.spans.retain(id);
        id.clone()
    }

    #[inline]
    fn try_close(&self, id: Id) -> bool {
        self.spans.release(id)
    }

    fn current_span(&self) -> Current {
        match self.spans.current() {
            Some((id, metadata)) => Current::new(id, metadata),
            None => Current::none(),
        }
    }

    // SAFETY: the pointers are valid for the lifetime of `&self`, and have the type of the id.
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(ptr::from_ref(self).cast());
        }
        (id == TypeId::of::<OpenSpans>()).then(|| ptr::from_ref(&self.spans).cast())
    }
}

impl std::fmt::Debug for SpanwiseSubscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpanwiseSubscriber").field("filter", &self.filter).finish_non_exhaustive()
    }
}
