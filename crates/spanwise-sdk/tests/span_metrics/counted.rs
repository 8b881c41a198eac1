//! Spans that count, whatever becomes of them.

use super::support::full_queue;
use super::*;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use spanwise_sdk::{LocalTrace, OnFull, ReadableSpan, Span, SpanProcessor};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[test]
fn spans_that_are_not_sampled_stay_non_recording_by_name_and_kind() {
    let spanwise = provider(by_name(), |builder| builder.with_sampler(Sampler::always_off()));
    let mut span = spanwise.tracer("t").root("GET", SpanKind::Server);
    assert!(!span.is_recording());
    assert!(span.context().is_valid() && !span.context().is_sampled());
    span.attribute("http.route", "/").error("not recorded");
    assert_eq!(calls(&spanwise), counts([]));
    span.finish();
    // The API's way, and a drop.
    let mut span = spanwise.tracer("t").start("tick");
    span.set_attribute(KeyValue::new("http.route", "/"));
    span.end();
    span.end();
    drop(span);
    drop(spanwise.tracer("t").start("tick"));
    let expected = [("GET|SPAN_KIND_SERVER", 1), ("tick|SPAN_KIND_INTERNAL", 2)];
    assert_eq!(calls(&spanwise), counts(expected));
    let ledger = spanwise.ledger();
    assert_eq!((ledger.sampled_out, ledger.created), (3, 3));
}

/// Spans that have started and that live, by the sampler's result: a span that records is none of `DROP`.
fn started_and_live(spanwise: &Spanwise, result: &'static str) -> (u64, u64) {
    let snapshot = spanwise.metrics();
    let result = Attribute::new("otel.span.sampling_result", result);
    let sum = |name: &str| {
        let points = snapshot.get(name).unwrap().data.numbers().unwrap();
        let points = points.iter().filter(|point| point.attributes.contains(&result));
        points.map(|point| point.value.as_u64().unwrap()).sum()
    };
    (sum("otel.sdk.span.started"), sum("otel.sdk.span.live"))
}

#[test]
fn spans_that_metrics_alone_record_are_those_of_record_only() {
    let off = |builder: SpanwiseBuilder| builder.with_sampler(Sampler::always_off());
    let spanwise = provider(SpanMetrics::builder(), off);
    let make = || spanwise.tracer("t").root("GET", SpanKind::Server);
    let [first, second, third] = [make(), make(), make()];
    assert!(first.is_recording());
    first.finish();
    assert_eq!(started_and_live(&spanwise, "RECORD_ONLY"), (3, 2));
    assert_eq!(started_and_live(&spanwise, "DROP"), (0, 0));
    drop((second, third));
    assert_eq!(started_and_live(&spanwise, "RECORD_ONLY"), (3, 0));
    assert_eq!(started_and_live(&spanwise, "RECORD_AND_SAMPLE"), (0, 0));

    // Without status and attributes, these do not record.
    let spanwise = provider(by_name(), off);
    let _span = spanwise.tracer("t").root("GET", SpanKind::Server);
    assert_eq!(started_and_live(&spanwise, "DROP"), (1, 0));
    assert_eq!(started_and_live(&spanwise, "RECORD_ONLY"), (0, 0));

    let spanwise = provider(SpanMetrics::builder(), |builder| builder);
    let _span = spanwise.tracer("t").root("GET", SpanKind::Server);
    spanwise.tracer("t").root("GET", SpanKind::Server).finish();
    assert_eq!(started_and_live(&spanwise, "RECORD_AND_SAMPLE"), (2, 1));
    assert_eq!(started_and_live(&spanwise, "RECORD_ONLY"), (0, 0));
}

