//! `tracing` spans through `tracing-opentelemetry`; the worker adds none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use spanwise_testkit::{attributes_map, spans};
use support::bench;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

#[test]
fn tracing_spans_arrive_with_all_their_fields() {
    let bench = bench(|builder| builder);
    let layer = tracing_opentelemetry::layer().with_tracer(bench.spanwise.tracer("bridge"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let request = tracing::info_span!(
            "request",
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            http.route = "/users",
            rows = 3,
        );
        let entered = request.enter();
        tracing::info!(cause = "test", "an event");
        tracing::info_span!("query", fast = true).in_scope(|| tracing::warn!("slow after all"));
        request.set_attribute("late", 7.5);
        request.record("otel.status_code", "ERROR");
        drop(entered);
    });
    let request = bench.finish();
    assert_eq!(spans(&request).count(), 2);
    let parent = spans(&request).find(|span| span.name == "request").unwrap();
    let child = spans(&request).find(|span| span.name == "query").unwrap();
    assert_eq!(child.parent_span_id, parent.span_id);
    assert_eq!(child.trace_id, parent.trace_id);
    assert_eq!(parent.kind, SpanKind::Server as i32);
    assert_eq!(parent.events.len(), 1);
    assert_eq!(child.events.len(), 1);
    assert_eq!(parent.status.as_ref().unwrap().code, 2);
    let attributes = attributes_map(&parent.attributes);
    for key in ["http.route", "rows", "late", "busy_ns", "idle_ns"] {
        assert!(attributes.contains_key(key), "{key}");
    }
    assert_eq!(attributes.len(), parent.attributes.len(), "keys are unique");
    assert!(parent.end_time_unix_nano >= child.end_time_unix_nano);
}

#[test]
fn the_workers_own_activity_makes_no_spans() {
    let bench = bench(|builder| builder);
    // At TRACE hyper and the libraries below it make spans and events while they send.
    let layer = tracing_opentelemetry::layer().with_tracer(bench.spanwise.tracer("bridge"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    for _ in 0..5 {
        tracing::trace_span!("mine").in_scope(|| {});
        bench.spanwise.force_flush_timeout(support::LONG).unwrap();
    }
    let request = bench.finish();
    let names: Vec<_> = spans(&request).map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["mine"; 5]);
}
