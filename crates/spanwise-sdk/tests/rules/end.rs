//! Ending spans: times, repeated ends, panics, and the shutdown of the provider.

use crate::one;
use crate::support::{LONG, assert_idle, bench};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _};
use spanwise_sdk::{Counter, DropReason, SpanKind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn an_ended_span_does_not_change() {
    let (span, bench) = one(|tracer| {
        let mut span = tracer.start("once");
        span.end();
        assert!(!span.is_recording());
        assert!(span.span_context().is_valid(), "the context outlives the end");
        span.set_attribute(KeyValue::new("late", 1));
        span.update_name("late");
        span.end();
        span.end_with_timestamp(SystemTime::now());
    });
    assert_eq!(span.name, "once");
    assert!(span.attributes.is_empty());
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.counter(Counter::UseAfterEnd), ledger.counter(Counter::DoubleEnd)), (2, 2));
}

#[test]
fn an_end_is_never_before_its_start() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    for (start, end, expected) in [
        (at(100), at(200), (100, 200)),
        (at(200), at(100), (200, 200)),
        (UNIX_EPOCH - Duration::from_secs(5), at(1), (0, 1)),
    ] {
        let (span, bench) = one(|tracer| {
            tracer.span_builder("t").with_start_time(start).start(tracer).end_with_timestamp(end);
        });
        let seconds = |nanos| nanos / 1_000_000_000;
        let times = (seconds(span.start_time_unix_nano), seconds(span.end_time_unix_nano));
        assert_eq!(times, expected);
        let backwards = u64::from(end < start);
        assert_eq!(bench.spanwise.ledger().counter(Counter::EndBeforeStart), backwards);
    }
    let before = SystemTime::now();
    let (span, _) = one(|tracer| drop(tracer.start("now")));
    let after = SystemTime::now();
    let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    // `spanwise-worker` tests the accuracy of the clock; here the system may preempt this thread
    // between two readings.
    const NEAR: u64 = 100_000;
    assert!(span.start_time_unix_nano + NEAR >= nanos(before));
    assert!(span.end_time_unix_nano <= nanos(after) + NEAR);
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
}

#[test]
fn extreme_times_are_clamped() {
    let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
    let (span, _) = one(|tracer| {
        let mut span = tracer.span_builder("t").with_start_time(far).start(tracer);
        span.add_event_with_timestamp("e", far, vec![]);
        span.end_with_timestamp(far);
    });
    assert_eq!(span.start_time_unix_nano, u64::MAX);
    assert_eq!(span.events[0].time_unix_nano, u64::MAX);
}

#[test]
fn a_span_ended_by_a_panic_is_sent() {
    let (span, _) = one(|tracer| {
        let tracer = tracer.clone();
        let unwound = std::thread::spawn(move || {
            let _span = tracer.start("doomed");
            panic!("on purpose");
        });
        assert!(unwound.join().is_err());
    });
    assert_eq!(span.name, "doomed");
}

#[test]
fn spans_after_shutdown_are_counted() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let open = tracer.start("open at shutdown");
    bench.spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!(bench.spanwise.ledger().in_flight, 1);
    drop(open);
    let ledger = bench.spanwise.ledger();
    assert_idle(&ledger);
    assert_eq!(ledger.dropped(DropReason::AfterShutdown), 1);
}

/// Specification, *Shutdown*: tracers are no-op afterwards, earlier ones too.
#[test]
fn tracers_are_no_op_after_shutdown() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let parent = tracer.start("before");
    let context = parent.span_context().clone();
    drop(parent);
    let before = bench.spanwise.shutdown_timeout(LONG).unwrap().ledger;
    for tracer in [tracer, bench.spanwise.tracer("made later")] {
        let mut root = tracer.start("root");
        root.set_attribute(KeyValue::new("key", "value"));
        assert!(!root.is_recording() && !root.span_context().is_valid());
        let native = tracer.root("root", SpanKind::Internal);
        assert!(!native.is_recording() && !native.context().is_valid());
        let child = tracer.child("child", SpanKind::Internal, &context);
        assert!(!child.is_recording());
        assert_eq!(child.context(), &context, "a context passes through");
    }
    assert_eq!(bench.spanwise.ledger(), before, "nothing is counted");
}
