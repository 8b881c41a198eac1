//! The byte budget: spans fill it, the worker can send every span that it accepts, and it is never
//! exceeded.

use crate::support;

use opentelemetry::trace::{Span as _, TracerProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use spanwise_receiver::Receiver;
use spanwise_sdk::{
    BuildError, Bytes, Compression, DropReason, OnFull, Outcome, SpanKind, Spanwise,
    SpanwiseBuilder, Tracer,
};
use spanwise_testkit::ClosedPort;
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, assert_idle, builder, wait_until_idle};

/// A provider whose receiver refuses connections.
fn unreachable(
    port: &ClosedPort,
    configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder,
) -> Spanwise {
    let builder = builder()
        .with_endpoint(port.endpoint().unwrap())
        .with_export_timeout(Duration::from_secs(3600))
        .with_scheduled_delay(Duration::from_millis(10));
    configure(builder).build().unwrap()
}

fn span(tracer: &Tracer) {
    tracer
        .root("GET /orders/{id}", SpanKind::Server)
        .attribute("http.route", "/orders/{id}")
        .attribute(
            "url.full",
            "https://shop.example.com/orders/0123456789?and=some&more=parameters&of=a&usual=length",
        );
}

/// The length of the span above in a request, as the receiver counts it.
fn wire_bytes() -> f64 {
    let bench = support::bench(|builder| builder);
    let tracer = bench.spanwise.tracer("budget");
    (0..1000).for_each(|_| span(&tracer));
    bench.spanwise.shutdown_timeout(LONG).unwrap();
    let bytes: usize = bench.collected.bodies().iter().map(|body| body.len()).sum();
    bytes as f64 / 1000.0
}

/// Each round ends `burst` spans in ten milliseconds, the scheduled delay here. The charge of the spans
/// must not depend on how often the worker drains the open chunks.
#[test]
fn spans_fill_the_budget_while_the_receiver_refuses() {
    let each = wire_bytes();
    for (burst, budget) in [(1usize, 1usize << 20), (40, 1 << 20), (40_000, 16 << 20)] {
        let port = ClosedPort::new().unwrap();
        let spanwise = unreachable(&port, |builder| builder.with_budget_bytes(budget));
        let tracer = spanwise.tracer("budget");
        let paced = Instant::now();
        let mut bursts = 0;
        // The first rounds are paced, so that the worker drains between them; later ones are not.
        while spanwise.ledger().dropped_total() == 0 {
            (0..burst).for_each(|_| span(&tracer));
            bursts += 1;
            if bursts < 200 {
                std::thread::sleep(
                    (Duration::from_millis(10) * bursts).saturating_sub(paced.elapsed()),
                );
            }
        }
        // A refused span asks the worker for space. Three seconds without a gain prove that none is left.
        let mut quiet = Instant::now();
        let mut held = spanwise.ledger().in_flight;
        while quiet.elapsed() < Duration::from_secs(3) {
            (0..burst.max(100)).for_each(|_| span(&tracer));
            std::thread::sleep(Duration::from_millis(5));
            let now = spanwise.ledger().in_flight;
            if now > held {
                (held, quiet) = (now, Instant::now());
            }
        }
        let (charged, peak) = spanwise.buffered_bytes();
        assert!(charged <= budget && peak <= budget);
        let share = held as f64 * each / budget as f64;
        // Open chunks and the space for one request weigh more in a small budget.
        let expected = if budget >= 16 << 20 { 0.9 } else { 0.8 };
        assert!(
            share >= expected,
            "{burst} spans at a time: {held} spans are {share:.3} of {budget}"
        );
        let ledger = spanwise.ledger();
        assert_eq!(ledger.created, held + ledger.dropped(DropReason::QueueBytes));
        assert_eq!(ledger.in_flight, held);
        let _ = spanwise.shutdown_timeout(Duration::from_millis(50));
        assert_idle(&wait_until_idle(&spanwise));
        // The worker counts all spans before it frees their chunks.
        let patience = Instant::now() + LONG;
        while spanwise.buffered_bytes().0 > 0 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(spanwise.buffered_bytes().0, 0);
    }
}

/// Every compression of this build.
fn compressions() -> Vec<Compression> {
    let mut all = vec![Compression::None, Compression::Gzip];
    all.extend(cfg!(feature = "zstd").then_some(Compression::Zstd));
    all
}

/// The worker exports the buffered spans once the receiver accepts connections again.
#[test]
fn buffered_spans_arrive_once_the_receiver_is_back() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let proxy = spanwise_testkit::FaultProxy::start(receiver.address()).unwrap();
    proxy.set(spanwise_testkit::Fault::Refuse);
    let spanwise = builder()
        .with_endpoint(proxy.endpoint())
        .with_budget_bytes(1 << 20)
        .with_scheduled_delay(Duration::from_millis(5))
        .build()
        .unwrap();
    let tracers: Vec<_> = ["a", "b", "c"].map(|scope| spanwise.tracer(scope)).into();
    while spanwise.ledger().dropped_total() == 0 {
        tracers.iter().for_each(span);
    }
    let buffered = spanwise.ledger().in_flight;
    proxy.set(spanwise_testkit::Fault::Pass);
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!(ledger.exported, buffered);
    // An attempt that was cut off may have delivered spans that its retry delivers again.
    let ids: std::collections::HashSet<_> = collected.span_ids().into_iter().collect();
    assert_eq!(ids.len() as u64, buffered);
}

