//! [`OpenTelemetrySpanExt`]: what `tracing::Span` lacks.

use crate::spans::OpenSpans;
use opentelemetry::trace::{SpanContext, Status};
use opentelemetry::{Context, Key, KeyValue, Value};
use std::borrow::Cow;
use std::time::SystemTime;
use tracing::{Dispatch, Span};

/// Methods of OpenTelemetry for [`tracing::Span`], with the names and the signatures of tracing-opentelemetry.
///
/// They act on the span of the [`SpanwiseLayer`](crate::SpanwiseLayer) of the subscriber; of two, that which was added last. Without one, and for a span that
/// is disabled or closed, they change nothing.
pub trait OpenTelemetrySpanExt {
    /// Makes the span a child of the current span of `cx`, for example of a context that a propagator has extracted.
    ///
    /// The sampler decides about the span below this parent. Root spans wait for it: the first 16 of each callsite, and all of a callsite
    /// that has had such a parent. Any other has its ids and a decision already; it is decided again, and what it has recorded stays. If
    /// only the second decision samples it, its fields so far are missing and count in `dropped_attributes_count`, and the ledger counts
    /// it twice as created: once as sampled out, and once as recorded.
    ///
    /// # Errors
    /// The subscriber has no layer of this crate, the span is disabled, or its context is in use: it was entered, has a child, or
    /// [`context`](Self::context) was called. Without context activation an entered span without children can have another parent.
    fn set_parent(&self, cx: Context) -> Result<(), SetParentError>;

    /// Adds a link to another span. An invalid context adds none.
    fn add_link(&self, cx: SpanContext);

    /// As [`add_link`](Self::add_link), with attributes.
    fn add_link_with_attributes(&self, cx: SpanContext, attributes: Vec<KeyValue>);

    /// The context with this span as its current span, for propagators and for children by the API. Starts the span. An
    /// empty context without a layer of this crate.
    fn context(&self) -> Context;

    /// Sets an attribute, also one that is no field of the span.
    fn set_attribute(&self, key: impl Into<Key>, value: impl Into<Value>);

    /// Sets the status.
    fn set_status(&self, status: Status);

    /// Adds an event now.
    fn add_event(&self, name: impl Into<Cow<'static, str>>, attributes: Vec<KeyValue>);

    /// Adds an event at `timestamp`.
    fn add_event_with_timestamp(
        &self,
        name: impl Into<Cow<'static, str>>,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    );
}

/// The error of [`set_parent`](OpenTelemetrySpanExt::set_parent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetParentError {
    /// The subscriber has no layer of this crate.
    #[error("the subscriber has no SpanwiseLayer: add spanwise_tracing::layer to it")]
    LayerNotFound,
    /// The span has started.
    #[error("the span has started: set its parent before it is entered and before it has children")]
    AlreadyStarted,
    /// The span is disabled, or the layer does not see it.
    #[error("the span is disabled: a filter of the subscriber or of the layer removes it")]
    SpanDisabled,
}

impl OpenTelemetrySpanExt for Span {
    fn set_parent(&self, cx: Context) -> Result<(), SetParentError> {
        let set = self.with_subscriber(|(id, dispatch)| match (spans(dispatch), self.metadata()) {
            (Some(spans), Some(metadata)) => spans.set_parent(id.into_u64(), metadata, cx),
            (Some(_), None) => Err(SetParentError::SpanDisabled),
            (None, _) => Err(SetParentError::LayerNotFound),
        });
        set.unwrap_or(Err(SetParentError::SpanDisabled))
    }

    fn add_link(&self, cx: SpanContext) {
        self.add_link_with_attributes(cx, Vec::new());
    }

    fn add_link_with_attributes(&self, cx: SpanContext, attributes: Vec<KeyValue>) {
        if cx.is_valid() {
            with(self, |spans, id| spans.add_link(id, &cx, &attributes));
        }
    }

    fn context(&self) -> Context {
        with(self, OpenSpans::context_of).flatten().unwrap_or_default()
    }

    fn set_attribute(&self, key: impl Into<Key>, value: impl Into<Value>) {
        let attribute = KeyValue::new(key, value);
        with(self, |spans, id| spans.set_attribute(id, attribute));
    }

    fn set_status(&self, status: Status) {
        with(self, |spans, id| spans.set_status(id, status));
    }

    fn add_event(&self, name: impl Into<Cow<'static, str>>, attributes: Vec<KeyValue>) {
        self.add_event_with_timestamp(name, SystemTime::now(), attributes);
    }

    fn add_event_with_timestamp(
        &self,
        name: impl Into<Cow<'static, str>>,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        let name = name.into();
        with(self, |spans, id| spans.add_event(id, name, timestamp, attributes));
    }
}

/// The context of the open span `id` of a subscriber, for code that has no [`tracing::Span`]: other layers.
pub fn get_otel_context(id: &tracing::span::Id, dispatch: &Dispatch) -> Option<Context> {
    spans(dispatch)?.context_of(id.into_u64())
}

fn with<T>(span: &Span, f: impl FnOnce(&OpenSpans, u64) -> T) -> Option<T> {
    span.with_subscriber(|(id, dispatch)| spans(dispatch).map(|spans| f(spans, id.into_u64())))
        .flatten()
}

fn spans(dispatch: &Dispatch) -> Option<&OpenSpans> {
    dispatch.downcast_ref()
}
