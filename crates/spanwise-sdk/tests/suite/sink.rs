//! `with_sink`: the exporter passes requests to a function instead of the network.

use crate::support;

use spanwise_sdk::{
    Bytes, Counter, DropReason, Failure, Outcome, ResponseStatus, Sink, SinkFuture, SpanKind,
};
use std::future::ready;
use std::sync::{Arc, Mutex};
use support::{LONG, assert_idle, builder};

#[test]
fn a_sink_gets_every_span_once_and_the_ledger_counts_its_outcome() {
    let taken = Arc::new(Mutex::new(Vec::<Bytes>::new()));
    let requests = taken.clone();
    let sink = move |request: Bytes| {
        let mut requests = requests.lock().unwrap();
        // A copy, because the request's own memory stays charged to the budget.
        requests.push(Bytes::copy_from_slice(&request));
        // The sink rejects every second request, in whole or in part.
        ready(match requests.len() % 4 {
            0 => Outcome::Failed(Failure::Rejected { status: ResponseStatus::Http(400) }),
            2 => Outcome::Accepted { rejected: 7, message: None },
            _ => Outcome::Accepted { rejected: 0, message: None },
        })
    };
    let spanwise = builder().with_sink(sink).build().unwrap();
    let tracer = spanwise.tracer("sink");
    for burst in 0..40 {
        for _ in 0..100 {
            tracer.root("span", SpanKind::Internal).attribute("burst", burst);
        }
        spanwise.force_flush_timeout(LONG).unwrap();
    }
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);

    let taken = taken.lock().unwrap();
    let counts: Vec<u64> = taken
        .iter()
        .map(|request| spanwise_testkit::spans(&spanwise_testkit::decode(request)).count() as u64)
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 4000);
    let ledger = spanwise.ledger();
    let refused: u64 = counts.chunks(4).filter_map(|four| four.get(3)).sum();
    assert_eq!(ledger.dropped(DropReason::Rejected), refused);
    assert_eq!(ledger.dropped(DropReason::PartialRejected), 7 * ((counts.len() as u64 + 2) / 4));
    assert_eq!(ledger.counter(Counter::Requests), counts.len() as u64);
}

#[test]
fn a_sink_that_panics_loses_its_request_alone() {
    let sink = |request: Bytes| {
        assert!(request.is_empty(), "on purpose");
        ready(Outcome::Accepted { rejected: 0, message: None })
    };
    let spanwise = builder().with_sink(sink).build().unwrap();
    drop(spanwise.tracer("sink").root("span", SpanKind::Internal));
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    assert_eq!(spanwise.ledger().dropped(DropReason::ExporterPanic), 1);
}

/// A type that implements `Sink` with the exports of the crate's root alone.
#[test]
fn the_crate_exports_every_type_that_a_sink_needs() {
    struct Refusing;
    impl Sink for Refusing {
        fn take(&self, request: Bytes) -> SinkFuture<'_> {
            Box::pin(async move {
                assert!(!request.is_empty());
                Outcome::Failed(Failure::Rejected { status: ResponseStatus::Http(418) })
            })
        }
    }
    let spanwise = builder().with_sink(Refusing).build().unwrap();
    drop(spanwise.tracer("sink").root("span", SpanKind::Internal));
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    assert_eq!(spanwise.ledger().dropped(DropReason::Rejected), 1);
}