#[test]
fn spans_that_are_not_sampled_are_recorded_for_their_status_and_not_exported() {
    let bench = support::bench(|builder| {
        let metrics = SpanMetrics::builder().with_dimension("http.route").build().unwrap();
        builder.with_sampler(Sampler::always_off()).with_span_metrics(metrics)
    });
    let tracer = bench.spanwise.tracer("t");
    let mut span = tracer.root("GET", SpanKind::Server);
    assert!(span.is_recording() && !span.context().is_sampled());
    span.attribute("http.route", "/a").error("broken");
    let child = tracer.child("SELECT", SpanKind::Client, span.context());
    assert!(!child.context().is_sampled());
    child.finish();
    span.finish();
    let expected = [
        ("GET|SPAN_KIND_SERVER|STATUS_CODE_ERROR|/a", 1),
        ("SELECT|SPAN_KIND_CLIENT|STATUS_CODE_UNSET", 1),
    ];
    assert_eq!(calls(&bench.spanwise), counts(expected));
    assert_eq!(spanwise_testkit::spans(&bench.finish()).count(), 0);
    assert_eq!(bench.spanwise.ledger().sampled_out, 2);
}

#[test]
fn the_last_name_counts() {
    for (metrics, status) in [(by_name(), ""), (SpanMetrics::builder(), "|STATUS_CODE_UNSET")] {
        for sampler in [Sampler::always_off(), Sampler::always_on()] {
            let spanwise = provider(metrics.clone(), |builder| builder.with_sampler(sampler));
            let mut span = spanwise.tracer("t").root("HTTP", SpanKind::Server);
            span.rename("GET /orders");
            span.finish();
            let mut span = spanwise.tracer("t").start("x");
            span.update_name("y");
            span.end();
            span.update_name("z");
            let keys = ["GET /orders|SPAN_KIND_SERVER", "y|SPAN_KIND_INTERNAL"];
            let expected = keys.map(|key| (format!("{key}{status}"), 1));
            assert_eq!(calls(&spanwise), expected.into_iter().collect());
        }
    }
}

#[test]
fn an_end_before_the_start_is_a_duration_of_zero() {
    for sampler in [Sampler::always_off(), Sampler::always_on()] {
        let spanwise = provider(by_name(), |builder| builder.with_sampler(sampler));
        let now = SystemTime::now();
        let builder = SpanBuilder::from_name("x").with_start_time(now);
        let mut span = builder.start(&spanwise.tracer("t"));
        span.end_with_timestamp(now - Duration::from_secs(5));
        let durations = durations(&spanwise);
        let point = &durations["x|SPAN_KIND_INTERNAL"];
        assert_eq!((point.count(), point.bucket_counts()[0], point.sum()), (1, 1, 0.0));
    }
}

#[test]
fn a_span_in_a_context_ends_by_the_clock_of_its_start() {
    let spanwise = provider(by_name(), |builder| builder.with_sampler(Sampler::always_off()));
    let cx = Context::new().with_span(spanwise.tracer("t").start("x"));
    cx.span().end();
    let durations = durations(&spanwise);
    assert!(durations["x|SPAN_KIND_INTERNAL"].sum() < 60_000.0);
}

/// Exemplars are spans that the receiver gets.
#[test]
fn exemplars_are_sampled_spans() {
    for metrics in [by_name(), SpanMetrics::builder().with_dimension("n")] {
        let bench = support::bench(|builder| {
            builder.with_sampling_ratio(0.3).with_span_metrics(metrics.build().unwrap())
        });
        let tracer = bench.spanwise.tracer("t");
        for number in 0..300 {
            let name = ["a", "b", "c"][number % 3];
            let mut span = tracer.root(name, SpanKind::Server);
            span.attribute("n", number / 100);
            span.finish();
        }
        let exemplars = exemplars(&bench.spanwise);
        let request = bench.finish();
        let exported: HashSet<(Vec<u8>, Vec<u8>)> = spanwise_testkit::spans(&request)
            .map(|span| (span.trace_id.clone(), span.span_id.clone()))
            .collect();
        assert!(!exemplars.is_empty());
        for exemplar in exemplars {
            let trace_id = exemplar.trace_id.0.to_be_bytes().to_vec();
            let span_id = exemplar.span_id.0.to_be_bytes().to_vec();
            assert!(exported.contains(&(trace_id, span_id)), "{exemplar:?}");
        }
    }
    for exemplars_of in [Sampler::always_off(), Sampler::always_on()] {
        let spanwise = provider(SpanMetrics::builder().with_exemplars(false), |builder| {
            builder.with_sampler(exemplars_of.clone())
        });
        spanwise.tracer("t").root("x", SpanKind::Server).finish();
        assert!(exemplars(&spanwise).is_empty());
    }
    let spanwise = provider(SpanMetrics::builder(), |it| it.with_exporter(Exporter::None));
    spanwise.tracer("t").root("x", SpanKind::Server).finish();
    assert!(exemplars(&spanwise).is_empty());
}

