//! A span that a second decision changes, before its context was used.

use super::record::{Measured, State};
use super::span::Span;
use super::span_start::{SpanStart, SpanTraceState};
use crate::core::Core;
use spanwise_wire::{SpanFlags, SpanKind};
use std::mem;

impl Span {
    /// The kind so far; that of a non-recording span is unknown.
    pub(crate) fn kind(&self) -> SpanKind {
        match self.record.state {
            State::Recording => self.record.kind,
            _ => SpanKind::Internal,
        }
    }

    /// Whether only metrics record the span.
    pub(crate) fn is_recorded_for_metrics_alone(&self) -> bool {
        self.is_recording() && self.record.measured == Measured::Alone
    }

    /// Gives a recording span the trace id, flags, trace state and parent of another start. Its span id and all that was recorded stay.
    pub(crate) fn restart(&mut self, start: SpanStart<'_>) {
        let record = &mut **self.record;
        let mut ids = start.ids;
        ids.span_id = record.context.get().span_id().into();
        record.context.reset();
        record.context.start(ids, start.flags);
        record.parent_span_id = ids.parent_span_id;
        record.flags = SpanFlags::new(start.flags.into(), start.parent_is_remote);
        match start.trace_state {
            SpanTraceState::None => {}
            SpanTraceState::Threshold(threshold) => {
                let _encoded = record.context.set_threshold(threshold);
            }
            SpanTraceState::Other(trace_state) => {
                record.context.set_trace_state(mem::take(trace_state));
            }
        }
        record.writer.replace_trace_state(&record.context.header());
        if let Some(annotations) = start.annotations {
            record.write_annotations(annotations);
        }
    }

    /// Makes metrics that record the span alone count it beside its export.
    pub(crate) fn export_too(&mut self) {
        self.record.measured = Measured::Yes;
    }

    /// Ends the recording of a span that has its outcome. Metrics still count it.
    pub(crate) fn stop_recording(&mut self, core: &Core) {
        let record = &mut **self.record;
        let metrics = core.span_metrics.as_deref().filter(|_| record.measured != Measured::No);
        match metrics {
            Some(metrics) if metrics.records() => record.measured = Measured::Alone,
            Some(metrics) => {
                let name = String::from_utf8_lossy(record.writer.name()).into_owned();
                record.series = record.series_by_name(core, metrics, &name, record.kind);
                record.measured = Measured::No;
                record.state = State::Measured;
                record.writer.close_attributes();
            }
            None => {
                record.state = State::NonRecording;
                record.writer.close_attributes();
            }
        }
    }

    /// Gives a non-recording span the context of another one.
    pub(crate) fn take_context(&mut self, mut other: Self) {
        mem::swap(&mut self.record.context, &mut other.record.context);
    }

    /// Makes the end of a non-recording span count nothing.
    pub(crate) fn discard(&mut self) {
        if self.record.state == State::Measured {
            self.record.state = State::NonRecording;
        }
    }

    /// Counts attributes that were not recorded, before the span was.
    pub(crate) fn add_dropped_attributes(&mut self, count: u32) {
        self.record.write(|writer, _| {
            writer.add_dropped_counts(&spanwise_wire::write::DroppedCounts {
                attributes: count,
                events: 0,
                links: 0,
                truncated_values: 0,
            });
        });
    }
}
