//! The start of a span.

use super::api_span::ApiSpan;
use super::entered;
use super::open_span::{OpenSpan, Slot, State, Timings};
use super::open_spans::OpenSpans;
use super::store::Reserved;
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
#[derive(Clone, Copy)]
pub(super) enum Parent {
    /// The current span of the API's context.
    Current,
    /// The span that the thread has entered, where spans activate no contexts.
    Entered(u64),
    /// An open span of the layer.
    Span(u64),
    /// None: the span is a root.
    None,
}

impl OpenSpans {
    /// Starts a span, or makes it wait for its parent.
    #[inline]
    pub(crate) fn new_span(&self, attributes: &Attributes<'_>, id: &Id) {
        let parent = match (attributes.is_contextual(), self.options.context_activation) {
            (true, true) => Parent::Current,
            (true, false) => self.contextual(entered::current(self.layer)),
            (false, _) => self.explicit(attributes.parent()),
        };
        self.new_span_below(attributes, (id.into_u64(), None), parent);
    }

    /// The parent of a span for which the program names none, on a thread that has entered a span or none.
    #[inline(always)]
    pub(super) fn contextual(&self, entered: Option<u64>) -> Parent {
        match entered {
            Some(entered) if !self.options.context_activation => Parent::Entered(entered),
            _ => Parent::Current,
        }
    }

    /// The parent that the program names.
    #[inline(always)]
    pub(super) fn explicit(&self, parent: Option<&Id>) -> Parent {
        match parent.map(Id::into_u64) {
            // A parent that the layer does not see is none, as in tracing-opentelemetry.
            Some(parent) if self.table.find(parent, &mut None).is_some() => Parent::Span(parent),
            _ => Parent::None,
        }
    }

    /// As [`new_span`](Self::new_span), below a parent that is known.
    #[inline(always)]
    pub(super) fn new_span_below(
        &self,
        attributes: &Attributes<'_>,
        id: (u64, Reserved<'_>),
        parent: Parent,
    ) {
        if self.tracer.starts_plainly() {
            self.start_plainly(attributes, id, parent);
        } else {
            self.insert_unstarted(attributes, id, parent);
        }
    }

    /// Starts a span at once.
    #[inline(always)]
    fn start_plainly(&self, attributes: &Attributes<'_>, id: (u64, Reserved<'_>), parent: Parent) {
        let metadata = attributes.metadata();
        let span = match parent {
            Parent::Current => {
                let waits = || self.callsites.waits(metadata);
                self.tracer.start_below_current(metadata.name(), waits)
            }
            Parent::Entered(parent) | Parent::Span(parent) => self.start_below(metadata, parent),
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
            let keys = self.field_keys.of(attributes, |bytes| self.tracer.try_charge(bytes));
            let errors = self.options.errors;
            attributes.record(&mut SpanFields {
                span: &mut span,
                keys,
                errors,
                max_bytes: self.max_bytes,
            });
        }
        self.insert(id, span, parent);
    }

    /// Starts a span below an open span of the layer.
    #[inline]
    fn start_below(&self, metadata: &Metadata<'_>, parent: u64) -> Option<Span> {
        let mut in_map = None;
        let Some(slot) = self.table.find(parent, &mut in_map) else {
            return self.start_root(metadata);
        };
        let mut open = slot.lock();
        if let State::Unstarted(_) | State::Starting(_) = &open.state {
            drop(open);
            self.ensure_started(slot);
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
    #[inline(always)]
    fn insert(&self, (id, reserved): (u64, Reserved<'_>), span: Span, parent: Parent) {
        let charge = |bytes| self.tracer.try_charge(bytes);
        let mut in_map = None;
        let Some((slot, mut open)) = self.table.insert(id, reserved, charge, &mut in_map) else {
            return span.drop_untracked();
        };
        slot.publish(&span);
        if self.options.context_activation {
            open.context = Some(self.context_below(parent, &span, slot, open.generation));
        }
        if self.options.tracked_inactivity {
            open.timings = Timings { last: slot.now(), ..Timings::default() };
        }
        open.begin(State::Started(span));
        drop(open);
        if in_map.is_some() {
            self.table.complete(id, in_map);
        }
    }

    #[inline]
    fn context_below(
        &self,
        parent: Parent,
        span: &Span,
        slot: &Arc<Slot>,
        generation: u64,
    ) -> Context {
        match parent {
            Parent::Current if is_context_readable() => {
                Context::map_current(|current| activated(current, span, slot, generation))
            }
            Parent::Span(parent) if parent != slot.id() => {
                let parent = self.context_of(parent).unwrap_or_default();
                activated(&parent, span, slot, generation)
            }
            _ => activated(&Context::new(), span, slot, generation),
        }
    }

    /// Inserts a span whose start waits: the sampler or a processor is to see its fields, or its parent comes later.
    #[cold]
    #[inline(never)]
    fn insert_unstarted(
        &self,
        attributes: &Attributes<'_>,
        (id, reserved): (u64, Reserved<'_>),
        parent: Parent,
    ) {
        let parent = match parent {
            Parent::Current | Parent::Entered(_) => self.current_context(),
            Parent::Span(parent) => self.context_of(parent).unwrap_or_default(),
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
        let charge = |bytes| self.tracer.try_charge(bytes);
        let mut in_map = None;
        let Some((slot, mut open)) = self.table.insert(id, reserved, charge, &mut in_map) else {
            return self.build(builder).drop_untracked();
        };
        slot.publish_unstarted();
        if self.options.tracked_inactivity {
            open.timings = Timings { last: slot.now(), ..Timings::default() };
        }
        open.begin(State::Unstarted(Box::new(builder)));
        drop(open);
        self.table.complete(id, in_map);
        let mut in_map = None;
        if is_full && let Some(slot) = self.table.find(id, &mut in_map) {
            self.ensure_started(slot);
        }
    }

    /// The context whose current span is the open span `id`.
    pub(crate) fn context_of(&self, id: u64) -> Option<Context> {
        let mut in_map = None;
        let slot = self.table.find(id, &mut in_map)?;
        self.ensure_started(slot);
        let mut open = slot.lock();
        if slot.id() != id {
            return None;
        }
        open.is_used = true;
        if open.context.is_none() {
            let OpenSpan { state: State::Started(span), generation, .. } = &*open else {
                return None;
            };
            let context = activated(&self.current_values(), span, slot, *generation);
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
        if options.location | options.threads | options.level | options.target {
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
