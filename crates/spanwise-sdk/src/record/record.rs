//! [`Record`]: the pooled memory behind one span.

use super::record_context::RecordContext;
use crate::core::Core;
use crate::end::SpanEnd;
use crate::redaction::RedactionBuffers;
use opentelemetry::trace::TraceState;
use spanwise_ledger::{Counter, DropReason};
use spanwise_metrics::SeriesId;
use spanwise_pool::Reset;
use spanwise_sampling::{Annotations, Threshold};
use spanwise_wire::write::{EncodeValue, SpanHeader, SpanWriter};
use spanwise_wire::{SpanFlags, SpanId, SpanKind};
use spanwise_worker::clock;
use std::sync::Arc;

/// The fields of a span. [`Span`](super::Span) is the pointer to them.
///
/// A [`Span`](super::Span) is one word, because the API moves spans by value through closures. So the
/// record has the span context too, also that of a non-recording span.
pub(crate) struct Record {
    pub(super) context: RecordContext,
    pub(super) state: State,
    pub(super) kind: SpanKind,
    /// The W3C trace flags, and OTLP's "parent is remote" bits.
    pub(super) flags: SpanFlags,
    pub(super) scope: u32,
    pub(super) parent_span_id: SpanId,
    pub(super) start_unix_nanos: u64,
    /// The reading of the span clock at the start, also if the caller passes a start time. The end and the
    /// events are measured from it, so that a step of the system clock does not affect them.
    pub(super) clock_start: clock::Start,
    pub(super) writer: SpanWriter,
    /// The processors have seen the start. True only between the start and the end of such a span, so
    /// that no other start has to write it.
    pub(super) is_observed: bool,
    /// Whether metrics count the recording span. As `is_observed`, it is set between the start and the end alone.
    pub(super) measured: Measured,
    /// The series of a span in the state `Measured`; otherwise that of the record's last span that metrics counted.
    pub(super) series: SeriesId,
    /// For a provider with redaction.
    pub(super) redaction: RedactionBuffers,
    /// The provider of the span. A cached record retains it: the next span is nearly
    /// always of the same provider, and an `Arc` that is not cloned costs nothing.
    pub(super) core: Option<Arc<Core>>,
}

/// The first bit is set until the end has had its effect, and the second if the span records nothing: one instruction tests each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum State {
    /// The span has ended; its context is still readable.
    Ended = 0,
    /// The start counted the span as created, or metrics alone record it; the end counts its outcome.
    Recording = 1,
    /// Sampled out, suppressed, disabled or not exported: the span has a context and records nothing.
    NonRecording = 2,
    /// Non-recording, and metrics count its duration.
    Measured = 3,
}

/// Whether metrics count a recording span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Measured {
    No,
    /// Beside its processors and its export.
    Yes,
    /// Metrics alone record it (specification, *RECORD_ONLY*).
    Alone,
}

impl State {
    /// Whether the end of the span has an effect.
    #[inline(always)]
    pub(super) fn is_open(self) -> bool {
        self as u8 & 1 != 0
    }

    /// Whether the span ignores what it is given.
    #[inline(always)]
    fn is_non_recording(self) -> bool {
        self as u8 & 2 != 0
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            context: RecordContext::default(),
            state: State::NonRecording,
            kind: SpanKind::Internal,
            flags: SpanFlags::default(),
            scope: 0,
            parent_span_id: SpanId(0),
            start_unix_nanos: 0,
            clock_start: clock::Start { ticks: 0, unix_nanos: 0 },
            writer: SpanWriter::new(),
            is_observed: false,
            measured: Measured::No,
            series: SeriesId::default(),
            redaction: RedactionBuffers::default(),
            core: None,
        }
    }
}

