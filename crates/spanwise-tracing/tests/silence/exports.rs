//! Exports by each protocol, through each kind of connection, and to receivers that fail.

use crate::harness::{Bench, LONG, bench, builder, until};
use crate::observed::Observed;
use crate::{SPANS, make_spans, observe, silent};
use spanwise_receiver::{Collected, Receiver};
use spanwise_sdk::{Compression, DropReason, Protocol, SpanwiseBuilder};
use spanwise_testkit::pki::{Authority, Template};
use spanwise_testkit::{Fault, FaultProxy, in_own_process};
use spanwise_transport::{Endpoint, HttpVersion, Transport};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt as _;

/// A provider whose worker wakes up often.
fn busy(configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> Bench {
    bench(|builder| configure(builder.with_scheduled_delay(Duration::from_millis(5))))
}

#[test]
fn http_1() {
    silent("exports::http_1", || busy(|builder| builder), |_| {});
}

#[test]
fn http_1_with_compression() {
    let gzip = |builder: SpanwiseBuilder| {
        builder.with_compression(Compression::Gzip).with_compression_threshold(0)
    };
    silent("exports::http_1_with_compression", || busy(gzip), |_| {});
}

#[test]
fn http_2() {
    let make = || {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let endpoint = Endpoint::parse_base("test", &receiver.http_endpoint()).unwrap();
        let transport = Transport::builder()
            .with_endpoint(endpoint)
            .with_http_version(HttpVersion::Http2)
            .build()
            .unwrap();
        let spanwise = builder()
            .with_scheduled_delay(Duration::from_millis(5))
            .with_transport(transport)
            .build()
            .unwrap();
        Bench { spanwise, receiver, collected }
    };
    silent("exports::http_2", make, |_| {});
}

#[test]
fn grpc() {
    silent("exports::grpc", || busy(|builder| builder.with_protocol(Protocol::Grpc)), |_| {});
}

#[test]
fn grpc_over_tls() {
    let make = || {
        let authority = Authority::new("servers").unwrap();
        let server = authority.issue(&Template::default()).unwrap();
        let collected = Collected::new(1 << 20);
        let receiver = Receiver::builder()
            .with_tls_pem(&*server.certificate, &*server.key)
            .with_handler(collected.handler())
            .start()
            .unwrap();
        let spanwise = builder()
            .with_scheduled_delay(Duration::from_millis(5))
            .with_protocol(Protocol::Grpc)
            .with_endpoint(receiver.http_endpoint().replace("127.0.0.1", "localhost"))
            .with_certificate_pem(&*authority.certificate)
            .build()
            .unwrap();
        Bench { spanwise, receiver, collected }
    };
    silent("exports::grpc_over_tls", make, |_| {});
}

#[test]
fn a_proxy() {
    let make = || {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let spanwise = builder()
            .with_scheduled_delay(Duration::from_millis(5))
            .with_proxy(receiver.http_endpoint())
            .with_endpoint("http://collector.test:4318")
            .build()
            .unwrap();
        Bench { spanwise, receiver, collected }
    };
    silent("exports::a_proxy", make, |_| {});
}

/// The connections fail for a while, and the requests are sent again.
#[test]
fn retries() {
    in_own_process("exports::retries", || {
        for_protocols(|protocol| {
            let (receiver, collected) = Receiver::collecting().unwrap();
            let proxy = FaultProxy::start(receiver.address()).unwrap();
            proxy.set(Fault::Refuse);
            let spanwise = builder()
                .with_scheduled_delay(Duration::from_millis(5))
                .with_protocol(protocol)
                .with_endpoint(proxy.endpoint())
                .build()
                .unwrap();
            (Bench { spanwise, receiver, collected }, move || {
                assert!(proxy.wait_timeout(LONG, |traffic| traffic.connections > 1));
                proxy.set(Fault::Pass);
                proxy
            })
        });
    });
}

/// Checks each protocol under one subscriber. `make` makes a provider, and a function that runs between the spans.
fn for_protocols<T, F: FnOnce() -> T>(make: impl Fn(Protocol) -> (Bench, F)) {
    let (bench, between) = make(Protocol::Grpc);
    let observed = Observed::default();
    let layer = spanwise_tracing::layer(&bench.spanwise);
    observe(tracing_subscriber::registry().with(observed.clone()).with(layer), &[&bench.spanwise]);
    make_spans();
    let _open = between();
    make_spans();
    assert_eq!(bench.finish().len(), 2 * SPANS);
    assert_eq!(observed.foreign(), [""; 0]);

    // The worker of the second provider starts while the program has its subscriber.
    let (bench, between) = make(Protocol::HttpProtobuf);
    bench.within(make_spans);
    let _open = between();
    assert_eq!(bench.finish().len(), SPANS);
    assert_eq!(observed.foreign(), [""; 0]);
}

#[test]
fn an_endpoint_that_refuses_all() {
    in_own_process("exports::an_endpoint_that_refuses_all", || {
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
            let spanwise = builder()
                .with_scheduled_delay(Duration::from_millis(5))
                .with_export_timeout(Duration::from_millis(50))
                .with_protocol(protocol)
                .with_endpoint("http://127.0.0.1:1")
                .build()
                .unwrap();
            let observed = Observed::default();
            let layer = spanwise_tracing::layer(&spanwise);
            let subscriber = tracing_subscriber::registry().with(observed.clone()).with(layer);
            tracing::subscriber::with_default(subscriber, || {
                make_spans();
                until("a request failed", || spanwise.ledger().dropped_total() > 0);
                make_spans();
            });
            let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
            crate::harness::assert_balanced(&ledger);
            assert_eq!(ledger.created, 2 * SPANS as u64, "{ledger}");
            assert_eq!(ledger.dropped(DropReason::RetryDeadline), ledger.created, "{ledger}");
            assert_eq!(observed.foreign(), [""; 0]);
        }
    });
}
