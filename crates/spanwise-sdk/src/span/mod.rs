//! The span: one word that leads to a pooled record.

mod api;
mod cache;
mod record;

pub(crate) use cache::warm_up;
use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use record::{Record, State};
use spanwise_wire::write::EncodeValue;
use spanwise_wire::{LinkedContext, SpanFlags, SpanKind, StatusCode, Value};
use spanwise_worker::clock;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::SystemTime;

use crate::core::Core;

/// A span of a [`Tracer`](crate::Tracer).
///
/// Use it through [`opentelemetry::trace::Span`], or by the methods here, which take borrowed
/// keys and values and allocate nothing once the process is warm. Dropping it ends it.
///
/// # Cost
/// One word to move. Attributes are written to their final bytes as they are set.
pub struct Span {
    /// Given back to the cache by `drop`, and by nothing else.
    record: ManuallyDrop<Box<Record>>,
}

/// What a recording span starts with.
pub(crate) struct Beginning<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: SpanKind,
    pub(crate) scope: u32,
    pub(crate) context: Identity,
    pub(crate) parent_span_id: u64,
    pub(crate) parent_is_remote: bool,
    pub(crate) start: Option<SystemTime>,
}

/// A span context that is not one yet: put together where it stays.
pub(crate) struct Identity {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    pub(crate) flags: TraceFlags,
}

impl Span {
    /// Sets an attribute; a key set before gets the new value.
    ///
    /// `value` is a string, a number, a boolean, a list of these, what points to one of them, or a
    /// [`Value`]. `None` sets nothing, and leaves what is there. An integer beyond 64 bits with sign,
    /// which is all that OTLP has, is written as a string of its decimal digits (specification,
    /// *Mapping Arbitrary Data to OTLP AnyValue*).
    ///
    /// The API's method is `set_attribute`.
    #[inline(always)]
    pub fn attribute(&mut self, key: &str, value: impl EncodeValue) -> &mut Self {
        self.record.attribute(key, &value);
        self
    }

    /// Adds an event, now. Its attributes' values are made with `into()` from what
    /// [`attribute`](Self::attribute) takes.
    ///
    /// The API's method is `add_event`.
    #[inline]
    pub fn event(&mut self, name: &str, attributes: &[(&str, Value<'_>)]) -> &mut Self {
        let clock_start = self.record.clock_start;
        self.record.write(|writer, core| {
            let now = clock::end(clock_start);
            writer.event(&core.limits, now, name, attributes.iter().map(|(k, v)| (*k, v)));
        });
        self
    }

    /// Links to another span. The API's method is `add_link`.
    pub fn link(&mut self, to: &SpanContext, attributes: &[(&str, Value<'_>)]) -> &mut Self {
        self.put_link(to, attributes.iter().map(|(k, v)| (*k, v)));
        self
    }

    /// Says that the operation succeeded. Final: later errors are ignored.
    pub fn ok(&mut self) -> &mut Self {
        self.record.write(|writer, core| writer.status(&core.limits, StatusCode::Ok, ""));
        self
    }

    /// Says that the operation failed, and how.
    pub fn error(&mut self, description: &str) -> &mut Self {
        self.record
            .write(|writer, core| writer.status(&core.limits, StatusCode::Error, description));
        self
    }

    /// Replaces the name.
    pub fn rename(&mut self, name: &str) -> &mut Self {
        self.record.write(|writer, _| writer.rename(name));
        self
    }

    /// The span's identity, to start children with and to propagate. Stays readable after the end.
    #[inline]
    pub fn context(&self) -> &SpanContext {
        &self.record.context
    }

    /// Whether what is set is kept: sampled, and not ended.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.record.state == State::Recording
    }

    /// Ends the span now.
    #[inline]
    pub fn finish(self) {
        let mut record = self.into_record();
        record.end_now();
        record.rest();
    }

    /// A span that records.
    #[inline(always)]
    pub(crate) fn recording(core: &Arc<Core>, beginning: Beginning<'_>) -> Self {
        let mut span = Self::off(beginning.context);
        let record = &mut **span.record;
        if !record.core.as_ref().is_some_and(|known| Arc::ptr_eq(known, core)) {
            change_core(&mut record.core, core);
        }
        record.state = State::Recording;
        record.kind = beginning.kind;
        record.scope = beginning.scope;
        record.parent_span_id = beginning.parent_span_id;
        record.remote_flags = SpanFlags::remote(beginning.parent_is_remote);
        record.writer.begin(beginning.name);
        // Read last: what came before is not the user's time.
        (record.clock_start, record.start_unix_nanos) = match beginning.start {
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

    /// A span that only carries a context.
    #[inline(always)]
    pub(crate) fn off(Identity { trace_id, span_id, flags }: Identity) -> Self {
        let mut record = cache::take();
        let (trace_id, span_id) = (trace_id.into(), span_id.into());
        let context = SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE);
        record.context = ManuallyDrop::new(context);
        record.state = State::Off;
        Self { record: ManuallyDrop::new(record) }
    }

    /// A span that passes on somebody's context.
    #[cold]
    pub(crate) fn carrying(context: SpanContext) -> Self {
        let none = Identity { trace_id: 0, span_id: 0, flags: TraceFlags::NOT_SAMPLED };
        Self::off(none).with_context(context)
    }

    /// The same span with a trace state.
    #[cold]
    pub(crate) fn with_trace_state(self, trace_state: TraceState) -> Self {
        let context = self.context();
        let (trace_id, span_id) = (context.trace_id(), context.span_id());
        let context =
            SpanContext::new(trace_id, span_id, context.trace_flags(), false, trace_state);
        self.with_context(context)
    }

    #[inline(always)]
    fn into_record(self) -> Box<Record> {
        let mut span = ManuallyDrop::new(self);
        // SAFETY: `record` is not used after this: `span` is forgotten, and so not dropped.
        unsafe { ManuallyDrop::take(&mut span.record) }
    }

    fn with_context(mut self, context: SpanContext) -> Self {
        self.record.has_trace_state = *context.trace_state() != TraceState::NONE;
        self.record.context = ManuallyDrop::new(context);
        self
    }

    fn put_link<'k, V: EncodeValue>(
        &mut self,
        to: &SpanContext,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        self.record.write(|writer, core| {
            writer.link(&core.limits, &LinkedContext::from(to), attributes);
        });
    }
}

impl Drop for Span {
    #[inline(always)]
    fn drop(&mut self) {
        if self.record.state == State::Recording {
            self.record.end_now();
        }
        // SAFETY: `record` is not used after this: we are in `drop`, and it is taken only here.
        let record = unsafe { ManuallyDrop::take(&mut self.record) };
        record.rest();
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("context", &self.record.context)
            .field("state", &self.record.state)
            .finish_non_exhaustive()
    }
}

/// A record that served another provider before, or none.
#[cold]
fn change_core(old: &mut Option<Arc<Core>>, new: &Arc<Core>) {
    *old = Some(new.clone());
}

const _: () = assert!(size_of::<Span>() == size_of::<usize>());
const _: () = assert!(size_of::<Option<Span>>() == size_of::<usize>());
