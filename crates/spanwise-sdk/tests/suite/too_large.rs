//! `spanwise-receiver` refuses requests as too large: over each protocol their spans arrive in smaller ones.

use crate::support;

use opentelemetry::trace::Tracer as _;
use spanwise_receiver::{Collected, Limits, Receiver};
use spanwise_sdk::{Compression, Counter, Protocol};
use support::{DiagnosticLog, LONG, builder};

const SPANS: u64 = 2_000;

/// The ways of a request that this build has.
fn ways() -> Vec<(Protocol, Compression)> {
    let mut protocols = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
    protocols.extend(cfg!(feature = "grpc").then_some(Protocol::Grpc));
    let plain_and_packed = |it| [(it, Compression::None), (it, Compression::Gzip)];
    protocols.into_iter().flat_map(plain_and_packed).collect()
}

#[test]
fn spans_of_a_request_that_is_too_large_arrive_over_each_protocol() {
    for (protocol, compression) in ways() {
        let collected = Collected::new(64 << 20);
        let receiver = Receiver::builder()
            .with_limits(Limits::default().with_body_bytes(100_000))
            .with_handler(collected.handler())
            .start()
            .unwrap();
        let log = DiagnosticLog::default();
        let spanwise = log
            .attach(builder())
            .with_protocol(protocol)
            .with_endpoint(receiver.http_endpoint())
            .with_compression(compression)
            .with_shutdown_timeout(LONG)
            .build()
            .unwrap();
        let tracer = spanwise.tracer("large");
        let name = "x".repeat(400);
        (0..SPANS).for_each(|_| drop(tracer.start(name.clone())));
        let ledger = spanwise.shutdown().unwrap().ledger;
        let case = format!("{protocol} {compression}: {:?}", log.lines());
        assert_eq!((ledger.exported, collected.spans()), (SPANS, SPANS), "{case}");
        assert!(ledger.counter(Counter::RequestsSplit) > 0, "{case}");
    }
}
