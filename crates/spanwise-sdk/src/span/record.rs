//! The pooled memory behind one span.

use crate::core::Core;
use crate::span::cache;
use opentelemetry::trace::SpanContext;
use spanwise_ledger::Counter;
use spanwise_pool::Reset;
use spanwise_wire::write::{EncodeValue, SpanHeader, SpanWriter};
use spanwise_wire::{SpanFlags, SpanId, SpanKind, SpanMeta};
use spanwise_worker::clock;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// All of a span but the pointer to it.
///
/// The span a user holds is one word, because the API moves spans by value through closures; the
/// context lives in here too, also for a span that records nothing.
pub(crate) struct Record {
    /// Overwritten without a drop, so that the new one is built in its place instead of copied
    /// there; what it may own is given back by [`rest`](Self::rest).
    pub(super) context: ManuallyDrop<SpanContext>,
    /// Whether `context` has a trace state, and so owns memory.
    pub(super) has_trace_state: bool,
    pub(super) state: State,
    pub(super) kind: SpanKind,
    /// OTLP's "parent is remote" bits.
    pub(super) remote_flags: SpanFlags,
    pub(super) scope: u32,
    pub(super) parent_span_id: u64,
    pub(super) start_unix_nanos: u64,
    /// What its end and its events are timed by, so that no step of the system clock is among them.
    /// Begins when the span was made, also where the start was given by the caller.
    pub(super) clock_start: clock::Start,
    pub(super) writer: SpanWriter,
    /// Scratch for the trace state header.
    trace_state: String,
    /// Where the span goes when it ends. Kept while the record rests: the next span is nearly
    /// always of the same provider, and an `Arc` that is not cloned costs nothing.
    pub(super) core: Option<Arc<Core>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum State {
    /// Sampled out, suppressed, disabled or not exported: carries a context, records nothing.
    Off,
    /// Owes the ledger an outcome.
    Recording,
    /// Ended; its context can still be read.
    Ended,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            context: ManuallyDrop::new(SpanContext::NONE),
            has_trace_state: false,
            state: State::Off,
            kind: SpanKind::Internal,
            remote_flags: SpanFlags::default(),
            scope: 0,
            parent_span_id: 0,
            start_unix_nanos: 0,
            clock_start: clock::Start { ticks: 0, unix_nanos: 0 },
            writer: SpanWriter::new(),
            trace_state: String::new(),
            core: None,
        }
    }
}

impl Record {
    /// The core, if the span records. Counts a use after the end.
    #[inline(always)]
    fn recording(&mut self) -> Option<(&mut SpanWriter, &Core)> {
        if self.state == State::Recording
            && let Some(core) = &self.core
        {
            return Some((&mut self.writer, core));
        }
        if self.state == State::Ended {
            self.write_after_end();
        }
        None
    }

    #[inline(always)]
    pub(super) fn attribute<V: EncodeValue + ?Sized>(&mut self, key: &str, value: &V) {
        if let Some((writer, core)) = self.recording() {
            writer.attribute(&core.limits, key, value);
        }
    }

    /// Runs `write` on the unfinished span, if there is one.
    #[inline(always)]
    pub(super) fn write(&mut self, write: impl FnOnce(&mut SpanWriter, &Core)) {
        if let Some((writer, core)) = self.recording() {
            write(writer, core);
        }
    }

    /// Ends the span at what the clock says.
    #[inline(always)]
    pub(super) fn end_now(&mut self) {
        match self.state {
            State::Recording => self.end_recording(),
            State::Ended => self.end_again(),
            State::Off => {}
        }
    }

    /// One piece of code for all who end spans.
    #[inline(never)]
    fn end_recording(&mut self) {
        self.end_at(clock::end(self.clock_start));
    }

