//! Application threads do not allocate once caches and chunks are warm.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::{Span as _, SpanContext, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};
use spanwise_sdk::read::ValueView;
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{
    LocalTrace, ReadableSpan, Span, SpanKind, SpanMetrics, SpanProcessor, Tracer, Value,
};
use spanwise_testkit::CountingAllocator;
use spanwise_testkit::allocator::allocations_on_this_thread;
use std::borrow::Cow;
use std::time::SystemTime;
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
        let cx = Context::new().with_remote_span_context(unsampled);
        let tracer = tracer.clone();
        move || drop(tracer.start_with_context("off", &cx))
    };

    check(&bench, native);
    check(&bench, api);
    check(&bench, off);
    for ratio in [0.5, 0.1, 1.0] {
        let sampler = Sampler::probability(ratio).unwrap();
        for sampler in [sampler.clone(), sampler.parent_based()] {
            bench.spanwise.set_sampler(sampler);
            check(&bench, native);
            check(&bench, api);
        }
    }
    bench.spanwise.set_sampler(Sampler::probability(1.0).unwrap().parent_based());
    in_contexts(&tracer);
    bench.finish();
    with_a_processor();
    with_tail_sampling();
    with_span_metrics();
}

/// Once an attribute set is known: spans that do not record, that are recorded for metrics alone, and sampled ones with exemplars.
fn with_span_metrics() {
    let by_name = SpanMetrics::builder().with_status_code(false);
    let by_route = SpanMetrics::builder().with_dimension("http.route");
    for metrics in [by_name, by_route.clone(), by_route.with_exponential_buckets(3)] {
        let metrics = metrics.build().unwrap();
        let bench =
            bench(|builder| builder.with_sampling_ratio(0.5).with_span_metrics(metrics.clone()));
        let tracer = bench.spanwise.tracer("allocation");
        check(&bench, || {
            let mut root = tracer.root("GET /users/{id}", SpanKind::Server);
            root.attribute("http.route", "/users/{id}");
            tracer.child("SELECT", SpanKind::Client, root.context()).finish();
            root.finish();
        });
        let none = Context::new();
        check(&bench, || {
            let mut span = tracer.start_with_context("GET", &none);
            span.set_attribute(KeyValue::new("http.route", "/users"));
            span.set_status(Status::Ok);
            span.end();
        });
        bench.finish();
        let metrics = bench.spanwise.metrics();
        assert_eq!(metrics.get("traces.span.metrics.calls").unwrap().data.len(), 3);
    }
}

/// Recorded spans that are not sampled, which tail sampling decides about on the exporter's thread.
fn with_tail_sampling() {
    let bench = bench(|builder| {
        builder
            .with_sampling_ratio(0.01)
            .with_tail_sampling(|trace: &LocalTrace<'_>| trace.has_error())
    });
    let tracer = bench.spanwise.tracer("allocation");
    check(&bench, || {
        let mut root = tracer.root("GET /users/{id}", SpanKind::Server);
        root.attribute("http.request.method", "GET").attribute("http.response.status_code", 200);
        let mut child = tracer.child("SELECT", SpanKind::Client, root.context());
        child.attribute("db.system.name", "postgresql").event("hit", &[("n", Value::I64(1))]);
        assert!(child.is_recording());
        child.finish();
        root.finish();
    });
    let none = Context::new();
    check(&bench, || {
        let mut span = tracer.start_with_context("GET", &none);
        span.set_attribute(KeyValue::new("http.response.status_code", 200));
        span.end();
    });
    bench.finish();
    assert!(bench.spanwise.ledger().tail_not_sampled > 100_000);
}

/// A processor that reads a span allocates nothing, nor does the provider for it.
fn with_a_processor() {
    struct Reads;
    impl SpanProcessor for Reads {
        fn on_start(&self, span: &mut Span, _: &Context) {
            span.attribute("processor", "on start");
        }
        fn on_end(&self, span: &ReadableSpan<'_>) {
            assert_eq!((span.name(), span.attributes().count()), ("GET", 2));
            assert_eq!(span.attribute("http.response.status_code"), Some(ValueView::I64(200)));
            assert_eq!(span.scope().map(|scope| scope.name()), Some(Ok("allocation")));
        }
    }
    let bench = bench(|builder| builder.with_span_processor(Reads));
    let tracer = bench.spanwise.tracer("allocation");
    let none = Context::new();
    check(&bench, || {
        let mut span = tracer.start_with_context("GET", &none);
        span.set_attribute(KeyValue::new("http.response.status_code", 200));
        span.end();
    });
    bench.finish();
}

/// A span in a `Context`, and a child below it: the API clones the context of the span, with its trace
/// state. A span without any work but the same context shows the number of these allocations.
fn in_contexts(tracer: &Tracer) {
    let root = tracer.root("root", SpanKind::Server);
    assert_eq!(root.context().trace_state().header(), "ot=th:0");
    let bare = || Bare(root.context().clone());
    let count = |mut bare: Vec<Bare>| {
        let ours = allocations_on_this_thread(|| {
            let cx = Context::new().with_span(tracer.start("server"));
            let mut child = tracer.start_with_context("client", &cx);
            child.set_attribute(KeyValue::new("db.response.returned_rows", 1));
            child.end();
            cx.span().end();
        });
        let least = allocations_on_this_thread(|| {
            let cx = Context::new().with_span(bare.remove(0));
            let mut child = bare.remove(0);
            child.set_attribute(KeyValue::new("db.response.returned_rows", 1));
            child.end();
            cx.span().end();
            std::mem::forget((cx, child));
        });
        (ours.allocations, least.allocations)
    };
    let _warm_up = [count(vec![bare(), bare()]), count(vec![bare(), bare()])];
    for _ in 0..100 {
        let (ours, least) = count(vec![bare(), bare()]);
        assert!(least > 0);
        assert_eq!(ours, least);
    }
}

/// A span that has a context and does nothing.
struct Bare(SpanContext);

impl opentelemetry::trace::Span for Bare {
    fn add_event_with_timestamp<T: Into<Cow<'static, str>>>(
        &mut self,
        _: T,
        _: SystemTime,
        _: Vec<KeyValue>,
    ) {
    }

    fn span_context(&self) -> &SpanContext {
        &self.0
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn set_attribute(&mut self, _: KeyValue) {}

    fn set_status(&mut self, _: Status) {}

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, _: T) {}

    fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}

    fn end_with_timestamp(&mut self, _: SystemTime) {}
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
