//! [`Span`]: a pointer to a pooled record.

use super::cache;
use super::record::{Record, State};
use super::span_start::{SpanIds, SpanStart, SpanTraceState};
use crate::core::Core;
use opentelemetry::trace::{SpanContext, TraceFlags};
use spanwise_wire::write::{AttributeKey, EncodeValue};
use spanwise_wire::{LinkedContext, SpanFlags, SpanKind, StatusCode, Value};
use spanwise_worker::clock;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// A span of a [`Tracer`](crate::Tracer).
///
/// It implements [`opentelemetry::trace::Span`]. Its own methods take borrowed keys and values, and do
/// not allocate once the process is warm. Dropping the span ends it.
///
/// # Cost
/// A move copies one word. Setting an attribute writes its final bytes.
pub struct Span {
    /// `drop` and `finish` release it to the cache; no other code does.
    pub(super) record: ManuallyDrop<Box<Record>>,
}

impl Span {
    /// Sets an attribute, as the API's `set_attribute` does; a key set before gets the new value.
    ///
    /// `value` is a string, a number, a boolean, a list of these, a pointer to one of them, or a
    /// [`Value`]. `None` sets nothing, and leaves a present value. An integer beyond 64 bits with sign,
    /// which is all that OTLP has, is written as a string of its decimal digits (specification,
    /// *Mapping Arbitrary Data to OTLP AnyValue*).
    #[inline(always)]
    pub fn attribute(&mut self, key: &str, value: impl EncodeValue) -> &mut Self {
        self.record.attribute(key, &value);
        self
    }

