//! Network faults: the ledger has the exact outcome of every span.

use crate::support;

use opentelemetry::trace::Tracer as _;
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::{Compression, Counter, DropReason, OnFull, Spanwise, SpanwiseBuilder};
use spanwise_testkit::{ClosedPort, Fault, FaultProxy};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use support::{DiagnosticLog, LONG, assert_idle, builder};

fn make(spanwise: &Spanwise, count: usize) {
    let tracer = spanwise.tracer("faults");
    for _ in 0..count {
        drop(tracer.start("span"));
    }
}

fn short_timeouts(builder: SpanwiseBuilder) -> SpanwiseBuilder {
    builder
        .with_attempt_timeout(Duration::from_millis(150))
        .with_export_timeout(Duration::from_millis(600))
}

#[test]
fn spans_for_a_closed_port_are_dropped_at_the_retry_deadline() {
    let port = ClosedPort::new().unwrap();
    let log = DiagnosticLog::default();
    let builder = log.attach(short_timeouts(builder())).with_endpoint(port.endpoint().unwrap());
    let spanwise = builder.build().unwrap();
    make(&spanwise, 100);
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    let ledger = spanwise.ledger();
    assert_eq!(ledger.dropped(DropReason::RetryDeadline), 100);
    assert!(ledger.counter(Counter::Retries) > 0);
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("cannot export")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("retry_deadline 100")), "{lines:?}");
}

#[test]
fn a_receiver_that_recovers_gets_every_span() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    for fault in [
        Fault::Refuse,
        Fault::BlackHole,
        Fault::StopReading,
        Fault::ResetAfterRequestBytes(100),
        Fault::CorruptResponse,
        Fault::DripResponse { bytes_per_tick: 1, tick: Duration::from_millis(400) },
    ] {
        proxy.set(fault);
        let spanwise = builder()
            .with_endpoint(proxy.endpoint())
            .with_attempt_timeout(Duration::from_millis(100))
            .build()
            .unwrap();
        let before = collected.spans();
        let connections = proxy.traffic().connections;
        make(&spanwise, 100);
        std::thread::scope(|scope| {
            let flush = scope.spawn(|| spanwise.force_flush_timeout(LONG).unwrap());
            // A second connection proves that at least one attempt met the fault before the test removes it.
            if fault == Fault::CorruptResponse {
                return;
            }
            assert!(
                proxy.wait_timeout(LONG, |traffic| traffic.connections > connections + 1),
                "{fault:?}"
            );
            proxy.set(Fault::Pass);
            drop(flush);
        });
        proxy.set(Fault::Pass);
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_idle(&ledger);
        let received = collected.spans() - before;
        if fault == Fault::CorruptResponse {
            // The response is not HTTP, so the outcome of the spans is ambiguous.
            assert_eq!(ledger.exported + ledger.dropped_total(), 100);
            continue;
        }
        assert_eq!(ledger.exported, 100, "{fault:?}");
        // The receiver may have stored an attempt whose response was lost: duplicates, never losses.
        assert!(received >= 100 && received.is_multiple_of(100), "{fault:?}: {received}");
    }
}

#[test]
fn a_connection_reset_mid_request_exports_no_span() {
    for bytes in [0, 1, 50, 200, 1000] {
        let (receiver, collected) = Receiver::collecting().unwrap();
        let proxy = FaultProxy::start(receiver.address()).unwrap();
        proxy.set(Fault::ResetAfterRequestBytes(bytes));
        let spanwise = short_timeouts(builder()).with_endpoint(proxy.endpoint()).build().unwrap();
        make(&spanwise, 100);
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_idle(&ledger);
        assert_eq!(ledger.created, 100);
        assert_eq!(ledger.exported, 0, "{bytes}");
        assert_eq!(collected.spans(), 0);
    }
}

#[test]
fn each_response_has_its_outcome() {
    let refuse = |http_status, retry_after| Answer::Refuse {
        http_status,
        grpc_code: 13,
        message: "no".into(),
        retry_after,
    };
    let partial = |rejected| Answer::Partial { rejected, message: "bad ones".into() };
    for (answer, exported, reason) in [
        (Answer::Accept, 100, None),
        (partial(0), 100, None),
        (partial(30), 70, Some((DropReason::PartialRejected, 30))),
        (partial(1_000), 0, Some((DropReason::PartialRejected, 100))),
        (partial(-5), 100, None),
        (refuse(400, None), 0, Some((DropReason::Rejected, 100))),
        (refuse(401, None), 0, Some((DropReason::Rejected, 100))),
        (refuse(404, None), 0, Some((DropReason::Rejected, 100))),
        (refuse(413, None), 0, Some((DropReason::TooLarge, 100))),
        (refuse(500, None), 0, Some((DropReason::Rejected, 100))),
        (refuse(503, None), 0, Some((DropReason::RetryDeadline, 100))),
        (refuse(429, Some(LONG)), 0, Some((DropReason::RetryDeadline, 100))),
    ] {
        let given = answer.clone();
        let receiver = Receiver::builder().with_handler(move |_| given.clone()).start().unwrap();
        let spanwise =
            short_timeouts(builder()).with_endpoint(receiver.http_endpoint()).build().unwrap();
        make(&spanwise, 100);
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_idle(&ledger);
        assert_eq!(ledger.exported, exported, "{answer:?}");
        assert_eq!(ledger.drops().next(), reason, "{answer:?}");
    }
}

