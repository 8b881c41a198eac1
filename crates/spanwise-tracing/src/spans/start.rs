//! The start of a span.

use super::api_span::ApiSpan;
use super::entered;
use super::open_span::{OpenSpan, Slot, State, Timings};
use super::open_spans::OpenSpans;
use super::unstarted::{self, Builder};
use crate::fields::{CollectSpan, SpanFields, with_collected};
use opentelemetry::trace::{SpanBuilder, SpanContext, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use spanwise_sdk::__private::{LayerSpan as _, LayerTracer as _, is_context_readable};
use spanwise_sdk::{Span, Value};
use std::sync::Arc;
use std::time::SystemTime;
use tracing_core::Metadata;
use tracing_core::span::{Attributes, Id};

/// The parent of a span that starts.
enum Parent {
    /// The current span of the thread.
    Current,
    /// An open span of the layer.
    Span(u64),
    /// None: the span is a root.
    None,
}

impl OpenSpans {
    /// Starts a span, or makes it wait for its parent.
    #[inline]
    pub(crate) fn new_span(&self, attributes: &Attributes<'_>, id: &Id) {
        let parent = match attributes.parent() {
            // A parent that the layer does not see is none, as in tracing-opentelemetry.
            Some(parent) if self.table.find(parent.into_u64()).is_some() => {
                Parent::Span(parent.into_u64())
            }
            _ if attributes.is_contextual() => Parent::Current,
            _ => Parent::None,
        };
        if self.tracer.starts_plainly() {
            self.start_plainly(attributes, id.into_u64(), &parent);
        } else {
            self.insert_unstarted(attributes, id.into_u64(), &parent);
        }
    }

    /// Starts a span at once.
    #[inline]
    fn start_plainly(&self, attributes: &Attributes<'_>, id: u64, parent: &Parent) {
        let metadata = attributes.metadata();
        let span = match parent {
            Parent::Current => self.start_below_current(metadata),
            Parent::Span(parent) => self.start_below(metadata, *parent),
            Parent::None => self.start_root(metadata),
        };
        let Some(mut span) = span else {
            return self.insert_unstarted(attributes, id, parent);
        };
        if !span.context().is_valid() {
            // Suppressed, or of a provider that was shut down: no context to pass on.
            return;
        }
        if span.is_recording() || span.is_measured() {
            self.write_metadata(&mut span, metadata);
            let errors = self.options.errors;
            attributes.record(&mut SpanFields {
                span: &mut span,
                errors,
                max_bytes: self.max_bytes,
            });
        }
        self.insert(id, span, parent);
    }

    #[inline]
    fn start_below_current(&self, metadata: &Metadata<'_>) -> Option<Span> {
        if !self.options.context_activation
            && let Some(current) = entered::current(self.layer)
        {
            return self.start_below(metadata, current);
        }
        if !is_context_readable() {
            return self.start_root(metadata);
        }
        // The borrow of the API's stack lasts for the start, which runs code of Spanwise alone.
        Context::map_current(|current| match current.has_active_span() {
            true => {
                let parent = current.span();
                Some(self.tracer.start_below(metadata.name(), Some(parent.span_context())))
            }
            false => self.start_root(metadata),
        })
    }

    /// Starts a span below an open span of the layer.
    fn start_below(&self, metadata: &Metadata<'_>, parent: u64) -> Option<Span> {
        let Some(slot) = self.table.find(parent) else {
            return self.start_root(metadata);
        };
        let mut open = slot.lock();
        if let State::Unstarted(_) | State::Starting(_) = &open.state {
            drop(open);
            self.ensure_started(&slot);
            open = slot.lock();
        }
        let parent = if slot.id() == parent { open.used() } else { None };
        match parent {
            Some(parent) => Some(self.tracer.start_below(metadata.name(), Some(parent.context()))),
            None => self.start_root(metadata),
        }
    }

    /// Starts a span without a parent. `None` for one that waits: its parent may come later.
    #[inline]
    fn start_root(&self, metadata: &Metadata<'_>) -> Option<Span> {
        if self.callsites.waits(metadata) {
            return None;
        }
        Some(self.tracer.start_below(metadata.name(), None))
    }

    /// Inserts a started span into the table.
    #[inline]
    fn insert(&self, id: u64, span: Span, parent: &Parent) {
        let mut span = Some(span);
        let context_below = |span: &Span, slot: &Arc<Slot>, generation| match parent {
            Parent::Current if is_context_readable() => {
                Context::map_current(|current| activated(current, span, slot, generation))
            }
            Parent::Span(parent) if *parent != id => {
                let parent = self.context_of(*parent).unwrap_or_default();
                activated(&parent, span, slot, generation)
            }
            _ => activated(&Context::new(), span, slot, generation),
        };
        let charge = |bytes| self.tracer.try_charge(bytes);
        let inserted = self.table.insert(id, charge, |slot, open| {
            let Some(span) = span.take() else { return };
            slot.publish(&span);
            if self.options.context_activation {
                open.context = Some(context_below(&span, slot, open.generation));
            }
            if self.options.tracked_inactivity {
                open.timings = Timings { last: slot.now(), ..Timings::default() };
            }
            open.is_used = false;
            open.state = State::Started(span);
        });
        if let (Err(_), Some(span)) = (inserted, span) {
            span.drop_untracked();
        }
    }

    /// Inserts a span whose start waits: the sampler or a processor is to see its fields, or its parent comes later.
    #[cold]
    #[inline(never)]
    fn insert_unstarted(&self, attributes: &Attributes<'_>, id: u64, parent: &Parent) {
        let parent = match parent {
            Parent::Current => self.current_context(),
            Parent::Span(parent) => self.context_of(*parent).unwrap_or_default(),
            Parent::None => Context::new(),
        };
        let is_suppressed = parent.is_telemetry_suppressed()
            || is_context_readable() && Context::is_current_telemetry_suppressed();
        if is_suppressed {
            return;
        }
        if unstarted::is_nested_too_deep() {
            return self.tracer.refuse_untracked();
        }
        let mut builder = Builder {
            span: SpanBuilder::from_name(attributes.metadata().name())
                .with_kind(opentelemetry::trace::SpanKind::Internal)
                .with_start_time(SystemTime::now())
                .with_attributes(self.metadata_attributes(attributes.metadata())),
            parent,
            status: Status::Unset,
        };
        with_collected(|collected| {
            let errors_to_exceptions = self.options.errors.fields_to_exceptions;
            let max_bytes = self.max_bytes;
            attributes.record(&mut CollectSpan { collected, errors_to_exceptions, max_bytes });
            collected.set_on_builder(&mut builder.span, &mut builder.status);
        });
        let is_full = builder.is_full();
        let mut builder = Some(builder);
        let charge = |bytes| self.tracer.try_charge(bytes);
        let inserted = self.table.insert(id, charge, |slot, open| {
            let Some(builder) = builder.take() else { return };
            slot.publish_unstarted();
            if self.options.tracked_inactivity {
                open.timings = Timings { last: slot.now(), ..Timings::default() };
            }
            open.is_used = false;
            open.state = State::Unstarted(Box::new(builder));
        });
        if let (Err(_), Some(builder)) = (inserted, builder) {
            self.build(builder).drop_untracked();
        } else if is_full && let Some(slot) = self.table.find(id) {
            self.ensure_started(&slot);
        }
    }

    /// The context whose current span is the open span `id`.
    pub(crate) fn context_of(&self, id: u64) -> Option<Context> {
        let slot = self.table.find(id)?;
        self.ensure_started(&slot);
        let mut open = slot.lock();
        if slot.id() != id {
            return None;
        }
        open.is_used = true;
        if open.context.is_none() {
            let OpenSpan { state: State::Started(span), generation, .. } = &*open else {
                return None;
            };
            let context = activated(&self.current_values(), span, &slot, *generation);
            open.context = Some(context);
        }
        open.context.clone()
    }

    fn current_context(&self) -> Context {
        let current =
            if self.options.context_activation { None } else { entered::current(self.layer) };
        match current.and_then(|current| self.context_of(current)) {
            Some(context) => context,
            None => self.current_values(),
        }
    }

    fn current_values(&self) -> Context {
        match is_context_readable() {
            true => Context::current(),
            false => Context::new(),
        }
    }

    /// Writes what the layer adds to each span.
    #[inline]
    pub(super) fn write_metadata(&self, span: &mut Span, metadata: &Metadata<'_>) {
        let options = &self.options;
        if options.location || options.threads || options.level || options.target {
            self.each_attribute(metadata, |key, value| {
                span.attribute(key, value);
            });
        }
    }

    fn metadata_attributes(&self, metadata: &Metadata<'_>) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        self.each_attribute(metadata, |key, value| {
            let value: opentelemetry::Value = match value {
                Value::I64(number) => number.into(),
                Value::Str(text) => text.to_owned().into(),
                _ => return,
            };
            attributes.push(KeyValue::new(key, value));
        });
        attributes
    }

    fn each_attribute(
        &self,
        metadata: &Metadata<'_>,
        mut put: impl FnMut(&'static str, Value<'_>),
    ) {
        let options = &self.options;
        if options.location {
            crate::metadata::each_location(metadata, &mut put);
        }
        if options.threads {
            crate::metadata::each_thread(&mut put);
        }
        if options.level {
            put("level", Value::Str(metadata.level().as_str()));
        }
        if options.target {
            put("target", Value::Str(metadata.target()));
        }
    }
}

/// A context below `parent` with `span` as its current span.
#[inline]
pub(super) fn activated(
    parent: &Context,
    span: &Span,
    slot: &Arc<Slot>,
    generation: u64,
) -> Context {
    match span.is_recording() || span.is_measured() {
        true => parent.with_span(ApiSpan::new(span.context(), slot, generation)),
        // Of a provider that is disabled or was shut down, without a parent: no context to pass on.
        false if !span.context().is_valid() => parent.clone(),
        // It records nothing: its context suffices, and takes one allocation less.
        false => parent.with_remote_span_context(SpanContext::clone(span.context())),
    }
}