    /// Adds an event now, as the API's `add_event` does. `into()` converts the types that
    /// [`attribute`](Self::attribute) takes to the values of its attributes.
    #[inline]
    pub fn event(&mut self, name: &str, attributes: &[(&str, Value<'_>)]) -> &mut Self {
        self.event_with(name, attributes.iter().map(|(key, value)| (*key, value)));
        self
    }

    /// Adds a link to another span, as the API's `add_link` does.
    pub fn link(&mut self, to: &SpanContext, attributes: &[(&str, Value<'_>)]) -> &mut Self {
        self.put_link(to, attributes.iter().map(|(k, v)| (*k, v)));
        self
    }

    /// Sets the status to `Ok`, as the API's `set_status(Status::Ok)` does. Final: a later error has
    /// no effect.
    pub fn ok(&mut self) -> &mut Self {
        self.record
            .write(|writer, core| writer.status(&core.limits.of_attributes(), StatusCode::Ok, ""));
        self
    }

    /// Sets the status to `Error` with a description, as the API's `set_status(Status::error(…))` does.
    pub fn error(&mut self, description: &str) -> &mut Self {
        self.record.write(|writer, core| {
            writer.status(&core.limits.of_attributes(), StatusCode::Error, description)
        });
        self
    }

    /// Replaces the name, as the API's `update_name` does.
    pub fn rename(&mut self, name: &str) -> &mut Self {
        self.record.write(|writer, _| writer.rename(name));
        self.record.rename_measured(name);
        self
    }

    /// The status so far.
    pub(crate) fn status_code(&self) -> StatusCode {
        self.record.writer.status_code()
    }

    /// The span context, as the API's `span_context` returns it: for children and for propagation. It is
    /// readable after the end too.
    #[inline]
    pub fn context(&self) -> &SpanContext {
        self.record.context.get()
    }

    /// Whether the span is recording (the API's `is_recording`): sampled, or any span with
    /// [tail sampling](crate::SpanwiseBuilder::with_tail_sampling), and not ended.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.record.state == State::Recording
    }

    /// Ends the span now, as the API's `end` does.
    #[inline]
    pub fn finish(self) {
        let mut record = self.into_record();
        record.end_now();
        cache::park(record);
    }

    /// Ends the span at `end_unix_nanos`, a reading of the span clock.
    #[inline]
    pub(crate) fn finish_at(self, end_unix_nanos: u64) {
        let mut record = self.into_record();
        record.end_at(end_unix_nanos);
        cache::park(record);
    }

    /// Sets an attribute as nearly all are: of a span that is recording, with a new key and a short value. Returns false for any other,
    /// which it does not set.
    #[inline(always)]
    pub(crate) fn try_attribute(&mut self, key: &AttributeKey, value: Value<'_>) -> bool {
        // The writer is closed unless the span is recording.
        self.record.writer.try_attribute_with(key, value)
    }

    /// Replaces the kind.
    pub(crate) fn set_kind(&mut self, kind: SpanKind) {
        self.record.kind = kind;
        self.record.change_measured_kind();
    }

    /// Whether metrics count the span, which records nothing, by its name and its kind.
    #[inline(always)]
    pub(crate) fn is_measured(&self) -> bool {
        self.record.state == State::Measured
    }

    /// The reading of the span clock at the start.
    #[inline(always)]
    pub(crate) fn clock_start(&self) -> clock::Start {
        self.record.clock_start
    }

    /// Ends the span, which nothing can refer to, without exporting it. Of a span that others see too, this is a usual end.
    #[cold]
    pub(crate) fn drop_untracked(mut self) {
        self.record.drop_untracked();
    }

    /// Adds an event now, with attributes from any source.
    #[inline]
    pub(crate) fn event_with<'k, V: EncodeValue>(
        &mut self,
        name: &str,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        let clock_start = self.record.clock_start;
        self.record.write(|writer, core| {
            writer.event(&core.limits.load(), clock::end(clock_start), name, attributes);
        });
    }

    /// Makes the record of a span: a sampled one, or one that only processors see.
    #[inline(always)]
    pub(crate) fn start(core: &Arc<Core>, start: SpanStart<'_>) -> Self {
        let SpanStart { ids, flags, trace_state, name, kind, scope, annotations, .. } = start;
        let (start_time, parent_is_remote) = (start.start_time, start.parent_is_remote);
        let mut span = Self::without_trace_state(ids, flags);
        let record = &mut **span.record;
        if !record.core.as_ref().is_some_and(|known| Arc::ptr_eq(known, core)) {
            change_core(&mut record.core, core);
        }
        record.state = State::Recording;
        record.kind = kind;
        record.scope = scope;
        record.parent_span_id = ids.parent_span_id;
        record.flags = SpanFlags::new(flags.into(), parent_is_remote);
        record.writer.begin(&core.limits.of_attributes(), name);
        match trace_state {
            SpanTraceState::None => {}
            SpanTraceState::Threshold(threshold) => record.set_threshold(threshold),
            SpanTraceState::Other(trace_state) => record.set_trace_state(trace_state),
        }
        if let Some(annotations) = annotations {
            record.write_annotations(annotations);
        }
        // The clock is read last, so that the work above does not count as the user's.
        (record.clock_start, record.start_unix_nanos) = match start_time {
            None => {
                let start = clock::start();
                (start, start.unix_nanos)
            }
            Some(time) => {
                let start = clock::to_unix_nanos(time);
                (clock::start_at(start), start)
            }
        };
        span
    }

    /// As [`start`](Self::start), for a span that processors see.
    #[cold]
    #[inline(never)]
    pub(crate) fn start_observed(core: &Arc<Core>, start: SpanStart<'_>) -> Self {
        let mut span = Self::start(core, start);
        span.record.observe();
        span
    }

    /// Makes the rules of the provider change the span, which has just started, at its end.
    pub(crate) fn redact(&mut self) {
        self.record.redact();
    }

    /// Whether processors see the span, which has not ended.
    pub(crate) fn is_observed(&self) -> bool {
        self.record.is_observed
    }

    /// A non-recording span with a context of its own: not sampled, or not exported.
    #[inline(always)]
    pub(crate) fn non_recording(start: SpanStart<'_>) -> Self {
        let mut span = Self::without_trace_state(start.ids, start.flags);
        match start.trace_state {
            SpanTraceState::None => {}
            SpanTraceState::Threshold(threshold) => {
                let _ = span.record.context.set_threshold(threshold);
            }
            SpanTraceState::Other(trace_state) => {
                span.record.context.set_trace_state(std::mem::take(trace_state));
            }
        }
        span
    }

    #[inline(always)]
    fn without_trace_state(ids: SpanIds, flags: TraceFlags) -> Self {
        let mut record = cache::take();
        record.context.start(ids, flags);
        record.state = State::NonRecording;
        Self { record: ManuallyDrop::new(record) }
    }

    /// A non-recording span that propagates a context.
    #[cold]
    pub(crate) fn from_context(context: SpanContext) -> Self {
        let mut record = cache::take();
        record.context.set(context);
        record.state = State::NonRecording;
        Self { record: ManuallyDrop::new(record) }
    }

    #[inline(always)]
    fn into_record(self) -> Box<Record> {
        let mut span = ManuallyDrop::new(self);
        // SAFETY: `record` is not used after this: `span` is forgotten, and so not dropped.
        unsafe { ManuallyDrop::take(&mut span.record) }
    }

    pub(super) fn put_link<'k, V: EncodeValue>(
        &mut self,
        to: &SpanContext,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        self.record.write(|writer, core| {
            writer.link(&core.limits.load(), &LinkedContext::from(to), attributes);
        });
    }
}

impl Drop for Span {
    #[inline(always)]
    fn drop(&mut self) {
        if self.record.state.is_open() {
            self.record.end_now();
        }
        // SAFETY: `record` is not used after this: we are in `drop`, and it is taken only here.
        let record = unsafe { ManuallyDrop::take(&mut self.record) };
        cache::park(record);
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("context", self.context())
            .field("state", &self.record.state)
            .finish_non_exhaustive()
    }
}

/// Sets the provider of a record whose last span was of another provider, or that is new.
#[cold]
pub(super) fn change_core(old: &mut Option<Arc<Core>>, new: &Arc<Core>) {
    *old = Some(new.clone());
}

const _: () = assert!(size_of::<Span>() == size_of::<usize>());
const _: () = assert!(size_of::<Option<Span>>() == size_of::<usize>());
