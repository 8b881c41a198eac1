//! The end of a pooled span: the tracer writes its collected data and exports it.

use super::span_end::SpanEnd;
use crate::core::{Core, Phase};
use crate::redaction::{RedactionBuffers, SpanRedaction};
use crate::span_metrics::SpanMetricsRecorder;
use crate::start::is_suppressed;
use spanwise_ledger::{Counter, ParentOrigin};
use spanwise_metrics::{ObservedSpan, SeriesRecorder};
use spanwise_pool::{Pool, PooledSpan, Reset};
use spanwise_wire::write::{DroppedCounts, SpanHeader, SpanWriter};
use spanwise_wire::{Attribute, OwnedValue, SpanFlags, SpanLimits, StatusCode};
use spanwise_worker::clock;
use std::fmt;
use std::sync::LazyLock;

/// The outcome of [`Tracer::finish_pooled`](crate::Tracer::finish_pooled).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Finished {
    /// The export queue accepted the span, or dropped and counted it.
    Recorded,
    /// The export queue refused the span at its start, and the ledger counts it as dropped.
    Refused,
    /// The span is not sampled, and the ledger counts it as sampled out.
    SampledOut,
    /// The SDK is disabled or exports nothing, or was shut down before the span started.
    Disabled,
}

/// The error of a pooled span without an id, which the tracer neither records nor counts.
///
/// `Debug` reads as `Display`, for a `main` that returns it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// The trace id is invalid.
    #[error("trace id is all zero; start the span with Tracer::start_pooled, or set one")]
    NoTraceId,
    /// The span id is invalid.
    #[error("span id is all zero; start the span with Tracer::start_pooled, or set one")]
    NoSpanId,
}

impl fmt::Debug for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Records `span` in the scope `scope`, and counts it; see [`Tracer::finish_pooled`](crate::Tracer::finish_pooled).
pub(crate) fn finish_pooled(
    core: &Core,
    scope: u32,
    span: &PooledSpan,
) -> Result<Finished, FinishError> {
    let metrics = core.span_metrics.as_ref();
    let Some(metrics) = metrics.filter(|_| core.generates_ids() && !is_suppressed()) else {
        return finish(core, scope, span, || end_time(span));
    };
    let end_unix_nanos = end_time(span);
    let finished = finish(core, scope, span, || end_unix_nanos)?;
    if span.trace_id.is_valid() && span.span_id.is_valid() {
        let series = match &core.redaction {
            None => metrics.series_of_pooled(span),
            Some(redaction) => series_of_redacted(core, (redaction, metrics), span),
        };
        let nanos = end_unix_nanos.saturating_sub(span.start_unix_nanos);
        let is_exported = finished == Finished::Recorded && span.trace_flags.is_sampled();
        if is_exported && !core.records_all && !core.queue.is_refusing() {
            let (trace_id, span_id) = (span.trace_id, span.span_id);
            let time_unix_nanos = end_unix_nanos;
            series.record_with_span(nanos, ObservedSpan { trace_id, span_id, time_unix_nanos });
        } else {
            series.record(nanos);
        }
    }
    Ok(finished)
}

