//! Counts of attributes that were dropped before the writer got an event or a link; prost reads the bytes.

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use spanwise_wire::write::{EventHeader, SpanHeader, SpanWriter};
use spanwise_wire::{LinkedContext, SpanId, SpanLimits, TraceId, Value};

/// The counts that a receiver reads of an event, and of a link, with two attributes under a limit of one.
fn counts(dropped: u32) -> (u32, u32, u32) {
    let limits = SpanLimits::default().with_attributes_per_event(1).with_attributes_per_link(1);
    let two = || [("a", Value::I64(1)), ("b", Value::I64(2))];
    let mut writer = SpanWriter::new();
    writer.begin(&limits, "span");
    let header = EventHeader { unix_nanos: 7, name: "event", dropped_attributes: dropped };
    writer.event_with_header(&limits, &header, two());
    let target =
        LinkedContext { trace_id: TraceId(1), span_id: SpanId(2), ..LinkedContext::default() };
    writer.link_with_dropped(&limits, &target, dropped, two());
    let all = writer.dropped_counts().attributes;
    let header = SpanHeader { trace_id: TraceId(3), span_id: SpanId(4), ..SpanHeader::default() };
    let span = Span::decode(&*writer.finish(&header).to_vec()).unwrap();
    assert_eq!((span.events[0].time_unix_nano, &*span.events[0].name), (7, "event"));
    assert_eq!(span.dropped_attributes_count, 0, "those of events and links are not the span's");
    (span.events[0].dropped_attributes_count, span.links[0].dropped_attributes_count, all)
}

#[test]
fn earlier_counts_and_those_of_the_limits_add_up() {
    assert_eq!(counts(0), (1, 1, 2));
    assert_eq!(counts(5), (6, 6, 12));
    assert_eq!(counts(u32::MAX), (u32::MAX, u32::MAX, u32::MAX));
}
