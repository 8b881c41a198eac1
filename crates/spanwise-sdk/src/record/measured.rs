//! The start and the end of a span that metrics count.

use super::record::{Measured, Record, State};
use super::span::{Span, change_core};
use crate::core::Core;
use crate::end::SpanEnd;
use crate::redaction::{RedactionBuffers, SpanRedaction};
use crate::span_metrics::{SpanMetricsRecorder, observed};
use spanwise_metrics::SeriesId;
use spanwise_wire::write::SpanWriter;
use spanwise_wire::{SpanFlags, SpanId, SpanKind};
use spanwise_worker::clock;
use std::sync::Arc;
use std::time::SystemTime;

/// The parameters of a span's start that metrics need.
#[derive(Clone, Copy)]
pub(crate) struct MeasuredStart<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: SpanKind,
    /// Index of the instrumentation scope.
    pub(crate) scope: u32,
    /// The start time; `None` is now.
    pub(crate) start_time: Option<SystemTime>,
}

impl Span {
    /// Makes metrics count the span, which has just started, at its end.
    #[inline]
    pub(crate) fn measure(
        &mut self,
        core: &Arc<Core>,
        metrics: &SpanMetricsRecorder,
        start: MeasuredStart<'_>,
    ) {
        let record = &mut **self.record;
        if record.state == State::Recording {
            record.measured = Measured::Yes;
            record.writer.mark_not_plain();
            return;
        }
        if !record.core.as_ref().is_some_and(|known| Arc::ptr_eq(known, core)) {
            change_core(&mut record.core, core);
        }
        if metrics.records() {
            record.record_alone(core, &start);
        } else {
            record.state = State::Measured;
            record.series = record.series_by_name(core, metrics, start.name, start.kind);
            record.kind = start.kind;
        }
        // The clock is read last, so that the work above does not count as the user's.
        (record.clock_start, record.start_unix_nanos) = match start.start_time {
            None => {
                let start = clock::start();
                (start, start.unix_nanos)
            }
            Some(time) => {
                let start = clock::to_unix_nanos(time);
                (clock::start_at(start), start)
            }
        };
    }
}

impl Record {
    /// Records a span for metrics alone.
    fn record_alone(&mut self, core: &Core, start: &MeasuredStart<'_>) {
        self.state = State::Recording;
        self.measured = Measured::Alone;
        self.kind = start.kind;
        self.scope = start.scope;
        // Neither the parent nor the flags of the parent count.
        self.parent_span_id = SpanId(0);
        self.flags = SpanFlags::new(self.context.get().trace_flags().into(), false);
        self.writer.begin(&core.limits.of_attributes(), start.name);
        self.writer.mark_not_plain();
    }

    /// Ends a recording span that metrics count.
    pub(super) fn end_measured(&mut self, end_unix_nanos: u64) {
        let measured = std::mem::replace(&mut self.measured, Measured::No);
        let is_observed = std::mem::take(&mut self.is_observed);
        let end = self.span_end(end_unix_nanos);
        // A recording span has a core.
        let Some(core) = &self.core else { return };
        let Some(metrics) = &core.span_metrics else { return };
        if let Some(redaction) = &core.redaction {
            let observed = (measured, is_observed);
            let parts = (&mut self.writer, &mut self.redaction);
            self.series = end_redacted(end, (core, redaction, metrics), parts, observed);
            return;
        }
        let series = metrics.series_of(self.kind, &self.writer, self.series);
        self.series = series.id();
        let (nanos, span) = (end.nanos(), observed(&end.header));
        let mut is_exported = false;
        if measured == Measured::Yes {
            end.check_order(core);
            is_exported = end.finish_measured(core, &mut self.writer, is_observed);
        }
        // The outcome of a trace of tail sampling is not known.
        match is_exported && !core.records_all {
            true => series.record_with_span(nanos, span),
            false => series.record(nanos),
        }
    }

    /// Ends a span that is not recording: one that metrics count, or one that has ended.
    #[cold]
    #[inline(never)]
    pub(super) fn end_not_recording(&mut self, end_unix_nanos: u64) {
        if self.state != State::Measured {
            return self.end_again();
        }
        self.state = State::NonRecording;
        if let Some(metrics) = self.core.as_ref().and_then(|core| core.span_metrics.as_ref()) {
            metrics.record(self.series, end_unix_nanos.saturating_sub(self.start_unix_nanos));
        }
    }

    /// Counts a non-recording span by another name.
    pub(super) fn rename_measured(&mut self, name: &str) {
        if self.state == State::Measured
            && let Some(core) = self.core.take()
        {
            if let Some(metrics) = &core.span_metrics {
                self.series = self.series_by_name(&core, metrics, name, self.kind);
            }
            self.core = Some(core);
        }
    }

    /// Counts a non-recording span by its kind, which has changed.
    pub(super) fn change_measured_kind(&mut self) {
        if self.state == State::Measured
            && let Some(metrics) = self.core.as_ref().and_then(|core| core.span_metrics.as_ref())
        {
            self.series = metrics.series_of_kind(self.series, self.kind);
        }
    }

    /// The series of a span by its redacted name and its kind alone.
    pub(super) fn series_by_name(
        &mut self,
        core: &Core,
        metrics: &SpanMetricsRecorder,
        name: &str,
        kind: SpanKind,
    ) -> SeriesId {
        match &core.redaction {
            None => metrics.series_by_name(name, kind, self.series),
            Some(redaction) => redaction.name(name, &mut self.redaction, |name| {
                metrics.series_by_name(name, kind, self.series)
            }),
        }
    }
}

/// Ends a span that metrics count after rules have changed it. Returns its series.
#[cold]
#[inline(never)]
fn end_redacted(
    end: SpanEnd,
    (core, redaction, metrics): (&Core, &SpanRedaction, &SpanMetricsRecorder),
    parts: (&mut SpanWriter, &mut RedactionBuffers),
    (measured, is_observed): (Measured, bool),
) -> SeriesId {
    if measured == Measured::Yes {
        end.check_order(core);
    }
    end.finish_redacted((core, redaction), parts, |redacted| {
        let end = redacted.end;
        let series = metrics.series_of_view(end.header.kind, redacted.meta.status, redacted.span);
        let is_exported = measured == Measured::Yes && {
            redacted.pass(core, is_observed);
            end.is_exported(core)
        };
        // The outcome of a trace of tail sampling is not known.
        match is_exported && !core.records_all {
            true => series.record_with_span(end.nanos(), observed(&end.header)),
            false => series.record(end.nanos()),
        }
        series.id()
    })
}
