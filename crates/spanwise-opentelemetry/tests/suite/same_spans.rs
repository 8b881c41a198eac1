//! The processor and the exporter send the spans that the stock exporter would send.

use crate::support;

use opentelemetry::trace::{
    SpanId, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData, SpanExporter as _,
    SpanProcessor as _,
};
use proptest::prelude::*;
use spanwise_receiver::Receiver;
use spanwise_testkit::assert_same_spans;
use spanwise_testkit::generate::{Shape, span_specs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{LONG, assert_idle, exporter, processor, received, recorded, stock};

fn resource() -> Resource {
    Resource::builder_empty()
        .with_schema_url(
            [
                KeyValue::new("service.name", "shop"),
                KeyValue::new("host.cpus", 4),
                KeyValue::new("zones", opentelemetry::Value::Array(vec![1_i64, 2].into())),
            ],
            "https://opentelemetry.io/schemas/1.30.0",
        )
        .build()
}

/// Sends `spans` through the processor and through the exporter, and compares both with the stock exporter.
fn check(spans: &[SpanData]) {
    let expected = stock(&resource(), spans.to_vec());

    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    processor.set_resource(&resource());
    spans.iter().for_each(|span| processor.on_end(span.clone()));
    processor.shutdown_with_timeout(LONG).unwrap();
    assert_same_spans(&received(&collected), &expected);
    let ledger = processor.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (spans.len() as u64, spans.len() as u64));

    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut exporter = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    exporter.set_resource(&resource());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(exporter.export(spans.to_vec())).unwrap();
    // The spans have arrived when the future is complete.
    assert_same_spans(&received(&collected), &expected);
    exporter.shutdown_with_timeout(LONG).unwrap();
    assert_eq!(exporter.ledger().exported, spans.len() as u64);
}

/// Counts and times that only a span made by hand has, or one of an SDK with other limits.
fn change(spans: &mut [SpanData], numbers: &[u32]) {
    let mut numbers = numbers.iter().copied().cycle();
    let mut next = || numbers.next().unwrap_or_default();
    for span in spans {
        span.dropped_attributes_count = next();
        span.events.dropped_count = next();
        span.links.dropped_count = next();
        for event in &mut span.events.events {
            event.dropped_attributes_count = next();
        }
        for link in &mut span.links.links {
            link.dropped_attributes_count = next();
        }
        if next() % 4 == 0 {
            let early = UNIX_EPOCH.checked_sub(Duration::from_secs(u64::from(next())));
            span.start_time = early.unwrap_or(UNIX_EPOCH);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn spans_of_the_sdk_arrive_as_those_of_the_stock_exporter(
        specs in span_specs(&Shape::default(), 1..12),
        numbers in proptest::collection::vec(prop_oneof![2 => Just(0), 1 => any::<u32>()], 7),
    ) {
        let mut spans = recorded(&specs);
        check(&spans);
        change(&mut spans, &numbers);
        check(&spans);
    }
}

/// Both processors of one provider receive the same spans, ids included.
#[test]
fn two_processors_of_one_provider_agree() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let ours = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let theirs = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_sampler(Sampler::AlwaysOn)
        .with_max_attributes_per_span(3)
        .with_max_events_per_span(1)
        .with_max_attributes_per_event(1)
        .with_span_processor(ours.clone())
        .with_simple_exporter(theirs.clone())
        .build();
    let scope = InstrumentationScope::builder("shop::orders")
        .with_version("1.2")
        .with_schema_url("https://opentelemetry.io/schemas/1.29.0")
        .with_attributes([KeyValue::new("tier", 2)])
        .build();
    for tracer in [provider.tracer("plain"), provider.tracer_with_scope(scope)] {
        tracer.in_span("parent", |cx| {
            let span = cx.span();
            (0..5).for_each(|n| span.set_attribute(KeyValue::new(format!("key {n}"), n)));
            let two = || vec![KeyValue::new("a", 1), KeyValue::new("b", 2)];
            span.add_event("first", two());
            span.add_event("second", two());
            tracer.in_span("child", |cx| cx.span().set_status(Status::error("no stock")));
        });
    }
    let mut expected = theirs.get_finished_spans().unwrap();
    assert_eq!(expected.len(), 4);
    provider.shutdown_with_timeout(LONG).unwrap();
    for span in &mut expected {
        // The provider has the limits' counts.
        assert!(span.name != "parent" || span.dropped_attributes_count == 2);
    }
    let mut request = received(&collected);
    let mut stock = stock(&Resource::builder_empty().build(), expected);
    for group in request.resource_spans.iter_mut().chain(&mut stock.resource_spans) {
        (group.resource, group.schema_url) = (None, String::new());
    }
    assert_same_spans(&request, &stock);
}

#[test]
fn a_remote_parent_and_its_trace_state_arrive() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let state = opentelemetry::trace::TraceState::from_key_value([("ot", "th:8"), ("k", "v w")]);
    let parent = opentelemetry::trace::SpanContext::new(
        7_u128.into(),
        9_u64.into(),
        opentelemetry::trace::TraceFlags::new(3),
        true,
        state.unwrap(),
    );
    let cx = Context::new().with_remote_span_context(parent);
    let tracer = provider.tracer("remote");
    drop(tracer.start_with_context("", &cx));
    let with_state = Context::new().with_span(tracer.start_with_context("a", &cx));
    drop(tracer.start_with_context("b", &with_state));
    drop(with_state);
    let spans = exporter.get_finished_spans().unwrap();
    assert!(spans.iter().all(|span| span.parent_span_id != SpanId::INVALID));
    check(&spans);
}

