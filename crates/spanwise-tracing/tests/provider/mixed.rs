//! Spans of `tracing`, of the OpenTelemetry API and of the native tracer inside of each other.

use crate::context::{current, unstarted_or_not};
use crate::harness::{assert_child, named};
use opentelemetry::Context;
use opentelemetry::global::{BoxedTracer, ObjectSafeTracerProvider};
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use spanwise_sdk::SpanKind;
use tracing::info_span;

#[test]
fn spans_of_each_kind_are_parents_of_each_other() {
    for unstarted in [false, true] {
        let bench = unstarted_or_not(unstarted);
        let tracer = bench.spanwise.tracer("api");
        bench.within(|| {
            tracer.in_span("api 1", |_| {
                info_span!("tracing 1").in_scope(|| {
                    tracer.in_span("api 2", |_| {
                        info_span!("tracing 2").in_scope(|| {
                            let native = tracer.child("native", SpanKind::Client, &current());
                            let context = Context::current()
                                .with_remote_span_context(native.context().clone());
                            let _attached = context.attach();
                            info_span!("tracing 3").in_scope(|| {});
                        });
                        info_span!("tracing 4").in_scope(|| {});
                    });
                    info_span!("tracing 5").in_scope(|| {});
                });
            });
        });
        let spans = bench.finish();
        for (child, parent) in [
            ("tracing 1", "api 1"),
            ("api 2", "tracing 1"),
            ("tracing 2", "api 2"),
            ("native", "tracing 2"),
            ("tracing 3", "native"),
            ("tracing 4", "api 2"),
            ("tracing 5", "tracing 1"),
        ] {
            assert_child(named(&spans, child), named(&spans, parent));
        }
        assert_eq!(spans.len(), 8);
    }
}

/// The tracer of `opentelemetry::global` is a boxed one.
#[test]
fn spans_of_a_boxed_tracer_are_children_of_the_entered_span() {
    let bench = unstarted_or_not(false);
    let provider: &dyn ObjectSafeTracerProvider = &bench.spanwise;
    let scope = opentelemetry::InstrumentationScope::builder("boxed").build();
    let tracer = BoxedTracer::new(provider.boxed_tracer(scope));
    bench.within(|| {
        info_span!("outer").in_scope(|| {
            let span = tracer.start("boxed");
            let context = Context::current_with_span(span);
            let _attached = context.attach();
            info_span!("inner").in_scope(|| {});
        });
    });
    let spans = bench.finish();
    assert_child(named(&spans, "boxed"), named(&spans, "outer"));
    assert_child(named(&spans, "inner"), named(&spans, "boxed"));
}

/// Guards that are dropped in another order than they were made in: the API restores what it can, and no span is lost.
#[test]
fn spans_that_are_exited_out_of_order_are_exported_once() {
    let bench = unstarted_or_not(false);
    bench.within(|| {
        for _ in 0..10 {
            let (first, second) = (info_span!("first"), info_span!("second"));
            let entered_first = first.entered();
            let entered_second = second.entered();
            let attached = Context::current_with_value(7_u32).attach();
            drop(entered_first);
            drop(attached);
            drop(entered_second);
            assert!(!Context::current().has_active_span());
        }
        info_span!("root").in_scope(|| {});
    });
    let spans = bench.finish();
    assert_eq!(spans.len(), 21);
    assert!(named(&spans, "root").parent_span_id.is_empty());
}
