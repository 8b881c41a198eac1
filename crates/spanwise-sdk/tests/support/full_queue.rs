//! A queue that fills up because its receiver never answers, and the checks that hold for every such queue.

use super::{LONG, assert_idle, builder, wait_until_idle};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use spanwise_sdk::{Bytes, DropReason, Outcome, Span, SpanKind, Spanwise, SpanwiseBuilder, Tracer};
use std::time::{Duration, Instant};

/// A provider whose receiver never answers: the fill of its queue changes only when a span ends.
pub fn stuck(configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> Spanwise {
    let builder = builder()
        .with_sink(|_: Bytes| std::future::pending::<Outcome>())
        .with_budget_bytes(1 << 20)
        .with_attempt_timeout(Duration::from_secs(3600))
        .with_export_timeout(Duration::from_secs(3600));
    configure(builder).build().unwrap()
}

/// A span of another process.
pub fn remote(trace_id: u128, sampled: bool, trace_state: &str) -> SpanContext {
    SpanContext::new(
        TraceId::from(trace_id),
        SpanId::from(1),
        TraceFlags::new(u8::from(sampled) | 2),
        true,
        match trace_state {
            "" => TraceState::NONE,
            header => header.parse().unwrap(),
        },
    )
}

/// The first result of `start` for which `is_found`; those before it are dropped, and so end.
pub fn until<T>(mut start: impl FnMut() -> T, is_found: impl Fn(&T) -> bool) -> T {
    let patience = Instant::now() + LONG;
    loop {
        let started = start();
        if is_found(&started) {
            return started;
        }
        assert!(Instant::now() < patience, "no such span");
    }
}

/// The first root that the queue does not let record.
pub fn unrecorded_root(tracer: &Tracer) -> Span {
    until(|| tracer.root("root", SpanKind::Server), |span| !span.is_recording())
}

/// Fills the queue and shuts down: flush and shutdown return by their deadlines, and every span has an
/// outcome. A span that was open all the while ends after the shutdown.
pub fn check_shutdown(spanwise: &Spanwise) {
    let tracer = spanwise.tracer("shutdown");
    let open = tracer.root("open", SpanKind::Server);
    let mut started = 1;
    let unrecorded = until(
        || {
            started += 1;
            tracer.root("root", SpanKind::Server)
        },
        |span| !span.is_recording(),
    );
    assert!(spanwise.force_flush_timeout(Duration::from_millis(10)).is_err());
    let _timed_out = spanwise.shutdown_timeout(Duration::from_millis(10));
    drop((open, unrecorded));
    let ledger = wait_until_idle(spanwise);
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (started, 0));
    assert_eq!(ledger.dropped(DropReason::AfterShutdown), 1);
    assert!(!tracer.root("late", SpanKind::Server).context().is_valid());
    assert_eq!(spanwise.ledger().created, started, "no span starts after a shutdown");
}

/// In a forked child no worker frees memory: spans are lost for that reason, not for the parent's.
#[cfg(unix)]
pub fn check_forked_child(spanwise: &Spanwise) {
    let tracer = spanwise.tracer("fork");
    drop(unrecorded_root(&tracer));
    let lost = spanwise_testkit::in_forked_child(|out| {
        let before = spanwise.ledger();
        let span = tracer.root("child", SpanKind::Server);
        assert!(!span.is_recording());
        drop(span);
        let since = spanwise.ledger().since(&before);
        let lost = since.dropped(DropReason::WorkerUnavailable);
        out.write_all(format!("{lost} of {}", since.created).as_bytes()).unwrap();
    });
    assert_eq!(String::from_utf8(lost).unwrap(), "1 of 1");
}
