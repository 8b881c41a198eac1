//! The lifecycle of tail sampling in the application, and functions that panic, block or use the provider. The oracles are a
//! receiver that decodes with prost, and the numbers of spans that a test started.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_sampling::Sampler;
use spanwise_sdk::{
    Bytes, CheckStatus, Counter, Exporter, LocalTrace, Outcome, Span, SpanKind, Spanwise,
    TailSampling, Tracer,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Bench, DiagnosticLog, LONG, assert_idle, bench, builder, wait_until_idle};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    Error,
}

/// A trace of three spans; the root ends last.
fn trace(tracer: &Tracer, kind: Kind) {
    let root = tracer.root("GET /orders", SpanKind::Server);
    let child = tracer.child("handler", SpanKind::Internal, root.context());
    let mut query = tracer.child("SELECT", SpanKind::Client, child.context());
    query.attribute("db.system.name", "postgresql");
    if kind == Kind::Error {
        query.error("deadlock");
    }
    query.finish();
    child.finish();
    root.finish();
}

#[test]
fn a_panic_of_the_function_exports_its_trace_and_is_reported() {
    let log = DiagnosticLog::default();
    let bench = bench(|builder| {
        log.attach(builder).with_tail_sampling(|trace: &LocalTrace<'_>| {
            assert!(!trace.has_error(), "of the function");
            false
        })
    });
    let tracer = bench.spanwise.tracer("tail");
    for kind in [Kind::Usual, Kind::Error, Kind::Usual] {
        trace(&tracer, kind);
    }
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 3);
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.created, ledger.tail_not_sampled), (9, 6));
    assert_eq!(ledger.counter(Counter::TailPanicked), 1);
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("of the function")), "{lines:?}");
}

#[test]
fn a_function_that_blocks_delays_no_span_of_the_program() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let bench = bench(|builder| {
        builder.with_scheduled_delay(Duration::from_millis(1)).with_tail_sampling(
            move |_: &LocalTrace<'_>| {
                let _released = blocked.lock().unwrap().recv_timeout(LONG);
                true
            },
        )
    });
    let tracer = bench.spanwise.tracer("tail");
    let start = Instant::now();
    for _ in 0..2_000 {
        trace(&tracer, Kind::Usual);
    }
    // The exporter is within the function, and a flush returns by its deadline.
    assert!(bench.spanwise.force_flush_timeout(Duration::from_millis(20)).is_err());
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    drop(release);
    bench.finish();
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.created, ledger.exported), (6_000, 6_000));
}

#[test]
fn a_function_may_use_the_provider() {
    let provider = Arc::new(Mutex::new(None::<Spanwise>));
    let own = provider.clone();
    let bench = bench(|builder| {
        builder.with_tail_sampling(move |_: &LocalTrace<'_>| {
            let guard = own.lock().unwrap();
            let provider = guard.as_ref().unwrap();
            // The exporter's thread is suppressed: this makes no further span.
            let tracer = provider.tracer("within");
            assert!(!tracer.root("within", SpanKind::Internal).is_recording());
            assert!(provider.force_flush_timeout(LONG).is_err(), "on the exporter's thread");
            assert!(provider.ledger().created > 0);
            true
        })
    });
    *provider.lock().unwrap() = Some(bench.spanwise.clone());
    trace(&bench.spanwise.tracer("tail"), Kind::Usual);
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 3);
    assert_eq!(bench.spanwise.ledger().counter(Counter::TailPanicked), 0);
    provider.lock().unwrap().take();
}

#[test]
fn a_flush_decides_about_all_traces_and_late_spans_follow() {
    let bench = bench(|builder| {
        let tail = TailSampling::new(|trace: &LocalTrace<'_>| trace.has_error())
            .with_decision_wait(Duration::from_secs(3600));
        builder.with_tail_sampling(tail)
    });
    let tracer = bench.spanwise.tracer("tail");
    let open = tracer.root("open", SpanKind::Server);
    let context = open.context().clone();
    let mut child = tracer.child("error", SpanKind::Internal, &context);
    child.error("no stock");
    child.finish();
    // No local root has ended, and the wait is an hour.
    bench.spanwise.force_flush_timeout(LONG).unwrap();
    assert_eq!(bench.spanwise.ledger().exported, 1);
    open.finish();
    tracer.child("late", SpanKind::Internal, &context).finish();
    bench.finish();
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.created, ledger.exported), (3, 3));
}

