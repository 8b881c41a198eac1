//! The layer beside that of tracing-opentelemetry, in one subscriber.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use spanwise_sdk::{Bytes, Outcome, Spanwise};
use std::sync::{Arc, Mutex};
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// A provider of ours, and the spans that it exports.
fn ours() -> (Spanwise, Arc<Mutex<Vec<Span>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = received.clone();
    let spanwise = Spanwise::builder()
        .with_environment(|_| None)
        .with_sink(move |request: Bytes| {
            let request = spanwise_testkit::decode(&request);
            sink.lock().unwrap().extend(spanwise_testkit::spans(&request).cloned());
            std::future::ready(Outcome::Accepted { rejected: 0, message: None })
        })
        .build()
        .unwrap();
    (spanwise, received)
}

/// Runs a span inside of another one through both layers, of which one activates contexts; `ours_first` is their order.
fn check(ours_is_active: bool, ours_first: bool) {
    let (spanwise, received) = ours();
    let exporter = InMemorySpanExporter::default();
    let stock = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let our_layer = || spanwise_tracing::layer(&spanwise).with_context_activation(ours_is_active);
    let their_layer = tracing_opentelemetry::layer()
        .with_tracer(stock.tracer("shop"))
        .with_context_activation(!ours_is_active);
    let subscriber = tracing_subscriber::registry()
        .with(ours_first.then(our_layer))
        .with(their_layer)
        .with((!ours_first).then(our_layer));
    let current = tracing::subscriber::with_default(subscriber, || {
        info_span!("a").in_scope(|| {
            info_span!("b").in_scope(|| Context::current().span().span_context().span_id())
        })
    });
    spanwise.shutdown().unwrap();

    let mut found = received.lock().unwrap().clone();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let [a, b] = &*found else { panic!("{found:?}") };
    assert_eq!((&*a.name, &*b.name), ("a", "b"));
    assert_eq!(b.parent_span_id, a.span_id);
    assert!(a.parent_span_id.is_empty());

    let theirs = exporter.get_finished_spans().unwrap();
    let find = |name: &str| theirs.iter().find(|span| span.name == name).unwrap();
    assert_eq!(find("b").parent_span_id, find("a").span_context.span_id());
    assert_eq!(current.to_bytes() == *b.span_id, ours_is_active);
    assert_eq!(current == find("b").span_context.span_id(), !ours_is_active);
}

#[test]
fn one_layer_activates_contexts_and_both_see_the_same_tree() {
    check(true, true);
    check(false, true);
}
