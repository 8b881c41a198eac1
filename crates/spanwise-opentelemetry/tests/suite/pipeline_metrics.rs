//! The metrics of a pipeline for the stock SDK.

use crate::support;

use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use spanwise_metrics::MetricsSnapshot;
use spanwise_receiver::Receiver;
use support::{exporter, processor, provider, span};

fn sum(snapshot: &MetricsSnapshot, name: &str) -> u64 {
    let points = snapshot.get(name).unwrap().data.numbers().unwrap();
    points.iter().map(|point| point.value.as_u64().unwrap()).sum()
}

/// No span of the stock SDK checks the queue at its start, so none may find it waiting for such a check.
#[test]
fn a_processor_counts_every_span_and_refuses_none_over_many_turns_of_its_thread() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let processor = processor().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let provider = provider(&processor);
    let tracer = provider.tracer("metrics");
    for round in 1..=20 {
        (0..10).for_each(|_| drop(tracer.start("work")));
        provider.force_flush().unwrap();
        assert_eq!(collected.spans(), 10 * round);
    }
    let snapshot = processor.metrics();
    for name in ["otel_spans_created", "otel_spans_exported", "otel.sdk.span.started"] {
        assert_eq!(sum(&snapshot, name), 200, "{name}");
    }
    assert_eq!(sum(&snapshot, "otel.sdk.processor.span.processed"), 200);
    assert_eq!(sum(&snapshot, "otel_spans_dropped"), 0);
    assert_eq!(sum(&snapshot, "otel.sdk.span.live"), 0);
    assert!(sum(&snapshot, "spanwise_exporter_requests") >= 20);
}

#[test]
fn an_exporter_has_the_metrics_of_its_requests() {
    let receiver = Receiver::builder().start().unwrap();
    let exporter = exporter().with_endpoint(receiver.http_endpoint()).build().unwrap();
    let spans = (1..=5).map(span).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batch = opentelemetry_sdk::trace::SpanExporter::export(&exporter, spans);
    runtime.block_on(batch).unwrap();
    assert_eq!(sum(&exporter.metrics(), "otel.sdk.exporter.span.exported"), 5);
}
