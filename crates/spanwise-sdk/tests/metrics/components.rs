//! The components: one processor for each provider, and one exporter for each destination.

use crate::points::{attributes, make, metric, sum, text};
use crate::support::{LONG, builder};
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::Destination;
use spanwise_transport::{Endpoint, Outcome, Transport};

fn names(snapshot: &spanwise_metrics::MetricsSnapshot, of: &str) -> Vec<String> {
    let all = attributes(metric(snapshot, of));
    all.into_iter().map(|it| text(it, "otel.component.name")).collect()
}

/// The number at the end of a component's name, whose front is its type.
fn number(name: &str, kind: &str) -> u64 {
    let number = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/'));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn each_destination_is_a_component_with_counts_of_its_own() {
    let refuse = |_| Answer::Refuse {
        http_status: 401,
        grpc_code: 16,
        message: "who?".into(),
        retry_after: None,
    };
    let (receiver, _collected) = Receiver::collecting().unwrap();
    let strict = Receiver::builder().with_handler(refuse).start().unwrap();
    let endpoint = Endpoint::parse_base("endpoint", &strict.http_endpoint()).unwrap();
    let archive = Transport::builder().with_endpoint(endpoint).build().unwrap();
    let accept = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let sink = Transport::builder().with_sink(accept).build().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_destination(Destination::new(archive).with_name("archive"))
        .with_destination(Destination::new(sink).with_name("sink"))
        .build()
        .unwrap();
    make(&spanwise, 10);
    let _one_refuses = spanwise.shutdown_timeout(LONG);
    let snapshot = spanwise.metrics();
    let names = names(&snapshot, "otel.sdk.exporter.span.inflight");
    let [first, archive, sink] = names.as_slice() else { panic!("{names:?}") };
    let kind = "otlp_http_span_exporter";
    assert!(number(archive, kind) > number(first, kind));
    number(sink, "sink_span_exporter");
    let exported = |name: &String, error| {
        let having = [("otel.component.name", name.as_str()), ("error.type", error)];
        sum(&snapshot, "otel.sdk.exporter.span.exported", &having)
    };
    assert_eq!((exported(first, ""), exported(archive, ""), exported(sink, "")), (10, 0, 10));
    assert_eq!(exported(archive, "rejected"), 10);
    // The processor passes each span on once, whatever the number of destinations.
    assert_eq!(sum(&snapshot, "otel.sdk.processor.span.processed", &[]), 10);
    assert_eq!(sum(&snapshot, "spanwise_exporter_requests", &[]), 3);
}

#[test]
fn the_processors_of_two_providers_have_different_names() {
    let receiver = Receiver::builder().start().unwrap();
    let name = || {
        let spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
        let snapshot = spanwise.metrics();
        let all = names(&snapshot, "otel.sdk.processor.span.queue.size");
        number(&all[0], "batching_span_processor")
    };
    assert_ne!(name(), name());
}