/// Every configuration that `build` accepts exports small spans, the largest spans, and many of them.
#[test]
fn every_budget_sends_with_every_request_size_and_compression() {
    let protocols = [
        spanwise_sdk::Protocol::HttpProtobuf,
        spanwise_sdk::Protocol::HttpJson,
        #[cfg(feature = "grpc")]
        spanwise_sdk::Protocol::Grpc,
    ];
    for budget in [1 << 20, (1 << 20) + 1, 3 << 20, 6 << 20, 16 << 20] {
        for compression in compressions() {
            for request in [64 << 10, 3_932_160] {
                for protocol in protocols {
                    let case = format!("{budget} {compression} {request} {protocol}");
                    let (receiver, collected) = Receiver::collecting().unwrap();
                    let built = builder()
                        .with_endpoint(receiver.http_endpoint())
                        .with_protocol(protocol)
                        .with_budget_bytes(budget)
                        .with_compression(compression)
                        .with_max_request_bytes(request)
                        .with_on_full(spanwise_sdk::OnFull::Wait(LONG))
                        .build();
                    let spanwise = match built {
                        Ok(spanwise) => spanwise,
                        // The encoder, and twelve copies of the smallest request.
                        Err(error) => {
                            let is_small = budget < 3 << 20 && compression.to_string() != "none";
                            assert!(is_small, "{case}: {error}");
                            assert!(error.to_string().contains("with_budget_bytes"), "{error}");
                            continue;
                        }
                    };
                    let tracer = spanwise.tracer("matrix");
                    (0..1_500).for_each(|_| span(&tracer));
                    // Attributes beyond `span_bytes` are dropped; the span is exported.
                    let text = "random enough: 8fz3".repeat(20_000);
                    for _ in 0..3 {
                        let mut large = tracer.root("large", SpanKind::Internal);
                        for key in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"]
                        {
                            large.attribute(key, text.as_str());
                        }
                    }
                    (0..1_500).for_each(|_| span(&tracer));
                    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
                    assert_idle(&ledger);
                    assert_eq!((ledger.exported, ledger.created), (3_003, 3_003), "{case}");
                    assert_eq!(collected.spans(), 3_003, "{case}");
                    let (left, peak) = spanwise.buffered_bytes();
                    assert!(left == 0 && peak <= budget, "{case}: {left} {peak}");
                }
            }
        }
    }
}

/// A span that fills `span_bytes` to its last bytes is exported under each budget.
#[test]
fn the_largest_span_is_sent_with_every_budget_and_compression() {
    for budget in [1 << 20, 3 << 20, 16 << 20] {
        for compression in compressions() {
            let bench = support::bench(|builder| {
                builder
                    .with_budget_bytes(budget)
                    .with_compression(compression)
                    .with_on_full(spanwise_sdk::OnFull::Wait(LONG))
            });
            let tracer = bench.spanwise.tracer("large");
            for _ in 0..3 {
                let mut span = tracer.root("large", SpanKind::Internal);
                // Ever smaller attributes fill the span up to its limit.
                let mut number = 0;
                for len in [60_000, 5_000, 500, 50] {
                    for _ in 0..31 {
                        number += 1;
                        span.attribute(&format!("{number}"), "n".repeat(len).as_str());
                    }
                }
            }
            let ledger = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
            assert_idle(&ledger);
            assert_eq!(ledger.exported, 3, "{budget} {compression}\n{ledger}");
            assert_eq!(bench.collected.spans(), 3);
        }
    }
}

#[test]
fn scopes_are_limited_to_a_share_of_the_budget() {
    let bench = support::bench(|builder| builder.with_budget_bytes(1 << 20));
    for number in 0..100 {
        let name = format!("{number:04000}");
        let scope = InstrumentationScope::builder(name).build();
        span(&bench.spanwise.tracer_with_scope(scope));
    }
    let ledger = bench.spanwise.ledger();
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 100);
    // 64 KiB of names of 4,000 bytes.
    assert_eq!(ledger.counter(spanwise_sdk::Counter::ScopesOverLimit), 100 - 16);
}

#[test]
fn headers_are_bounded() {
    let error = builder().with_header("x", "y".repeat(20_000)).build().unwrap_err().to_string();
    assert!(error.contains("with_header") && error.contains("16 KiB"), "{error}");
    let list = format!("x={}", "y".repeat(20_000));
    let error = Spanwise::builder()
        .with_environment(move |name| (name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| list.clone()))
        .build()
        .unwrap_err()
        .to_string();
    assert!(error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("yyy"), "{error}");
}

