//! Spans and events of `tracing`, as they are exported.

use spanwise_sdk::{Bytes, Outcome, Spanwise};
use std::sync::{Arc, Mutex};
use tracing_subscriber::prelude::*;

#[test]
fn a_span_and_its_child_are_exported() {
    let received = Arc::new(Mutex::new(Vec::<Bytes>::new()));
    let sink = received.clone();
    let spanwise = Spanwise::builder()
        .with_environment(|_| None)
        .with_sink(move |request: Bytes| {
            sink.lock().unwrap().push(request);
            std::future::ready(Outcome::Accepted { rejected: 0, message: None })
        })
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(spanwise_tracing::layer(&spanwise));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("server", x = 1, otel.kind = "server", list = ?[1]).in_scope(|| {
            tracing::info!(y = 2, "hello");
            tracing::info_span!("b", otel.name = "client").in_scope(|| tracing::error!("bad"));
        });
    });
    let report = spanwise.shutdown().unwrap();
    assert_eq!(report.ledger.exported, 2);
    assert!(!received.lock().unwrap().is_empty());
}
