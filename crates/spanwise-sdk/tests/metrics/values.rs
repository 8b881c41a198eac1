//! The values under load and faults: they are those of the ledger, and add up.

use crate::points::{histograms, make, sum, text};
use crate::support::{LONG, builder, wait_until_idle};
use spanwise_metrics::MetricsSnapshot;
use spanwise_receiver::{Answer, Receiver};
use spanwise_sdk::{Compression, DropReason, OnFull, SpanKind, Spanwise};
use spanwise_testkit::ClosedPort;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

const SAMPLED: (&str, &str) = ("otel.span.sampling_result", "RECORD_AND_SAMPLE");

/// Every span is in one state: live, waiting, in flight, or finished.
fn assert_flow(snapshot: &MetricsSnapshot) {
    let started = sum(snapshot, "otel.sdk.span.started", &[]);
    assert_eq!(started, sum(snapshot, "otel_spans_created", &[]));
    let exported = sum(snapshot, "otel.sdk.exporter.span.exported", &[("error.type", "")]);
    assert_eq!(exported, sum(snapshot, "otel_spans_exported", &[]));
    let failed = sum(snapshot, "otel.sdk.exporter.span.exported", &[]) - exported;
    let in_flight = sum(snapshot, "otel.sdk.exporter.span.inflight", &[]);
    let processed = sum(snapshot, "otel.sdk.processor.span.processed", &[("error.type", "")]);
    let tail = sum(snapshot, "spanwise_spans_not_sampled", &[("outcome", "tail_not_sampled")])
        + sum(snapshot, "spanwise_spans_not_sampled", &[("outcome", "tail_dropped")]);
    assert_eq!(processed, exported + failed + in_flight + tail);
    let lost = sum(snapshot, "otel.sdk.processor.span.processed", &[]) - processed;
    assert_eq!(lost + failed, sum(snapshot, "otel_spans_dropped", &[]));
    let due = started - sum(snapshot, "spanwise_spans_not_sampled", &[("outcome", "sampled_out")]);
    let waiting = sum(snapshot, "otel.sdk.processor.span.queue.size", &[]);
    let live = sum(snapshot, "otel.sdk.span.live", &[]);
    assert_eq!(due, live + waiting + processed + lost);
}

fn assert_nothing_in_flight(snapshot: &MetricsSnapshot) {
    for name in [
        "otel.sdk.span.live",
        "otel.sdk.processor.span.queue.size",
        "otel.sdk.exporter.span.inflight",
    ] {
        assert_eq!(sum(snapshot, name, &[]), 0, "{name}");
    }
}

fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let patience = Instant::now() + LONG;
    while !is_true() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_span_is_live_then_queued_then_in_flight_then_exported() {
    let answer = std::sync::Arc::new(AtomicBool::new(false));
    let may_answer = answer.clone();
    let handler = move |_| {
        while !may_answer.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Answer::Accept
    };
    let receiver = Receiver::builder().with_handler(handler).start().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_scheduled_delay(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let tracer = spanwise.tracer("flow");
    let open: Vec<_> = (0..5).map(|_| tracer.root("open", SpanKind::Server)).collect();
    make(&spanwise, 7);
    let snapshot = spanwise.metrics();
    assert_flow(&snapshot);
    assert_eq!(sum(&snapshot, "otel.sdk.span.live", &[SAMPLED]), 5);
    assert_eq!(sum(&snapshot, "otel.sdk.processor.span.queue.size", &[]), 7);
    assert_eq!(sum(&snapshot, "otel.sdk.processor.span.processed", &[]), 0);

    let flush = std::thread::spawn({
        let spanwise = spanwise.clone();
        move || spanwise.force_flush_timeout(LONG).unwrap()
    });
    wait_for("a request on its way", || {
        let snapshot = spanwise.metrics();
        sum(&snapshot, "otel.sdk.exporter.span.inflight", &[]) == 7
            && sum(&snapshot, "spanwise_exporter_connections", &[]) == 1
    });
    let snapshot = spanwise.metrics();
    assert_flow(&snapshot);
    // Counted when the export is invoked, and not when it ends.
    assert_eq!(sum(&snapshot, "otel.sdk.processor.span.processed", &[("error.type", "")]), 7);
    assert_eq!(sum(&snapshot, "otel.sdk.processor.span.queue.size", &[]), 0);
    assert_eq!(sum(&snapshot, "otel.sdk.exporter.span.exported", &[]), 0);
    assert_eq!(sum(&snapshot, "spanwise_exporter_requests", &[]), 1);
    answer.store(true, SeqCst);
    flush.join().unwrap();
    drop(open);
    let _report = spanwise.shutdown_timeout(LONG).unwrap();
    let snapshot = spanwise.metrics();
    assert_flow(&snapshot);
    assert_nothing_in_flight(&snapshot);
    assert_eq!(sum(&snapshot, "otel.sdk.exporter.span.exported", &[("error.type", "")]), 12);
    let created = histograms(&snapshot, "otel_span_creation_duration_seconds");
    assert!(created[0].count() <= 12, "not every span is timed");
}

#[test]
fn retries_count_once_and_rejected_spans_as_failed() {
    let answers = [
        Answer::Refuse {
            http_status: 503,
            grpc_code: 14,
            message: "later".into(),
            retry_after: None,
        },
        Answer::Partial { rejected: 30, message: "bad ones".into() },
    ];
    let next = std::sync::atomic::AtomicUsize::new(0);
    let handler = move |_| answers[next.fetch_add(1, SeqCst).min(1)].clone();
    let receiver = Receiver::builder().with_handler(handler).start().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_compression(Compression::Gzip)
        .with_scheduled_delay(Duration::from_secs(3_600))
        .build()
        .unwrap();
    make(&spanwise, 100);
    let _partial = spanwise.shutdown_timeout(LONG);
    let snapshot = spanwise.metrics();
    assert_flow(&snapshot);
    assert_nothing_in_flight(&snapshot);
    let exported =
        |error| sum(&snapshot, "otel.sdk.exporter.span.exported", &[("error.type", error)]);
    assert_eq!((exported(""), exported("rejected")), (70, 30));
    assert_eq!(sum(&snapshot, "spanwise_exporter_requests", &[]), 1);
    assert_eq!(sum(&snapshot, "spanwise_exporter_retries", &[]), 1);
    let durations = histograms(&snapshot, "otel.sdk.exporter.operation.duration");
    assert_eq!(durations.len(), 1, "one for both attempts");
    assert_eq!(text(durations[0].attributes(), "http.response.status_code"), "200");
    assert_eq!(text(durations[0].attributes(), "error.type"), "", "the operation succeeded");
    let [plain, sent] =
        ["spanwise_exporter_uncompressed_bytes", "spanwise_exporter_compressed_bytes"]
            .map(|name| sum(&snapshot, name, &[]));
    assert!(plain > sent && sent > 0, "{plain} {sent}");
    for name in ["otel_export_duration_seconds", "otel_batch_processing_duration_seconds"] {
        let point = &histograms(&snapshot, name)[0];
        assert!(point.count() == 1 && point.sum() > 0.0, "{name} {point:?}");
    }
}

#[test]
fn spans_for_a_closed_port_fail_in_the_exporter() {
    let port = ClosedPort::new().unwrap();
    let spanwise = builder()
        .with_endpoint(port.endpoint().unwrap())
        .with_attempt_timeout(Duration::from_millis(100))
        .with_export_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    make(&spanwise, 10);
    let _lost = spanwise.shutdown_timeout(LONG);
    let snapshot = spanwise.metrics();
    assert_flow(&snapshot);
    let failed = [("error.type", "retry_deadline")];
    assert_eq!(sum(&snapshot, "otel.sdk.exporter.span.exported", &failed), 10);
    assert_eq!(sum(&snapshot, "otel.sdk.processor.span.processed", &failed), 0);
    let duration = &histograms(&snapshot, "otel.sdk.exporter.operation.duration")[0];
    assert_eq!(text(duration.attributes(), "error.type"), "retry_deadline");
    assert_eq!(text(duration.attributes(), "http.response.status_code"), "", "no response came");
    assert!(sum(&snapshot, "spanwise_exporter_retries", &[]) > 0);
    assert_eq!(sum(&snapshot, "spanwise_exporter_connections", &[]), 0);
}

#[test]
fn an_overload_counts_under_queue_full_and_a_late_span_under_already_shutdown() {
    let slow = |_| Answer::Accept.after(Duration::from_millis(20));
    let receiver = Receiver::builder().with_handler(slow).start().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(1 << 20)
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| make(&spanwise, 40_000))));
        // While they run, no number is negative, and none is larger than its whole.
        for _ in 0..20 {
            let snapshot = spanwise.metrics();
            let created = sum(&snapshot, "otel_spans_created", &[]);
            for name in ["otel.sdk.span.live", "otel.sdk.processor.span.queue.size"] {
                assert!(sum(&snapshot, name, &[]) <= created.max(160_000), "{name}");
            }
        }
    });
    let late = spanwise.tracer("late").root("late", SpanKind::Internal);
    let report = spanwise.shutdown_timeout(LONG).unwrap();
    late.finish();
    let _ended = wait_until_idle(&spanwise);
    let snapshot = spanwise.metrics();
    assert_flow(&snapshot);
    assert_nothing_in_flight(&snapshot);
    let lost = report.ledger.dropped(DropReason::QueueBytes);
    assert!(lost > 0);
    let processed =
        |error| sum(&snapshot, "otel.sdk.processor.span.processed", &[("error.type", error)]);
    assert_eq!(processed("queue_full"), lost);
    assert!(processed("already_shutdown") <= 1);
    assert_eq!(sum(&snapshot, "otel_spans_dropped", &[("reason", "queue_bytes")]), lost);
    assert!(
        sum(&snapshot, "spanwise_pool_hits", &[]) > sum(&snapshot, "spanwise_pool_misses", &[])
    );
    assert_eq!(sum(&snapshot, "spanwise_budget_bytes", &[]), 1 << 20);
}