#[test]
fn an_end_before_the_start_becomes_the_start_and_is_counted() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let mut span = support::span(5);
    span.end_time = span.start_time - Duration::from_secs(1);
    processor.on_end(span);
    processor.shutdown_with_timeout(LONG).unwrap();
    let request = received(&collected);
    let span = spanwise_testkit::spans(&request).next().unwrap();
    assert_eq!(span.end_time_unix_nano, span.start_time_unix_nano);
    let ended_early = spanwise_opentelemetry::Counter::EndBeforeStart;
    assert_eq!(processor.ledger().counter(ended_early), 1);
}

/// The writer finds a scope again among more scopes than it caches.
#[test]
fn many_scopes_in_turn_keep_their_spans() {
    let scope = |n: usize| InstrumentationScope::builder(format!("scope {}", n % 40)).build();
    let spans: Vec<_> = (0..200_usize)
        .map(|n| {
            let mut span = support::span(n as u64 + 1);
            span.instrumentation_scope = scope(n);
            span
        })
        .collect();
    check(&spans);
}

#[test]
fn the_exporter_behind_the_batch_processor_of_the_sdk_sends_the_same() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let ours = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let theirs = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_batch_exporter(ours.clone())
        .with_simple_exporter(theirs.clone())
        .build();
    let start = SystemTime::now();
    for n in 0..1000_u64 {
        let tracer = provider.tracer("batch");
        let builder = tracer.span_builder("work").with_start_time(start + Duration::from_nanos(n));
        drop(tracer.build(builder));
    }
    let expected = theirs.get_finished_spans().unwrap();
    provider.shutdown_with_timeout(LONG).unwrap();
    let mut request = received(&collected);
    let mut stock = stock(&Resource::builder_empty().build(), expected);
    let resources = request.resource_spans.iter().flat_map(|group| &group.resource);
    let has_name = |resource: &opentelemetry_proto::tonic::resource::v1::Resource| {
        resource.attributes.iter().any(|attribute| attribute.key == "service.name")
    };
    assert!(resources.clone().count() > 0 && resources.clone().all(has_name));
    for group in request.resource_spans.iter_mut().chain(&mut stock.resource_spans) {
        (group.resource, group.schema_url) = (None, String::new());
    }
    assert_same_spans(&request, &stock);
    assert_eq!(ours.ledger().exported, 1000);
}