#[test]
fn the_ledger_counts_every_span_of_an_overload() {
    let slow = |_| Answer::Accept.after(Duration::from_millis(20));
    let receiver = Receiver::builder().with_handler(slow).start().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(1 << 20)
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| make(&spanwise, 50_000))));
    });
    let (_, peak) = spanwise.buffered_bytes();
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!(ledger.created, 200_000);
    assert!(ledger.dropped(DropReason::QueueBytes) > 0);
    assert_eq!(ledger.exported + ledger.dropped(DropReason::QueueBytes), 200_000);
    assert_eq!(receiver.stats().spans, ledger.exported);
    assert!(peak <= 1 << 20);
    assert_eq!(spanwise.buffered_bytes().0, 0, "all memory is freed");
}

#[test]
fn a_caller_that_waits_loses_nothing() {
    let slow = |_| Answer::Accept.after(Duration::from_millis(2));
    let receiver = Receiver::builder().with_handler(slow).start().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(1 << 20)
        .with_on_full(OnFull::Wait(LONG))
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| make(&spanwise, 50_000))));
    });
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!((ledger.exported, receiver.stats().spans), (200_000, 200_000));
}

#[test]
fn a_caller_that_waits_drops_its_span_at_the_timeout() {
    let proxy = FaultProxy::start("127.0.0.1:9".parse().unwrap()).unwrap();
    proxy.set(Fault::BlackHole);
    let spanwise = builder()
        .with_endpoint(proxy.endpoint())
        .with_budget_bytes(1 << 20)
        .with_on_full(OnFull::Wait(Duration::from_millis(10)))
        .build()
        .unwrap();
    while spanwise.ledger().dropped(DropReason::QueueBytes) < 3 {
        make(&spanwise, 100);
    }
    let _ = spanwise.shutdown_timeout(Duration::from_millis(50));
    assert_idle(&support::wait_until_idle(&spanwise));
}

#[test]
fn requests_are_cut_by_their_encoded_size() {
    let largest = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = largest.clone();
    let receiver = Receiver::builder()
        .with_handler(move |export| {
            seen.fetch_max(export.body.len(), SeqCst);
            Answer::Accept
        })
        .start()
        .unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_max_request_bytes(64 << 10)
        .with_on_full(OnFull::Wait(LONG))
        .build()
        .unwrap();
    let tracer = spanwise.tracer("sizes");
    for size in [1usize, 100, 3_000, 20_000, 29_000].into_iter().cycle().take(2_000) {
        tracer.root("sized", spanwise_sdk::SpanKind::Internal).attribute("text", "x".repeat(size));
    }
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!((ledger.exported, receiver.stats().spans), (2_000, 2_000));
    let largest = largest.load(SeqCst);
    assert!(largest <= 64 << 10, "{largest}");
}

#[test]
fn gzip_requests_arrive() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_compression(Compression::Gzip)
        .build()
        .unwrap();
    make(&spanwise, 1_000);
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    assert_eq!(collected.spans(), 1_000);
}

#[cfg(feature = "grpc")]
#[test]
fn grpc_answers_like_http() {
    use spanwise_sdk::Protocol;
    for (grpc_code, reason) in [
        (3, Some(DropReason::Rejected)),
        (8, Some(DropReason::Rejected)),
        (14, Some(DropReason::RetryDeadline)),
        (0, None),
    ] {
        let answer = move |_| match grpc_code {
            0 => Answer::Accept,
            _ => Answer::Refuse {
                http_status: 500,
                grpc_code,
                message: "no".into(),
                retry_after: None,
            },
        };
        let receiver = Receiver::builder().with_handler(answer).start().unwrap();
        // An answer that a busy machine delays beyond the timeout of its attempt would be ambiguous.
        let spanwise = builder()
            .with_attempt_timeout(LONG)
            .with_export_timeout(Duration::from_secs(3))
            .with_protocol(Protocol::Grpc)
            .with_endpoint(receiver.http_endpoint())
            .build()
            .unwrap();
        make(&spanwise, 100);
        let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
        assert_idle(&ledger);
        assert_eq!(ledger.drops().next(), reason.map(|reason| (reason, 100)), "{grpc_code}");
    }
}

#[test]
fn a_diagnostics_handler_that_panics_stops_no_export() {
    let receiver = Receiver::builder()
        .with_handler(|_| Answer::Refuse {
            http_status: 400,
            grpc_code: 3,
            message: String::new(),
            retry_after: None,
        })
        .start()
        .unwrap();
    let spanwise = Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| panic!("on purpose"))
        .with_endpoint(receiver.http_endpoint())
        .build()
        .unwrap();
    for _ in 0..3 {
        make(&spanwise, 10);
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    assert_eq!(spanwise.ledger().dropped(DropReason::Rejected), 30);
}