impl Record {
    /// Returns the core if the span is recording. Counts a use after the end.
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
        match value.as_value() {
            // The writer is closed unless the span is recording, so the usual attribute needs no check.
            Some(value) if self.writer.try_attribute(key, value) => {}
            _ if self.state.is_non_recording() => {}
            Some(value) => self.attribute_slow(key, &value),
            None => self.attribute_slow(key, value),
        }
    }

    #[cold]
    #[inline(never)]
    fn attribute_slow<V: EncodeValue + ?Sized>(&mut self, key: &str, value: &V) {
        self.write(|writer, core| writer.attribute(&core.limits.of_attributes(), key, value));
    }

    /// Makes the end of the span [slow](Self::end_slow), where processors see it.
    #[cold]
    pub(super) fn observe(&mut self) {
        self.is_observed = true;
        self.writer.mark_not_plain();
    }

    /// Makes the end of a recording span [slow](Self::end_slow), where rules change it.
    #[cold]
    pub(super) fn redact(&mut self) {
        if self.state == State::Recording {
            self.writer.mark_not_plain();
        }
    }

    /// Gives the span the trace state of a threshold.
    #[inline(always)]
    pub(super) fn set_threshold(&mut self, threshold: Threshold) {
        let field = self.context.set_threshold(threshold);
        self.writer.trace_state_field(field);
    }

    /// Gives the span a trace state.
    #[cold]
    #[inline(never)]
    pub(super) fn set_trace_state(&mut self, trace_state: &mut TraceState) {
        self.context.set_trace_state(std::mem::take(trace_state));
        self.writer.trace_state(&self.context.header());
    }

    /// Writes the attributes that the sampler adds.
    #[cold]
    pub(super) fn write_annotations(&mut self, annotations: &Annotations<'_>) {
        for (key, value) in annotations.attributes() {
            self.attribute(key, &value);
        }
    }

    /// Runs `write` on the unfinished span, if there is one.
    #[inline(always)]
    pub(super) fn write(&mut self, write: impl FnOnce(&mut SpanWriter, &Core)) {
        if let Some((writer, core)) = self.recording() {
            write(writer, core);
        }
    }

    /// Ends the span now, by the span clock.
    #[inline(always)]
    pub(super) fn end_now(&mut self) {
        match self.state {
            State::Recording | State::Measured => self.end_recording(),
            State::Ended => self.end_again(),
            State::NonRecording => {}
        }
    }

    /// Not inlined: all callers that end spans share one copy of the code.
    #[inline(never)]
    fn end_recording(&mut self) {
        self.end_at(clock::end(self.clock_start));
    }

    /// Ends the span. An end before the start becomes the start.
    #[inline(always)]
    pub(super) fn end_at(&mut self, end_unix_nanos: u64) {
        if self.state != State::Recording {
            return self.end_not_recording(end_unix_nanos);
        }
        self.state = State::Ended;
        self.writer.close_attributes();
        if let Some(core) = &self.core
            && self.span_end(end_unix_nanos).try_finish(core, &self.writer)
        {
            return;
        }
        self.end_slow(end_unix_nanos);
    }

    /// Counts the recording span as dropped, unless processors or metrics see its end.
    pub(super) fn drop_untracked(&mut self) {
        let is_seen = self.is_observed || self.measured != Measured::No;
        if let (State::Recording, false, Some(core)) = (self.state, is_seen, &self.core) {
            self.state = State::NonRecording;
            self.writer.close_attributes();
            core.ledger.dropped(DropReason::TooManyOpenSpans, 1);
        }
    }

    /// Ends a span with a status, dropped counts or processors, or whose thread's slot is in use or full.
    #[cold]
    #[inline(never)]
    fn end_slow(&mut self, end_unix_nanos: u64) {
        if self.measured != Measured::No {
            return self.end_measured(end_unix_nanos);
        }
        let end = self.span_end(end_unix_nanos);
        let is_observed = std::mem::take(&mut self.is_observed);
        // A recording span has a core.
        if let Some(core) = &self.core {
            end.check_order(core);
            end.finish(core, (&mut self.writer, &mut self.redaction), is_observed);
        }
    }

    #[inline(always)]
    pub(super) fn span_end(&self, end_unix_nanos: u64) -> SpanEnd {
        let context = self.context.get();
        let header = SpanHeader {
            trace_id: context.trace_id().into(),
            span_id: context.span_id().into(),
            parent_span_id: self.parent_span_id,
            kind: self.kind,
            start_unix_nanos: self.start_unix_nanos,
            end_unix_nanos,
            flags: self.flags,
        };
        SpanEnd { header, scope: self.scope }
    }

    #[cold]
    #[inline(never)]
    fn write_after_end(&self) {
        if let Some(core) = &self.core {
            core.ledger.count(Counter::UseAfterEnd, 1);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn end_again(&self) {
        if let (State::Ended, Some(core)) = (self.state, &self.core) {
            core.ledger.count(Counter::DoubleEnd, 1);
        }
    }
}

impl Reset for Record {
    /// Prepares the record for its next span. Returns false for a record that grew large, which is freed.
    #[inline(always)]
    fn reset(&mut self) -> bool {
        // `begin` clears the writer; a non-recording span uses its context alone.
        self.context.reset();
        self.writer.capacity() <= RETAINED_BYTES
    }
}

/// Memory that a cached record may hold.
const RETAINED_BYTES: usize = 8 * 1024;
