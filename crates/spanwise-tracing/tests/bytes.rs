//! The encoded spans of a request are no larger than those of tracing-opentelemetry with everything optional off.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use prost::Message as _;
use spanwise_sdk::{Bytes, Outcome, Spanwise};
use spanwise_testkit::{decode, spans};
use std::future::ready;
use std::sync::{Arc, Mutex};
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, info, info_span};
use tracing_subscriber::prelude::*;

#[test]
fn a_request_is_no_larger_than_with_tracing_opentelemetry() {
    let (ours, theirs) = (ours(), theirs());
    assert_eq!((ours.len(), theirs.len()), (5, 5));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.name, theirs.name);
        let lengths = (ours.encoded_len(), theirs.encoded_len());
        assert!(lengths.0 <= lengths.1, "{lengths:?}: {ours:#?}\n{theirs:#?}");
    }
}

/// The spans by `spanwise-tracing`, in the order of their starts.
fn ours() -> Vec<Span> {
    let received = Arc::new(Mutex::new(Vec::<Bytes>::new()));
    let sink = received.clone();
    let provider = Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_sink(move |request: Bytes| {
            sink.lock().unwrap().push(request);
            ready(Outcome::Accepted { rejected: 0, message: None })
        })
        .build()
        .unwrap();
    let layer = spanwise_tracing::layer(&provider).with_filter(LevelFilter::INFO);
    make(tracing_subscriber::registry().with(layer));
    provider.shutdown().unwrap().ledger.check().unwrap();
    let requests = received.lock().unwrap();
    in_order(requests.iter().flat_map(|body| {
        let request: ExportTraceServiceRequest = decode(body);
        // Encoded again, it has the same length: the bytes that were sent hold nothing else.
        assert_eq!(request.encoded_len(), body.len());
        spans(&request).cloned().collect::<Vec<_>>()
    }))
}

/// The spans by tracing-opentelemetry.
fn theirs() -> Vec<Span> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("bytes"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false);
    make(tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO)));
    in_order(exporter.get_finished_spans().unwrap().into_iter().map(Span::from))
}

fn in_order(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.collect();
    spans.sort_by_key(|span| span.start_time_unix_nano);
    spans
}

/// A request as in the benchmarks.
fn make(subscriber: impl Subscriber + Send + Sync) {
    tracing::subscriber::with_default(subscriber, || {
        let _server = info_span!(
            "GET /users/{id}/orders",
            otel.kind = "server",
            http.request.method = "GET",
            url.scheme = "https",
            url.path = "/users/4711/orders",
            http.route = "/users/{id}/orders",
            server.address = "shop.example.com",
            server.port = 443,
            network.protocol.version = "1.1",
            client.address = "203.0.113.7",
            user_agent.original = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
            http.response.status_code = 200,
        )
        .entered();
        for rows in 0..4 {
            let _child = info_span!(
                "query",
                otel.kind = "client",
                otel.name = "SELECT",
                db.system.name = "postgresql",
                db.query.text = "SELECT * FROM users WHERE id = $1",
                db.collection.name = "users",
                db.response.returned_rows = rows,
            )
            .entered();
            if rows == 0 {
                info!(cache.key = "user:4711", cache.tier = 2, "cache miss");
            }
        }
    });
}