#[test]
fn tail_sampling_decides_about_the_export_alone() {
    for metrics in [by_name(), SpanMetrics::builder()] {
        let spanwise = provider(metrics.clone(), |builder| {
            let builder = builder.with_sampling_ratio(0.5);
            builder.with_tail_sampling(|trace: &LocalTrace<'_>| trace.has_error())
        });
        let tracer = spanwise.tracer("t");
        for number in 0..100 {
            let mut span = tracer.root("x", SpanKind::Server);
            if number % 10 == 0 {
                span.error("broken");
            }
            span.finish();
        }
        assert_eq!(calls(&spanwise).values().sum::<u64>(), 100);
        assert!(exemplars(&spanwise).is_empty());
        let ledger = spanwise.shutdown().unwrap().ledger;
        assert_eq!((ledger.exported, ledger.tail_not_sampled), (10, 90));
    }
}

/// A processor sees the spans that it saw without metrics, and those that are recorded for metrics.
#[test]
fn processors_see_spans_that_are_recorded_for_metrics() {
    #[derive(Default)]
    struct Ends(AtomicU64);
    struct Counts(Arc<Ends>);
    impl SpanProcessor for Counts {
        fn on_start(&self, span: &mut Span, _: &Context) {
            span.attribute("route", "of the processor");
        }
        fn on_end(&self, _: &ReadableSpan<'_>) {
            self.0.0.fetch_add(1, SeqCst);
        }
    }
    for exporter in [Exporter::Otlp, Exporter::None] {
        for (metrics, seen) in [(by_name(), 1), (SpanMetrics::builder().with_dimension("route"), 2)]
        {
            let ends = Arc::new(Ends::default());
            let spanwise = provider(metrics, |builder| {
                let builder = builder.with_exporter(exporter);
                builder.with_span_processor(Counts(ends.clone()))
            });
            spanwise.tracer("t").root("x", SpanKind::Server).finish();
            spanwise.set_sampler(Sampler::always_off());
            spanwise.tracer("t").root("x", SpanKind::Server).finish();
            assert_eq!(ends.0.load(SeqCst), seen);
            let expected = match seen {
                1 => counts([("x|SPAN_KIND_SERVER", 2)]),
                _ => counts([("x|SPAN_KIND_SERVER|STATUS_CODE_UNSET|of the processor", 2)]),
            };
            assert_eq!(calls(&spanwise), expected);
            spanwise.shutdown().unwrap().ledger.check().unwrap();
        }
    }
}

/// Spans that a full queue refuses or sheds count as all others.
#[test]
fn spans_of_a_full_queue_count() {
    for on_full in [OnFull::Drop, OnFull::ShedByTrace] {
        for metrics in [by_name(), SpanMetrics::builder()] {
            let spanwise = full_queue::stuck(|builder| {
                let builder = builder.with_on_full(on_full).with_budget_bytes(2 << 20);
                builder.with_span_metrics(metrics.clone().build().unwrap())
            });
            let tracer = spanwise.tracer("t");
            let mut spans = 0_u64;
            while spanwise.ledger().dropped_total() < 500 {
                let mut span = tracer.root("x", SpanKind::Server);
                span.attribute("text", "x".repeat(500));
                span.finish();
                spans += 1;
                assert!(spans < 1_000_000);
            }
            assert_eq!(calls(&spanwise).values().sum::<u64>(), spans);
            assert_eq!(spanwise.ledger().created, spans);
        }
    }
}
