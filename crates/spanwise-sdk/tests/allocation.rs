//! Application threads do not allocate once caches and chunks are warm.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use spanwise_sdk::{SpanKind, Value};
use spanwise_testkit::CountingAllocator;
use spanwise_testkit::allocator::allocations_on_this_thread;
use support::bench;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// One test, because the process has one allocator.
#[test]
fn application_threads_do_not_allocate_after_warm_up() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("allocation");

    let native = || {
        let mut root = tracer.root("GET /users/{id}", SpanKind::Server);
        root.attribute("http.request.method", "GET")
            .attribute("http.response.status_code", 200)
            .attribute("http.route", "/users/{id}");
        let mut child = tracer.child("SELECT", SpanKind::Client, root.context());
        child.attribute("db.system.name", "postgresql").event("hit", &[("n", Value::I64(1))]);
        child.finish();
        root.finish();
    };
    let api = || {
        let mut span = tracer.start("GET");
        span.set_attribute(KeyValue::new("http.request.method", "GET"));
        span.set_attribute(KeyValue::new("http.response.status_code", 200));
        span.end();
    };
    let off = {
        let unsampled = opentelemetry::trace::SpanContext::new(
            1u128.into(),
            1u64.into(),
            opentelemetry::trace::TraceFlags::NOT_SAMPLED,
            true,
            opentelemetry::trace::TraceState::NONE,
        );
        use opentelemetry::trace::TraceContextExt as _;
        let cx = Context::new().with_remote_span_context(unsampled);
        let tracer = tracer.clone();
        move || drop(tracer.start_with_context("off", &cx))
    };

    check(&bench, native);
    check(&bench, api);
    check(&bench, off);
    bench.finish();
}

fn check(bench: &support::Bench, work: impl Fn()) {
    // The warm-up allocates a record, and as many chunks as are in use at once.
    for _ in 0..40_000 {
        work();
    }
    bench.spanwise.force_flush_timeout(support::LONG).unwrap();
    let counts = allocations_on_this_thread(|| (0..1_000).for_each(|_| work()));
    assert_eq!(counts.allocations, 0, "{counts:?}");
}