    /// Ends the span. An end before the start becomes the start.
    #[inline(always)]
    pub(super) fn end_at(&mut self, end_unix_nanos: u64) {
        if self.state != State::Recording {
            return self.end_again();
        }
        self.state = State::Ended;
        let header = self.header(end_unix_nanos, "");
        if end_unix_nanos >= self.start_unix_nanos
            && !self.has_trace_state
            && let Some(core) = &self.core
            && let Some(span) = self.writer.finish_plain(&header)
            && core.queue.try_push_local(&span, || self.meta(&header))
        {
            return;
        }
        self.end_otherwise(end_unix_nanos);
    }

    /// There is more to it than storing the span, or it has to go elsewhere.
    #[cold]
    #[inline(never)]
    fn end_otherwise(&mut self, end_unix_nanos: u64) {
        let start = self.start_unix_nanos;
        let mut trace_state = std::mem::take(&mut self.trace_state);
        put_trace_state(&self.context, &mut trace_state);
        let header = self.header(end_unix_nanos.max(start), &trace_state);
        let meta = self.meta(&header);
        // It has one: it records.
        if let Some(core) = &self.core {
            if end_unix_nanos < start {
                end_before_start(core, start - end_unix_nanos);
            }
            if !self.writer.is_plain() {
                core.note_losses(&self.writer.losses());
            }
            core.store(&self.writer.finish(&header), meta);
        }
        self.trace_state = trace_state;
    }

    #[inline(always)]
    fn header<'a>(&self, end_unix_nanos: u64, trace_state: &'a str) -> SpanHeader<'a> {
        SpanHeader {
            trace_id: self.context.trace_id().into(),
            span_id: self.context.span_id().into(),
            parent_span_id: SpanId(self.parent_span_id),
            kind: self.kind,
            start_unix_nanos: self.start_unix_nanos,
            end_unix_nanos,
            flags: self.remote_flags.with_trace_flags(self.context.trace_flags().into()),
            trace_state,
        }
    }

    #[inline(always)]
    fn meta(&self, header: &SpanHeader<'_>) -> SpanMeta {
        SpanMeta::of(header, self.scope, self.writer.status_code())
    }

    #[cold]
    #[inline(never)]
    fn write_after_end(&self) {
        if let Some(core) = &self.core {
            core.ledger.count(Counter::UseAfterEnd, 1);
        }
    }

    #[cold]
    fn forget_context(&mut self) {
        self.has_trace_state = false;
        let none = ManuallyDrop::new(SpanContext::NONE);
        drop(ManuallyDrop::into_inner(std::mem::replace(&mut self.context, none)));
    }

    #[cold]
    #[inline(never)]
    fn end_again(&self) {
        if let (State::Ended, Some(core)) = (self.state, &self.core) {
            core.ledger.count(Counter::DoubleEnd, 1);
        }
    }

    /// Back to rest. A record that grew large for one span is let go instead.
    #[inline(always)]
    pub(super) fn rest(mut self: Box<Self>) {
        if self.has_trace_state {
            self.forget_context();
        }
        if self.reset() {
            cache::put(self);
        }
    }
}

impl Reset for Record {
    /// Nothing to clear: `begin` does, and a span that is off shows nothing but its context.
    #[inline(always)]
    fn reset(&mut self) -> bool {
        self.writer.capacity() <= KEEP_BYTES
    }
}

fn put_trace_state(context: &SpanContext, out: &mut String) {
    out.clear();
    for (key, value) in context.trace_state() {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(key);
        out.push('=');
        out.push_str(value);
    }
}

#[cold]
fn end_before_start(core: &Core, by_nanos: u64) {
    // The API's boxed spans end at the system clock's time, a hair beside ours.
    if by_nanos > CLOCK_TOLERANCE_NANOS {
        core.ledger.count(Counter::EndBeforeStart, 1);
    }
}

/// Memory a resting record may hold.
const KEEP_BYTES: usize = 8 * 1024;
/// How far the system clock may lag behind the span clock without being called wrong.
const CLOCK_TOLERANCE_NANOS: u64 = 100_000;
