//! Rules of the semantic conventions that are easily missed.

use crate::points::{attributes, histograms, make, metric, sum, text};
#[cfg(feature = "grpc")]
use crate::support::LONG;
use crate::support::{bench, builder};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use spanwise_metrics::MetricData;
use spanwise_receiver::Receiver;
use spanwise_sdk::SpanKind;
use spanwise_sdk::sampling::Sampler;
use spanwise_wire::OwnedValue;

fn remote(sampled: bool) -> SpanContext {
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace_id, span_id) = (TraceId::from(1_u128), SpanId::from(2_u64));
    SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE)
}

#[test]
fn a_start_counts_with_the_origin_of_its_parent_and_the_result_of_the_sampler() {
    let bench = bench(|builder| builder.with_sampler(Sampler::always_off().parent_based()));
    let tracer = bench.spanwise.tracer("origins");
    (0..2).for_each(|_| tracer.root("root", SpanKind::Server).finish());
    for _ in 0..3 {
        let span = tracer.child("remote", SpanKind::Server, &remote(true));
        (0..4).for_each(|_| tracer.child("local", SpanKind::Client, span.context()).finish());
        span.finish();
    }
    (0..5).for_each(|_| tracer.child("off", SpanKind::Server, &remote(false)).finish());
    let invalid = SpanContext::NONE;
    tracer.child("a root, because its parent is invalid", SpanKind::Server, &invalid).finish();
    let snapshot = bench.spanwise.metrics();
    let started = |origin, result| {
        let having = [("otel.span.parent.origin", origin), ("otel.span.sampling_result", result)];
        sum(&snapshot, "otel.sdk.span.started", &having)
    };
    for (origin, result, spans) in [
        ("none", "DROP", 3),
        ("none", "RECORD_AND_SAMPLE", 0),
        ("remote", "RECORD_AND_SAMPLE", 3),
        ("remote", "DROP", 5),
        ("local", "RECORD_AND_SAMPLE", 12),
        ("local", "DROP", 0),
    ] {
        assert_eq!(started(origin, result), spans, "{origin} {result}");
    }
    assert_eq!(sum(&snapshot, "otel.sdk.span.started", &[]), 23);
    assert_eq!(attributes(metric(&snapshot, "otel.sdk.span.started")).len(), 9);
    bench.finish();
}

#[test]
fn no_live_span_was_dropped_by_the_sampler() {
    let bench = bench(|builder| builder.with_sampler(Sampler::always_off()));
    let open = bench.spanwise.tracer("live").root("open", SpanKind::Internal);
    let snapshot = bench.spanwise.metrics();
    assert_eq!(sum(&snapshot, "otel.sdk.span.live", &[]), 0);
    let results: Vec<_> = attributes(metric(&snapshot, "otel.sdk.span.live"))
        .into_iter()
        .map(|it| text(it, "otel.span.sampling_result"))
        .collect();
    assert_eq!(results, ["RECORD_AND_SAMPLE", "RECORD_ONLY"]);
    drop(open);
}

#[test]
fn the_duration_of_operations_has_one_bucket_and_numbers_for_statuses_of_http() {
    let bench = bench(|builder| builder);
    make(&bench.spanwise, 1);
    bench.finish();
    let snapshot = bench.spanwise.metrics();
    let durations = metric(&snapshot, "otel.sdk.exporter.operation.duration");
    assert_eq!(&*durations.unit, "s");
    let point = &histograms(&snapshot, "otel.sdk.exporter.operation.duration")[0];
    assert!(point.bounds().is_empty() && point.bucket_counts() == [1], "{point:?}");
    let status =
        point.attributes().iter().find(|it| it.key.as_str() == "http.response.status_code");
    assert_eq!(status.unwrap().value, OwnedValue::I64(200));
    let attribute = |key| text(point.attributes(), key);
    assert_eq!(attribute("otel.component.type"), "otlp_http_span_exporter");
    assert_eq!(attribute("server.address"), "127.0.0.1");
    assert_eq!(attribute("server.port"), bench.receiver.address().port().to_string());
    assert_eq!(
        (attribute("rpc.status_code"), attribute("error.type")),
        (String::new(), String::new())
    );
}

#[cfg(feature = "grpc")]
#[test]
fn the_status_of_grpc_is_its_name() {
    let receiver = Receiver::builder().start().unwrap();
    let spanwise = builder()
        .with_protocol(spanwise_sdk::Protocol::Grpc)
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    make(&spanwise, 1);
    let _report = spanwise.shutdown_timeout(LONG).unwrap();
    let snapshot = spanwise.metrics();
    let point = &histograms(&snapshot, "otel.sdk.exporter.operation.duration")[0];
    let attribute = |key| text(point.attributes(), key);
    assert_eq!(attribute("rpc.status_code"), "OK");
    assert_eq!(attribute("http.response.status_code"), "");
    assert_eq!(attribute("otel.component.type"), "otlp_grpc_span_exporter");
}

#[test]
fn the_capacity_of_the_queue_is_absent_without_a_limit_in_spans() {
    let receiver = Receiver::builder().start().unwrap();
    let capacity = |spans: Option<usize>| {
        let builder = builder().with_endpoint(receiver.http_endpoint());
        let builder = match spans {
            Some(spans) => builder.with_max_queue_size(spans),
            None => builder,
        };
        let snapshot = builder.build().unwrap().metrics();
        let metric = metric(&snapshot, "otel.sdk.processor.span.queue.capacity");
        assert!(matches!(metric.data, MetricData::UpDownCounter(_)));
        let points = metric.data.numbers().unwrap();
        points.first().map(|point| point.value.as_u64().unwrap())
    };
    assert_eq!(capacity(None), None);
    assert_eq!(capacity(Some(2_048)), Some(2_048));
}
