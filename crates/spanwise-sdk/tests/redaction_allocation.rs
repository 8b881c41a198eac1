//! With rules, application threads allocate nothing after warm-up, whether rules change a span or not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use spanwise_redact::{Redactor, Rule};
use spanwise_sdk::{SpanKind, SpanMetrics, Value};
use spanwise_testkit::CountingAllocator;
use spanwise_testkit::allocator::allocations_on_this_thread;
use support::{LONG, bench};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// One test, because the process has one allocator.
#[test]
fn redacted_spans_allocate_nothing_after_warm_up() {
    let rules = Redactor::builder().with_all_presets();
    let rules = rules.with_rule(Rule::delete(["http.request.header.*"])).build().unwrap();
    let metrics = SpanMetrics::builder().with_dimension("http.route").build().unwrap();
    for (ratio, metrics) in [(1.0, None), (1.0, Some(metrics.clone())), (0.0, Some(metrics))] {
        let bench = bench(|builder| {
            let builder = builder.with_redaction(rules.clone()).with_sampling_ratio(ratio);
            metrics.iter().fold(builder, |builder, it| builder.with_span_metrics(it.clone()))
        });
        let tracer = bench.spanwise.tracer("allocation");
        let spans = || {
            let mut root = tracer.root("GET /users/{id}", SpanKind::Server);
            root.attribute("http.request.method", "GET")
                .attribute("http.response.status_code", 200)
                .attribute("http.route", "/users/{id}");
            let mut child = tracer.child("SELECT", SpanKind::Client, root.context());
            child.attribute("db.system.name", "postgresql").event("hit", &[("n", Value::I64(1))]);
            child.error("no rows");
            child.finish();
            let mut secret = tracer.root("mail to ann@example.com", SpanKind::Client);
            secret
                .attribute("http.request.header.cookie", "session=7")
                .attribute("url.full", "https://ann:pw@shop.example/orders?id=7")
                .attribute("db.query.text", "SELECT * FROM users WHERE name = 'Ann'")
                .event("from 203.0.113.7", &[("token", "s3cr3t".into())])
                .error("card 4111 1111 1111 1111");
            secret.finish();
            root.finish();
        };
        (0..3_000).for_each(|_| spans());
        bench.spanwise.force_flush_timeout(LONG).unwrap();
        let counts = allocations_on_this_thread(|| (0..300).for_each(|_| spans()));
        assert_eq!(counts.allocations, 0, "ratio {ratio}: {counts:?}");
        assert_eq!(bench.spanwise.live_view().snapshot().unwrap().redaction.unwrap().failures, 0);
        bench.finish();
    }
}
