//! The OTLP bytes of a [`SpanData`], written on the thread that ended the span.

use crate::scopes::ScopeCache;
use opentelemetry::trace::{SpanId, Status, TraceState};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use spanwise_export::SpanQueue;
use spanwise_ledger::{Counter, DropReason, ParentOrigin};
use spanwise_pool::{Pool, Reset};
use spanwise_sdk::__private::{Pipeline, RedactionBuffers};
use spanwise_wire::write::{DroppedCounts, EventHeader, SpanHeader, SpanWriter};
use spanwise_wire::{LinkedContext, SpanFlags, SpanLimits, SpanMeta, StatusCode};
use spanwise_worker::clock::to_unix_nanos;

/// Encodes spans of the stock SDK into the queue of a [`Pipeline`].
pub(crate) struct Encoder {
    /// A thread holds a writer only while it writes a span, so that a span that ends inside of an
    /// encoding gets a writer of its own.
    writers: Pool<Writer>,
}

/// A writer, and what the spans before it had in common with the next one.
#[derive(Default)]
struct Writer {
    span: SpanWriter,
    trace_state: String,
    scopes: ScopeCache,
    redaction: RedactionBuffers,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self { writers: Pool::new(WRITERS) }
    }

    /// Encodes `span` into the queue, or drops it; the ledger counts it in each case. Returns the bytes
    /// of the encoded span.
    ///
    /// # Cost
    /// One copy of the span's data, and one of the encoded span. No allocation after the first spans of
    /// a thread, and none that is freed on another thread.
    pub(crate) fn push(&self, pipeline: &Pipeline, span: &SpanData) -> usize {
        let (queue, context) = (pipeline.queue(), &span.span_context);
        let has_parent = span.parent_span_id != SpanId::INVALID;
        let origin = ParentOrigin::new(has_parent, span.parent_span_is_remote);
        if !context.is_sampled() && !pipeline.records_all() {
            queue.ledger().sampled_out_from(origin);
            return 0;
        }
        if !queue.is_accepting() {
            if !pipeline.is_disabled() {
                queue.count_refused_from(origin);
            }
            return 0;
        }
        match context.is_sampled() {
            true => queue.ledger().started_from(origin),
            false => queue.ledger().started_record_only(origin),
        }
        if !context.is_valid() {
            // A receiver may reject a request for one such span.
            queue.ledger().dropped(DropReason::InvalidId, 1);
            return 0;
        }
        let mut acquired = self.writers.acquire(Writer::default);
        let Writer { span: writer, trace_state, scopes, redaction } = &mut *acquired;
        let scope = scopes.index(&span.instrumentation_scope, pipeline);
        header_of(context.trace_state(), trace_state);
        write(writer, pipeline.limits(), span, trace_state);
        let header = header(span, queue);
        if !writer.is_plain() {
            queue.count_dropped(&writer.dropped_counts());
        }
        let meta = SpanMeta::of(&header, scope, writer.status_code());
        pipeline.redacted(writer.finish(&header), redaction, |finished| {
            if !queue.try_push_local(finished, || meta) {
                queue.push(finished, meta);
            }
            finished.encoded_len()
        })
    }
}

impl Reset for Writer {
    /// `begin` clears the writer, so this only checks the capacities.
    fn reset(&mut self) -> bool {
        self.span.capacity() <= RETAINED_BYTES && self.trace_state.capacity() <= RETAINED_BYTES
    }
}

/// The fields that the writer does not write. An end before the start becomes the start.
#[inline]
fn header(span: &SpanData, queue: &SpanQueue) -> SpanHeader {
    let context = &span.span_context;
    let start_unix_nanos = to_unix_nanos(span.start_time);
    let end_unix_nanos = to_unix_nanos(span.end_time);
    if end_unix_nanos < start_unix_nanos {
        queue.ledger().count(Counter::EndBeforeStart, 1);
    }
    SpanHeader {
        trace_id: context.trace_id().into(),
        span_id: context.span_id().into(),
        parent_span_id: span.parent_span_id.into(),
        kind: (&span.span_kind).into(),
        start_unix_nanos,
        end_unix_nanos: end_unix_nanos.max(start_unix_nanos),
        flags: SpanFlags::new(context.trace_flags().into(), span.parent_span_is_remote),
    }
}

fn write(writer: &mut SpanWriter, limits: &SpanLimits, span: &SpanData, trace_state: &str) {
    writer.begin(limits, &span.name);
    writer.trace_state(trace_state);
    for KeyValue { key, value, .. } in &span.attributes {
        let key = key.as_str();
        // By type: the writer's code for a value of an unknown type takes twice as long.
        match value {
            Value::String(text) => writer.attribute(limits, key, text.as_str()),
            Value::I64(value) => writer.attribute(limits, key, value),
            Value::Bool(value) => writer.attribute(limits, key, value),
            Value::F64(value) => writer.attribute(limits, key, value),
            other => put_other(writer, limits, key, other),
        }
    }
    for event in span.events.iter() {
        let header = EventHeader {
            unix_nanos: to_unix_nanos(event.timestamp),
            name: &event.name,
            dropped_attributes: event.dropped_attributes_count,
        };
        writer.event_with_header(limits, &header, pairs(&event.attributes));
    }
    for link in span.links.iter() {
        let target = LinkedContext::from(&link.span_context);
        let dropped = link.dropped_attributes_count;
        writer.link_with_dropped(limits, &target, dropped, pairs(&link.attributes));
    }
    match &span.status {
        Status::Unset => {}
        Status::Ok => writer.status(limits, StatusCode::Ok, ""),
        Status::Error { description } => writer.status(limits, StatusCode::Error, description),
    }
    writer.add_dropped_counts(&DroppedCounts {
        attributes: span.dropped_attributes_count,
        events: span.events.dropped_count,
        links: span.links.dropped_count,
        truncated_values: 0,
    });
}

#[cold]
#[inline(never)]
fn put_other(writer: &mut SpanWriter, limits: &SpanLimits, key: &str, value: &Value) {
    writer.attribute(limits, key, value);
}

/// Replaces `header` by the W3C `tracestate` header of `state`.
fn header_of(state: &TraceState, header: &mut String) {
    header.clear();
    for (key, value) in state {
        if !header.is_empty() {
            header.push(',');
        }
        header.push_str(key);
        header.push('=');
        header.push_str(value);
    }
}

fn pairs(attributes: &[KeyValue]) -> impl Iterator<Item = (&str, &Value)> {
    attributes.iter().map(|KeyValue { key, value, .. }| (key.as_str(), value))
}

/// Writers that an encoder retains: the threads that end a span at the same instant.
const WRITERS: usize = 64;
/// Capacity in bytes that a cached writer may retain.
const RETAINED_BYTES: usize = 8 << 10;
