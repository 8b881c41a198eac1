//! The configurator disables single tracers (specification, *TracerConfigurator*): they are no-ops.

use crate::support;

use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, InstrumentationScope};
use spanwise_pool::PooledSpan;
use spanwise_sdk::{Exporter, Finished, ReadableSpan, Span, SpanKind, SpanProcessor, TracerConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use support::{DiagnosticLog, assert_idle, bench};

fn without_noisy(scope: &InstrumentationScope) -> TracerConfig {
    if scope.name() == "noisy" { TracerConfig::DISABLED } else { TracerConfig::ENABLED }
}

#[test]
fn spans_of_a_disabled_tracer_have_the_context_of_their_parent_and_are_not_counted() {
    let bench = bench(|builder| builder.with_tracer_configurator(without_noisy));
    let (shop, noisy) = (bench.spanwise.tracer("shop"), bench.spanwise.tracer("noisy"));
    let parent = shop.root("parent", SpanKind::Server);
    let context = parent.context().clone();

    let skipped = noisy.child("skipped", SpanKind::Internal, &context);
    assert!(!skipped.is_recording() && *skipped.span_context() == context);
    let in_parent = Context::new().with_remote_span_context(context.clone());
    let skipped = noisy.span_builder("skipped").start_with_context(&noisy, &in_parent);
    assert!(!skipped.is_recording() && *skipped.span_context() == context);
    let root = noisy.root("root", SpanKind::Server);
    assert!(!root.is_recording() && *root.span_context() == SpanContext::NONE);

    let child = shop.child("child", SpanKind::Internal, skipped.span_context());
    let child_context = child.context().clone();
    drop((child, skipped, root, parent));
    assert_eq!(bench.spanwise.ledger().created, 2);
    let request = bench.finish();
    let spans: Vec<_> = spanwise_testkit::spans(&request).collect();
    assert_eq!(spans.len(), 2);
    let child = spans.iter().find(|span| span.name == "child").unwrap();
    assert_eq!(child.parent_span_id, context.span_id().to_bytes());
    assert_eq!(child.span_id, child_context.span_id().to_bytes());
}

#[test]
fn a_disabled_tracer_makes_no_pooled_spans() {
    let bench = bench(|builder| builder.with_tracer_configurator(without_noisy));
    let tracer = bench.spanwise.tracer("noisy");
    let mut span = PooledSpan::default();
    assert!(!tracer.start_pooled(&mut span, "pooled", SpanKind::Internal, None));
    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Disabled));
    assert_eq!(bench.spanwise.ledger().created, 0);
}

/// Counts the spans that it sees.
#[derive(Default, Clone)]
struct Count(Arc<AtomicUsize>);

impl SpanProcessor for Count {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.0.fetch_add(1, Relaxed);
    }

    fn on_end(&self, _: &ReadableSpan<'_>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn processors_see_no_span_of_a_disabled_tracer() {
    for exporter in [Exporter::Otlp, Exporter::None] {
        let count = Count::default();
        let bench = bench(|builder| {
            let builder = builder.with_span_processor(count.clone()).with_exporter(exporter);
            builder.with_tracer_configurator(without_noisy)
        });
        let noisy = bench.spanwise.tracer("noisy");
        drop((noisy.root("native", SpanKind::Internal), noisy.start("api")));
        assert_eq!(count.0.load(Relaxed), 0, "{exporter:?}");
        drop(bench.spanwise.tracer("shop").start("seen"));
        assert_eq!(count.0.load(Relaxed), 2, "{exporter:?}");
    }
}

#[test]
fn the_configurator_is_called_once_for_each_tracer() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let bench = bench(|builder| {
        builder.with_tracer_configurator(move |_| {
            counter.fetch_add(1, Relaxed);
            TracerConfig::default()
        })
    });
    let tracer = bench.spanwise.tracer("shop");
    (0..100).for_each(|_| drop(tracer.start("span")));
    assert_eq!(calls.load(Relaxed), 1);
    let report = bench.spanwise.shutdown().unwrap();
    assert_eq!(report.ledger.created, 100);
    assert_idle(&report.ledger);
}

#[test]
fn a_configurator_that_panics_is_reported_and_leaves_the_tracer_enabled() {
    let log = DiagnosticLog::default();
    let bench =
        bench(|builder| log.attach(builder).with_tracer_configurator(|_| panic!("no name")));
    assert!(bench.spanwise.tracer("shop").root("span", SpanKind::Server).is_recording());
    let report = bench.spanwise.shutdown().unwrap();
    assert_eq!(report.ledger.created, 1);
    let expected = "the tracer configurator panicked: no name";
    assert_eq!(log.lines(), [expected]);
}