#[test]
fn a_shutdown_decides_or_drops_the_traces_that_wait() {
    for drops in [false, true] {
        let bench = bench(|builder| {
            let tail = TailSampling::new(|_: &LocalTrace<'_>| true)
                .with_drop_pending_traces_on_shutdown(drops);
            builder.with_tail_sampling(tail)
        });
        let tracer = bench.spanwise.tracer("tail");
        let open = tracer.root("open", SpanKind::Server);
        tracer.child("child", SpanKind::Internal, open.context()).finish();
        bench.finish_with_open(open, drops);
    }
}

impl Bench {
    fn finish_with_open(&self, open: Span, drops: bool) {
        let _in_flight = self.spanwise.shutdown_timeout(LONG);
        let ledger = self.spanwise.ledger();
        let expected = if drops { (0, 1) } else { (1, 0) };
        assert_eq!((ledger.exported, ledger.tail_dropped), expected);
        drop(open);
        assert_idle(&wait_until_idle(&self.spanwise));
    }
}

#[test]
fn a_small_budget_decides_early_and_every_span_has_an_outcome() {
    let bench = bench(|builder| {
        let tail = TailSampling::new(|_: &LocalTrace<'_>| false)
            .with_decision_wait(Duration::from_secs(3600))
            .with_decision_wait_after_root_received(Duration::from_secs(3600));
        builder.with_budget_bytes(1 << 20).with_tail_sampling(tail)
    });
    let tracer = bench.spanwise.tracer("tail");
    for _ in 0..20_000 {
        trace(&tracer, Kind::Usual);
    }
    bench.finish();
    let ledger = bench.spanwise.ledger();
    assert_idle(&ledger);
    assert_eq!(ledger.exported, 0);
    assert!(ledger.counter(Counter::TailDecidedEarly) > 0, "{ledger}");
    assert!(ledger.tail_not_sampled > 0);
}

#[test]
#[cfg(unix)]
fn a_forked_child_counts_its_spans_as_lost() {
    let bench = bench(|builder| builder.with_tail_sampling(|_: &LocalTrace<'_>| true));
    let tracer = bench.spanwise.tracer("tail");
    trace(&tracer, Kind::Usual);
    let lost = spanwise_testkit::in_forked_child(|out| {
        let before = bench.spanwise.ledger();
        trace(&tracer, Kind::Usual);
        let since = bench.spanwise.ledger().since(&before);
        out.write_all(format!("{} of {}", since.dropped_total(), since.created).as_bytes())
            .unwrap();
    });
    assert_eq!(String::from_utf8(lost).unwrap(), "3 of 3");
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 3);
}

#[test]
fn a_setting_out_of_range_is_an_error_and_an_unused_one_is_reported() {
    let tail = TailSampling::new(|_: &LocalTrace<'_>| true);
    let long = Duration::from_secs(90_000);
    for (tail, expected) in [
        (
            tail.clone().with_num_traces(0),
            "with_tail_sampling=`a function, decision_wait 30s, num_traces 0`: num_traces: 0 is out of range; accepted is 1 or more",
        ),
        (
            tail.clone().with_max_spans_per_trace(0),
            ": max_spans_per_trace: 0 is out of range; accepted is 1 or more",
        ),
        (
            tail.clone().with_decision_wait(long),
            ": decision_wait: 90000s is too long; accepted is up to 24 h",
        ),
        (
            tail.clone().with_decision_wait_after_root_received(long),
            ": decision_wait_after_root_received: 90000s is too long; accepted is up to 24 h",
        ),
    ] {
        let error = builder().with_tail_sampling(tail).build().map(|_| ()).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error} instead of {expected}");
    }
    let log = DiagnosticLog::default();
    let builder = log.attach(builder()).with_tail_sampling(tail).with_exporter(Exporter::None);
    builder
        .with_sink(|_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } })
        .build()
        .unwrap();
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("with_tail_sampling")), "{lines:?}");
}

#[test]
fn the_doctor_counts_what_the_tail_left_out_and_blames_no_sampler() {
    let sink = |_: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    let spanwise = builder()
        .with_sink(sink)
        .with_sampler(Sampler::always_off())
        .with_tail_sampling(|trace: &LocalTrace<'_>| trace.has_error())
        .build()
        .unwrap();
    let tracer = spanwise.tracer("tail");
    trace(&tracer, Kind::Usual);
    trace(&tracer, Kind::Error);
    spanwise.force_flush_timeout(LONG).unwrap();
    let report = spanwise.doctor();
    let check = |name: &str| report.checks().iter().find(|check| check.name() == name).unwrap();
    let finding =
        "spans so far: 6 created, 0 sampled out, 3 exported, 0 lost, 3 left out by tail sampling";
    assert_eq!(check("spans").finding(), finding);
    assert_eq!(check("sampling").status(), CheckStatus::Passed, "{report}");
}
