//! `OTEL_BSP_MAX_QUEUE_SIZE`: a limit on the number of queued spans beside the byte budget (specification, *SDK
//! environment variables*, *Batch Span Processor*: "Maximum queue size"; *Trace SDK*, *Batching
//! processor*: "After the size is reached spans are dropped"). The oracle is the number of spans that
//! the test ended, and of those that its receiver holds.

use crate::support;

use spanwise_sdk::{Bytes, DropReason, OnFull, Outcome, SpanKind, Spanwise, SpanwiseBuilder};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::{DiagnosticLog, LONG, assert_idle, builder};
use tokio::sync::watch;

/// A sink that holds each request until the test calls `open`, and counts its spans.
struct Held {
    door: watch::Sender<bool>,
    requests: Arc<Mutex<Vec<u64>>>,
}

impl Held {
    fn new() -> Self {
        Self { door: watch::Sender::new(false), requests: Arc::default() }
    }

    /// A builder that exports to this sink, one request at a time.
    fn behind(&self, builder: SpanwiseBuilder) -> SpanwiseBuilder {
        let (door, requests) = (self.door.clone(), self.requests.clone());
        let sink = move |request: Bytes| {
            let request = spanwise_testkit::decode(&request);
            requests.lock().unwrap().push(spanwise_testkit::spans(&request).count() as u64);
            let mut door = door.subscribe();
            async move {
                let _closed = door.wait_for(|open| *open).await;
                Outcome::Accepted { rejected: 0, message: None }
            }
        };
        builder
            .with_sink(sink)
            .with_max_in_flight(1)
            .with_scheduled_delay(Duration::from_millis(10))
            .with_attempt_timeout(Duration::from_secs(3600))
            .with_export_timeout(Duration::from_secs(3600))
    }

    /// Makes the sink hold one request of one span, so that later spans stay in the queue.
    fn hold_one(&self, spanwise: &Spanwise) {
        end_spans(spanwise, 1);
        let patience = Instant::now() + LONG;
        while self.requests.lock().unwrap().is_empty() {
            assert!(Instant::now() < patience, "the sink got no request");
            thread::yield_now();
        }
    }

    fn open(&self) {
        self.door.send_replace(true);
    }
}

fn end_spans(spanwise: &Spanwise, spans: usize) {
    let tracer = spanwise.tracer("queue");
    (0..spans).for_each(|_| drop(tracer.root("span", SpanKind::Internal)));
}

/// The smallest size that is accepted, the default of the stock SDK, and a large one.
#[test]
fn the_queue_holds_at_most_its_size_and_at_least_half_of_it() {
    for size in [16usize, 2048, 100_000] {
        for threads in [1usize, 8] {
            let held = Held::new();
            let big = builder().with_budget_bytes(512 << 20).with_max_queue_size(size);
            let spanwise = held.behind(big).build().unwrap();
            held.hold_one(&spanwise);
            for _ in 0..20 {
                thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| end_spans(&spanwise, size / (10 * threads) + 1));
                    }
                });
                // No thread ends spans now, so the ledger is exact: queued spans, and the held one.
                let waiting = spanwise.ledger().in_flight - 1;
                assert!(waiting <= size as u64, "{waiting} of {size}");
            }
            let ledger = spanwise.ledger();
            let waiting = ledger.in_flight - 1;
            let usable = if threads == 1 { size } else { size / 2 } as u64;
            assert!((usable..=size as u64).contains(&waiting), "{waiting} of {size}: {ledger:?}");
            assert_eq!(ledger.dropped(DropReason::QueueFull), ledger.created - 1 - waiting);
            assert_eq!(ledger.dropped_total(), ledger.dropped(DropReason::QueueFull));

            held.open();
            let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
            assert_idle(&ledger);
            assert_eq!(ledger.exported, waiting + 1);
            assert_eq!(held.requests.lock().unwrap().iter().sum::<u64>(), ledger.exported);
        }
    }
}

/// `OnFull::Wait`: the schedule alone would free no slot for an hour.
#[test]
fn a_producer_that_waits_for_a_slot_loses_no_span() {
    let held = Held::new();
    held.open();
    let spanwise = held
        .behind(builder())
        .with_max_queue_size(32)
        .with_scheduled_delay(Duration::from_secs(3600))
        .with_on_full(OnFull::Wait(LONG))
        .build()
        .unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| end_spans(&spanwise, 500));
        }
    });
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (4000, 4000));
}

