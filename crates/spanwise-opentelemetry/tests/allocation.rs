//! The end of a span allocates nothing once caches and chunks are warm, and frees it on its thread.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Link, Status};
use opentelemetry_sdk::trace::{SpanData, SpanProcessor as _};
use spanwise_opentelemetry::Outcome;
use spanwise_testkit::CountingAllocator;
use spanwise_testkit::allocator::allocations_on_this_thread;
use std::time::UNIX_EPOCH;
use support::{assert_idle, processor, span};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A span of everything but a link with a trace state, whose header the API allocates.
fn rich(id: u64) -> SpanData {
    let mut span = span(id);
    let state = opentelemetry::trace::TraceState::from_key_value([("ot", "th:8"), ("k", "v")]);
    span.span_context = opentelemetry::trace::SpanContext::new(
        u128::from(id).into(),
        id.into(),
        opentelemetry::trace::TraceFlags::SAMPLED,
        false,
        state.unwrap(),
    );
    let texts = opentelemetry::Array::String(vec!["a".into(), "b".into()]);
    let attributes = || {
        vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("http.response.status_code", 200),
            KeyValue::new("db.query.text", "SELECT ".repeat(40)),
            KeyValue::new("ratio", 0.5),
            KeyValue::new("zones", opentelemetry::Value::Array(texts.clone())),
        ]
    };
    span.attributes = attributes();
    span.dropped_attributes_count = 1;
    span.events.events.push(Event::new("cache miss", UNIX_EPOCH, attributes(), 2));
    span.links.links.push(Link::new(support::span(9).span_context, attributes(), 3));
    span.status = Status::error("no stock");
    span
}

/// One test, because the process has one allocator.
#[test]
fn the_end_of_a_span_does_not_allocate() {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let processor = processor().with_sink(sink).build().unwrap();
    for make in [span, rich] {
        (1..=40_000).for_each(|id| processor.on_end(make(id)));
        processor.force_flush().unwrap();
        let spans: Vec<SpanData> = (1..=1000).map(make).collect();
        let owned = allocations_on_this_thread(|| drop(std::hint::black_box(spans.clone())));
        let counts = allocations_on_this_thread(|| {
            spans.into_iter().for_each(|span| processor.on_end(span));
        });
        assert_eq!(counts.allocations, 0, "{counts:?}");
        // As many as a drop of the spans frees here: none is left to another thread.
        assert_eq!(counts.deallocations, owned.deallocations);
    }
    processor.shutdown().unwrap();
    assert_idle(&processor.ledger());
}
