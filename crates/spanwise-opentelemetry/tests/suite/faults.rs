//! Network faults: the processor's ledger has the exact outcome of every span.

use crate::support;

use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::SpanProcessor as _;
use spanwise_opentelemetry::{BatchSpanProcessor, Counter, DropReason};
use spanwise_receiver::{Answer, Receiver};
use spanwise_testkit::{ClosedPort, Fault, FaultProxy};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{LONG, assert_idle, processor, provider, span};

#[test]
fn each_response_has_its_outcome_and_a_flush_names_it() {
    let refuse = |http_status| Answer::Refuse {
        http_status,
        grpc_code: 13,
        message: "no".into(),
        retry_after: None,
    };
    let partial = |rejected| Answer::Partial { rejected, message: "bad ones".into() };
    for (answer, exported, reason) in [
        (Answer::Accept, 100, None),
        (partial(0), 100, None),
        (partial(30), 70, Some((DropReason::PartialRejected, 30))),
        (refuse(401), 0, Some((DropReason::Rejected, 100))),
        (refuse(413), 0, Some((DropReason::TooLarge, 100))),
        (refuse(503), 0, Some((DropReason::RetryDeadline, 100))),
    ] {
        let given = answer.clone();
        let receiver = Receiver::builder().with_handler(move |_| given.clone()).start().unwrap();
        let processor = processor()
            .with_endpoint(receiver.http_endpoint())
            .with_export_timeout(Duration::from_millis(400))
            .build()
            .unwrap();
        let provider = provider(&processor);
        let tracer = provider.tracer("faults");
        (0..100).for_each(|_| drop(tracer.start("span")));
        let flushed = processor.force_flush();
        match reason {
            None => flushed.unwrap(),
            Some((reason, spans)) => {
                let Err(OTelSdkError::InternalFailure(text)) = flushed else {
                    panic!("{flushed:?}")
                };
                assert!(text.contains(&format!("{reason} {spans}")), "{text}");
            }
        }
        // All outcomes are known, so the shutdown has nothing to lose.
        provider.shutdown().unwrap();
        let ledger = processor.ledger();
        assert_idle(&ledger);
        assert_eq!(ledger.exported, exported, "{answer:?}");
        assert_eq!(ledger.drops().next(), reason, "{answer:?}");
    }
}

#[test]
fn a_receiver_that_recovers_gets_every_span() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    for fault in [Fault::Refuse, Fault::BlackHole, Fault::ResetAfterRequestBytes(100)] {
        proxy.set(fault);
        let processor = processor()
            .with_endpoint(proxy.endpoint())
            .with_attempt_timeout(Duration::from_millis(100))
            .with_shutdown_timeout(LONG)
            .build()
            .unwrap();
        let (before, connections) = (collected.spans(), proxy.traffic().connections);
        (1..=100).for_each(|id| processor.on_end(span(id)));
        std::thread::scope(|scope| {
            let flush = scope.spawn(|| processor.force_flush());
            // A second connection proves that an attempt met the fault before the test removes it.
            let met = proxy.wait_timeout(LONG, |traffic| traffic.connections > connections + 1);
            proxy.set(Fault::Pass);
            assert!(met, "{fault:?}");
            flush.join().unwrap().unwrap();
        });
        processor.shutdown().unwrap();
        let ledger = processor.ledger();
        assert_idle(&ledger);
        assert_eq!(ledger.exported, 100, "{fault:?}");
        assert!(ledger.counter(Counter::Retries) > 0);
        // Duplicates are possible, losses are not.
        assert!(collected.spans() >= before + 100);
    }
}

#[test]
fn the_ledger_counts_every_span_of_an_overload() {
    let slow = |_| Answer::Accept.after(Duration::from_millis(20));
    let receiver = Receiver::builder().with_handler(slow).start().unwrap();
    let processor = processor()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(1 << 20)
        .build()
        .unwrap();
    let provider = provider(&processor);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let tracer = provider.tracer("overload");
            scope.spawn(move || (0..25_000).for_each(|_| drop(tracer.start("span"))));
        }
    });
    provider.shutdown_with_timeout(LONG).unwrap();
    let ledger = processor.ledger();
    assert_idle(&ledger);
    assert_eq!(ledger.created, 100_000);
    assert_eq!(ledger.exported + ledger.dropped_total(), 100_000);
    assert_eq!(receiver.stats().spans, ledger.exported);
    assert!(processor.buffered_bytes().1 <= 1 << 20);
}

#[test]
fn losses_are_reported_as_by_the_native_provider() {
    let port = ClosedPort::new().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let processor = BatchSpanProcessor::builder()
        .with_environment(|_| None)
        .with_diagnostics(move |diagnostic| log.lock().unwrap().push(diagnostic.to_string()))
        .with_endpoint(port.endpoint().unwrap())
        .with_export_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    (1..=7).for_each(|id| processor.on_end(span(id)));
    processor.shutdown_with_timeout(LONG).unwrap_err();
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("cannot export")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("retry_deadline 7")), "{lines:?}");
}