/// A producer whose wait times out drops its span as `queue_full`.
#[test]
fn a_wait_that_times_out_is_counted() {
    let held = Held::new();
    let spanwise = held
        .behind(builder())
        .with_max_queue_size(16)
        .with_on_full(OnFull::Wait(Duration::from_millis(1)))
        .build()
        .unwrap();
    held.hold_one(&spanwise);
    end_spans(&spanwise, 20);
    assert_eq!(spanwise.ledger().dropped(DropReason::QueueFull), 4);
    held.open();
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
}

/// The number of spans that stay in the queue behind a held request, of 5000 that end.
fn waiting_of_many(builder: SpanwiseBuilder) -> u64 {
    let held = Held::new();
    let spanwise = held.behind(builder).build().unwrap();
    held.hold_one(&spanwise);
    end_spans(&spanwise, 5000);
    let waiting = spanwise.ledger().in_flight - 1;
    held.open();
    assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
    waiting
}

fn with(pairs: &'static [(&'static str, &'static str)]) -> SpanwiseBuilder {
    builder().with_environment(move |name| {
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

/// Code precedes the variable; the default is no limit. An invalid value is reported (specification,
/// *Environment variables*, *Numeric value*: "SHOULD gracefully ignore the setting and SHOULD warn").
#[test]
fn code_precedes_the_variable() {
    let variable = || with(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]);
    assert_eq!(waiting_of_many(variable()), 100);
    assert_eq!(waiting_of_many(variable().with_max_queue_size(64)), 64);
    assert_eq!(waiting_of_many(builder()), 5000);
    for bad in ["0", "15", "-1", "many", "16777217", "99999999999999999999"] {
        let log = DiagnosticLog::default();
        let variable = builder().with_environment(move |name| {
            (name == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| bad.to_owned())
        });
        assert_eq!(waiting_of_many(log.attach(variable)), 5000, "{bad}");
        let lines = log.lines();
        let reported = lines.iter().filter(|line| line.contains("OTEL_BSP_MAX_QUEUE_SIZE")).count();
        assert_eq!(reported, 1, "{bad}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains(bad) && line.contains("16 to 16777216")));
    }
}

#[test]
fn a_size_out_of_range_in_code_is_an_error() {
    for size in [0, 1, 15, (1 << 24) + 1, usize::MAX] {
        let error = builder().with_max_queue_size(size).build().unwrap_err().to_string();
        let parts = ["with_max_queue_size", "16 to 16777216 spans", &size.to_string()];
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

/// "`maxExportBatchSize` - the maximum batch size of every export. It must be smaller or equal to
/// `maxQueueSize`" (*Batching processor*).
#[test]
fn a_request_has_at_most_the_queues_size_of_spans() {
    let largest_request = |builder: SpanwiseBuilder| {
        let held = Held::new();
        let spanwise = held.behind(builder).build().unwrap();
        held.hold_one(&spanwise);
        end_spans(&spanwise, 200);
        held.open();
        assert_idle(&spanwise.shutdown_timeout(LONG).unwrap().ledger);
        let requests = held.requests.lock().unwrap();
        requests.iter().copied().max().unwrap()
    };
    assert!(largest_request(builder().with_max_queue_size(64)) <= 64);

    let error =
        builder().with_max_queue_size(64).with_max_export_batch_size(65).build().unwrap_err();
    let error = error.to_string();
    assert!(error.contains("with_max_export_batch_size=`65`") && error.contains("64"), "{error}");

    let environment: &[_] =
        &[("OTEL_BSP_MAX_QUEUE_SIZE", "64"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512")];
    let batch: &[_] = &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512")];
    let queue: &[_] = &[("OTEL_BSP_MAX_QUEUE_SIZE", "64")];
    for (builder, setting) in [
        (with(environment), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=`512`"),
        (with(batch).with_max_queue_size(64), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=`512`"),
        (with(queue).with_max_export_batch_size(512), "with_max_export_batch_size=`512`"),
    ] {
        let log = DiagnosticLog::default();
        assert!(largest_request(log.attach(builder)) <= 64);
        let lines = log.lines();
        let reported = lines.iter().filter(|line| line.contains(setting) && line.contains("64"));
        assert_eq!(reported.count(), 1, "{lines:?}");
    }
}