#[test]
fn a_resource_that_is_too_large_is_an_error_in_code_and_ignored_in_the_environment() {
    let huge = "x".repeat(1 << 20);
    let error = builder()
        .with_budget_bytes(1 << 20)
        .with_resource([KeyValue::new("huge", huge.clone())])
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::Setting { setting: "with_resource", .. }), "{error}");
    assert!(error.to_string().contains("accepted is up to"), "{error}");
    assert!(error.to_string().len() < 200, "the value is not shown whole");

    for (variable, value) in
        [("OTEL_RESOURCE_ATTRIBUTES", format!("huge={huge}")), ("OTEL_SERVICE_NAME", huge)]
    {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let log = DiagnosticLog::default();
        let builder = log
            .attach(Spanwise::builder())
            .with_environment(move |name| (name == variable).then(|| value.clone()));
        let spanwise = builder.with_endpoint(receiver.http_endpoint()).build().unwrap();
        assert!(log.lines().iter().any(|line| line.contains(variable)), "{:?}", log.lines());
        (0..1000).for_each(|_| span(&spanwise.tracer("scope")));
        assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
        assert_eq!(collected.spans(), 1000);
        assert!(collected.bodies().iter().all(|body| body.len() < 300_000));
    }
}

/// `with_max_in_flight` also limits requests that the batch size cuts small.
#[test]
fn cut_requests_respect_the_in_flight_limit() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let sink = |_| {
        MOST.fetch_max(OPEN.fetch_add(1, SeqCst) + 1, SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            OPEN.fetch_sub(1, SeqCst);
            spanwise_transport::Outcome::Accepted { rejected: 0, message: None }
        }
    };
    let spanwise = builder()
        .with_sink(sink)
        .with_max_export_batch_size(3)
        .with_max_in_flight(2)
        .with_resource([KeyValue::new("large", "y".repeat(60_000))])
        .build()
        .unwrap();
    let tracer = spanwise.tracer("cut");
    (0..1000).for_each(|_| span(&tracer));
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_eq!(ledger.exported, 1000);
    assert_eq!(MOST.load(SeqCst), 2);
}

#[test]
fn a_scope_that_is_too_large_is_truncated() {
    let bench = support::bench(|builder| builder.with_budget_bytes(1 << 20));
    let scope = InstrumentationScope::builder("n".repeat(1 << 20))
        .with_version("v".repeat(1 << 20))
        .with_attributes([KeyValue::new("a", "b".repeat(1 << 20))])
        .build();
    let tracer = bench.spanwise.tracer_with_scope(scope);
    (0..100).for_each(|_| span(&tracer));
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 100);
    assert!(bench.collected.bodies().iter().all(|body| body.len() < 100_000));
}

/// Each number has an accepted range, and the error prints it.
#[test]
fn numbers_out_of_range_are_errors() {
    type Set = fn(SpanwiseBuilder, usize) -> SpanwiseBuilder;
    let cases: [(&str, Set, [usize; 3]); 4] = [
        ("with_budget_bytes", SpanwiseBuilder::with_budget_bytes, [0, (1 << 20) - 1, usize::MAX]),
        (
            "with_max_request_bytes",
            SpanwiseBuilder::with_max_request_bytes,
            [0, 65_535, usize::MAX],
        ),
        (
            "with_max_export_batch_size",
            SpanwiseBuilder::with_max_export_batch_size,
            [0, 2 << 20, usize::MAX],
        ),
        ("with_max_in_flight", SpanwiseBuilder::with_max_in_flight, [0, 65, usize::MAX]),
    ];
    for (setting, set, values) in cases {
        for value in values {
            let error = set(builder(), value).build().unwrap_err().to_string();
            assert!(error.contains(setting) && error.contains(&value.to_string()), "{error}");
            assert!(error.contains("accepted is"), "{error}");
        }
    }
}

/// After a burst most of the budget is charged for chunks and buffers that are cached for reuse: how
/// much it is depends on the threads, hence the rounds.
#[test]
fn a_large_span_gets_the_memory_that_is_cached() {
    for _ in 0..4 {
        let accept = |_request: Bytes| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Outcome::Accepted { rejected: 0, message: None }
        };
        let spanwise = builder()
            .with_sink(accept)
            .with_budget_bytes(1 << 20)
            .with_scheduled_delay(Duration::from_secs(60))
            .with_on_full(OnFull::Wait(Duration::from_secs(10)))
            .build()
            .unwrap();
        let tracer = spanwise.tracer("budget");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..20_000).for_each(|_| span(&tracer)));
            }
        });
        let mut large = tracer.root("large", SpanKind::Server);
        large.set_attribute(KeyValue::new("text", "x".repeat(60_000)));
        large.end();
        let report = spanwise.shutdown_timeout(LONG).unwrap();
        assert_eq!(report.ledger.exported, 60_001, "{report}");
    }
}