fn finish(
    core: &Core,
    scope: u32,
    span: &PooledSpan,
    end_time: impl FnOnce() -> u64,
) -> Result<Finished, FinishError> {
    let header = SpanHeader {
        trace_id: span.trace_id,
        span_id: span.span_id,
        parent_span_id: span.parent_span_id,
        kind: span.kind,
        start_unix_nanos: span.start_unix_nanos,
        end_unix_nanos: 0,
        flags: SpanFlags::new(span.trace_flags, span.parent_is_remote),
    };
    if !core.is_running() {
        let phase = core.phase();
        if matches!(phase, Phase::Disabled | Phase::NotExporting) || !header.trace_id.is_valid() {
            return Ok(Finished::Disabled);
        }
    }
    if !header.trace_id.is_valid() {
        return Err(FinishError::NoTraceId);
    }
    if !header.span_id.is_valid() {
        return Err(FinishError::NoSpanId);
    }
    let is_local = span.is_recorded && core.records_all;
    let has_parent = header.parent_span_id.is_valid();
    let origin = ParentOrigin::new(has_parent, span.parent_is_remote);
    if !span.trace_flags.is_sampled() && !is_local {
        if span.is_refused {
            core.queue.count_refused_from(origin);
            return Ok(Finished::Refused);
        }
        core.ledger.sampled_out_from(origin);
        return Ok(Finished::SampledOut);
    }
    match span.trace_flags.is_sampled() {
        true => core.ledger.started_from(origin),
        false => core.ledger.started_record_only(origin),
    }
    let end = SpanEnd { header: SpanHeader { end_unix_nanos: end_time(), ..header }, scope };
    if end.starts_after_by() > 0 {
        core.ledger.count(Counter::EndBeforeStart, 1);
    }
    let mut acquired = WRITERS.acquire(Writer::default);
    let Writer { span: writer, redaction } = &mut *acquired;
    write(writer, &core.limits.load(), span);
    end.finish(core, (writer, redaction), core.observes_now());
    Ok(Finished::Recorded)
}

/// The series of a span after redaction. The rules count its values a second time if it is recorded too.
fn series_of_redacted<'m>(
    core: &Core,
    (redaction, metrics): (&SpanRedaction, &'m SpanMetricsRecorder),
    span: &PooledSpan,
) -> SeriesRecorder<'m> {
    let mut acquired = WRITERS.acquire(Writer::default);
    let Writer { span: writer, redaction: buffers } = &mut *acquired;
    write(writer, &core.limits.load(), span);
    let header = SpanHeader::default();
    redaction.redact(writer.finish(&header), usize::MAX, buffers, |redacted, _| {
        metrics.series_of_view(span.kind, span.status, redacted)
    })
}

/// The end time of the span; the span clock's time if it has none.
fn end_time(span: &PooledSpan) -> u64 {
    let [ticks, unix_nanos] = span.clock_start;
    match span.end_unix_nanos {
        0 => clock::end(clock::Start { ticks, unix_nanos }),
        end => end,
    }
}

/// Writes the trace state, attributes, events, links and the status.
fn write(writer: &mut SpanWriter, limits: &SpanLimits, span: &PooledSpan) {
    writer.begin(limits, &span.name);
    writer.trace_state(&span.trace_state);
    for Attribute { key, value } in &span.attributes {
        writer.attribute(limits, key, value);
    }
    for event in span.events() {
        writer.event(limits, event.unix_nanos, event.name, pairs(event.attributes));
    }
    for link in span.links() {
        writer.link(limits, link.to, pairs(link.attributes));
    }
    match span.status {
        StatusCode::Unset => {}
        StatusCode::Ok => writer.status(limits, StatusCode::Ok, ""),
        StatusCode::Error => writer.status(limits, StatusCode::Error, &span.status_message),
    }
    writer.add_dropped_counts(&DroppedCounts {
        attributes: span.dropped_attributes,
        events: span.dropped_events,
        links: span.dropped_links,
        truncated_values: 0,
    });
}

fn pairs(attributes: &[Attribute]) -> impl Iterator<Item = (&str, &OwnedValue)> {
    attributes.iter().map(|Attribute { key, value }| (key.as_str(), value))
}

/// A pooled span writer.
#[derive(Default)]
struct Writer {
    span: SpanWriter,
    redaction: RedactionBuffers,
}

impl Reset for Writer {
    /// `begin` clears the writer, so this only checks its capacity.
    fn reset(&mut self) -> bool {
        self.span.capacity() <= RETAINED_BYTES
    }
}

/// A thread holds a writer only while it writes a span.
static WRITERS: LazyLock<Pool<Writer>> = LazyLock::new(|| Pool::new(64));

/// Capacity in bytes that a cached writer may retain.
const RETAINED_BYTES: usize = 8 * 1024;