#[test]
fn the_end_of_a_span_that_waits_is_a_stall() {
    let slow = |_| Answer::Accept.after(Duration::from_millis(50));
    let receiver = Receiver::builder().with_handler(slow).start().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(1 << 20)
        .with_on_full(OnFull::Wait(Duration::from_secs(20)))
        .build()
        .unwrap();
    make(&spanwise, 60_000);
    let snapshot = spanwise.metrics();
    for name in ["otel_sdk_stall_duration_seconds", "otel_sdk_gc_pause_duration_seconds"] {
        let point = &histograms(&snapshot, name)[0];
        assert!(point.count() > 0 && point.sum() > 0.0, "{name} {point:?}");
    }
    let _report = spanwise.shutdown_timeout(LONG).unwrap();
}

#[test]
fn the_worker_measures_its_cpu_time_and_times_few_creations() {
    let receiver = Receiver::builder().start().unwrap();
    let spanwise = builder()
        .with_endpoint(receiver.http_endpoint())
        .with_scheduled_delay(Duration::from_millis(10))
        .build()
        .unwrap();
    let number = |snapshot: &MetricsSnapshot, name| {
        snapshot.get(name).unwrap().data.numbers().unwrap()[0].value.as_f64()
    };
    let mut made = 0_u64;
    wait_for("a rate", || {
        make(&spanwise, 1_000);
        made += 1_000;
        let snapshot = spanwise.metrics();
        number(&snapshot, "otel_exporter_cpu_usage_percent") > 0.0
            && number(&snapshot, "otel_sdk_cpu_usage_percent")
                > number(&snapshot, "otel_exporter_cpu_usage_percent")
    });
    let snapshot = spanwise.metrics();
    let timed = histograms(&snapshot, "otel_span_creation_duration_seconds")[0].clone();
    assert!(timed.count() > 0 && timed.sum() > 0.0, "{timed:?}");
    assert!(timed.count() < made / 10, "{} of {made}", timed.count());
    let _report = spanwise.shutdown_timeout(LONG).unwrap();
    wait_for("the end of the thread", || {
        number(&spanwise.metrics(), "otel_exporter_cpu_usage_percent") == 0.0
    });
}

/// Otherwise the highest quantile of requests that fail by their timeout is the largest bound.
#[test]
fn a_bucket_has_the_requests_that_end_by_the_default_export_timeout() {
    let settings = spanwise_sdk::settings::settings();
    let timeout = settings.iter().find(|it| it.name() == "OTEL_BSP_EXPORT_TIMEOUT").unwrap();
    let timeout = timeout.default.parse::<f64>().unwrap() / 1e3;
    let spanwise: Spanwise = builder().build().unwrap();
    let snapshot = spanwise.metrics();
    let point = &histograms(&snapshot, "otel_export_duration_seconds")[0];
    assert!(*point.bounds().last().unwrap() > timeout, "{point:?}");
    let _report = spanwise.shutdown_timeout(LONG);
}

#[test]
fn a_shutdown_leaves_the_values_as_they_are() {
    let receiver = Receiver::builder().start().unwrap();
    let spanwise: Spanwise = builder().with_endpoint(receiver.http_endpoint()).build().unwrap();
    make(&spanwise, 3);
    let _report = spanwise.shutdown_timeout(LONG).unwrap();
    make(&spanwise, 5);
    let snapshot = spanwise.metrics();
    assert_flow(&snapshot);
    assert_eq!(sum(&snapshot, "otel_spans_exported", &[]), 3);
}
