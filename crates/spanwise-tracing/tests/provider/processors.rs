//! Span processors and redaction.

use crate::harness::{assert_child, attribute, bench, named, text};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use spanwise_redact::{Redactor, Rule};
use spanwise_sdk::read::ValueView;
use spanwise_sdk::{ReadableSpan, Span, SpanKind, SpanProcessor};
use std::sync::{Arc, Mutex};
use tracing::field::Empty;
use tracing::info_span;

/// A processor that logs what it sees.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl SpanProcessor for Log {
    fn on_start(&self, span: &mut Span, parent: &Context) {
        let is_root = !parent.span().span_context().is_valid();
        self.0.lock().unwrap().push(format!("start, root {is_root}"));
        span.attribute("processor", "at start");
    }

    fn on_end(&self, span: &ReadableSpan<'_>) {
        let at_start = span.attribute("at.start").is_some();
        let late = matches!(span.attribute("late"), Some(ValueView::I64(1)));
        let (name, kind) = (span.name(), span.kind());
        self.0.lock().unwrap().push(format!("end {name} {kind:?} {at_start} {late}"));
    }
}

#[test]
fn processors_see_each_span_once_with_its_fields() {
    let log = Log::default();
    let bench = bench(|builder| builder.with_span_processor(log.clone()));
    bench.within(|| {
        let outer = info_span!("outer", otel.kind = "server", at.start = true, late = Empty);
        outer.record("late", 1);
        outer.in_scope(|| info_span!("inner", otel.name = "renamed").in_scope(|| {}));
        drop(outer);
        // It is never entered.
        drop(info_span!("idle", at.start = true));
    });
    let expected = [
        "start, root true",
        "start, root false",
        "end renamed Internal false false",
        "end outer Server true true",
        "start, root true",
        "end idle Internal true false",
    ];
    assert_eq!(*log.0.lock().unwrap(), expected);
    let spans = bench.finish();
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| attribute(span, "processor") == text("at start")));
    assert_child(named(&spans, "renamed"), named(&spans, "outer"));
}

/// A processor that uses the current span while that ends. It cannot use the same span by its context: the API locks that.
struct UsesCurrent;

impl SpanProcessor for UsesCurrent {
    fn on_end(&self, _: &ReadableSpan<'_>) {
        tracing::error!("of the processor");
        tracing::Span::current().record("late", 1);
    }
}

#[test]
fn a_processor_may_use_the_span_that_ends_by_its_context() {
    let bench = bench(|builder| builder.with_span_processor(UsesCurrent));
    bench.within(|| {
        info_span!("ended", late = Empty).in_scope(|| {
            Context::current().span().end();
            Context::current().span().end();
            info_span!("child").in_scope(|| {});
        });
    });
    let spans = bench.finish();
    let ended = named(&spans, "ended");
    assert!(ended.attributes.is_empty() && ended.events.is_empty(), "{ended:?}");
    assert_child(named(&spans, "child"), ended);
    assert_eq!(spans.len(), 2);
}

/// A processor that itself is instrumented.
struct Instrumented;

impl SpanProcessor for Instrumented {
    fn on_start(&self, _: &mut Span, _: &Context) {
        info_span!("at start").in_scope(|| tracing::error!("of the processor"));
    }

    fn on_end(&self, _: &ReadableSpan<'_>) {
        // A root: the registry of tracing-subscriber never closes the parent of a span that a layer starts inside of a close.
        info_span!(parent: None, "at end").in_scope(|| tracing::error!("of the processor"));
    }
}

#[test]
fn spans_of_a_processor_are_exported_and_cause_no_loop() {
    let bench = bench(|builder| builder.with_span_processor(Instrumented));
    bench.within(|| info_span!("outer").in_scope(|| info_span!("inner").in_scope(|| {})));
    let spans = bench.finish();
    let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!((count("at start"), count("at end"), spans.len()), (2, 2, 6));
}

/// A processor whose spans are the program's own: it changes the current span by the API.
struct ChangesCurrent;

impl SpanProcessor for ChangesCurrent {
    fn on_end(&self, span: &ReadableSpan<'_>) {
        let ended = span.name().to_owned();
        let current = Context::current();
        current.span().set_attribute(opentelemetry::KeyValue::new("ended.below", ended));
    }
}

#[test]
fn a_processor_changes_the_span_that_is_current_when_another_one_ends() {
    let bench = bench(|builder| builder.with_span_processor(ChangesCurrent));
    bench.within(|| info_span!("outer").in_scope(|| info_span!("inner").in_scope(|| {})));
    let spans = bench.finish();
    assert_eq!(attribute(named(&spans, "outer"), "ended.below"), text("inner"));
    assert_eq!(attribute(named(&spans, "inner"), "ended.below"), None);
}

/// The secret occurs in a name, a field, a late field, an event and an error.
#[test]
fn redaction_sees_each_field() {
    const SECRET: &str = "canary-4711";
    let rule = Rule::mask_values("canary-[0-9]+").with_name("canary");
    let bench = bench(|builder| {
        builder.with_redaction(Redactor::builder().with_rule(rule).build().unwrap())
    });
    bench.within(|| {
        let error = std::io::Error::other(SECRET);
        let error: &(dyn std::error::Error + 'static) = &error;
        let span =
            info_span!("span", a = SECRET, b = ?[SECRET], c = error, otel.name = Empty, d = Empty);
        span.record("otel.name", format!("load {SECRET}"));
        span.record("d", tracing::field::display(SECRET));
        span.in_scope(|| {
            tracing::error!(error, e = SECRET, "failed for {SECRET}");
            tracing::error!(error = SECRET);
        });
    });
    let spans = bench.finish();
    let [span] = &*spans else { panic!("{spans:?}") };
    assert_eq!(span.events.len(), 2);
    assert!(span.attributes.len() >= 4 && span.name.starts_with("load "), "{span:?}");
    assert!(!format!("{span:?}").contains("4711"), "{span:?}");
}

#[test]
fn a_processor_of_a_reader_sees_the_kind_of_a_native_child() {
    let log = Log::default();
    let bench = bench(|builder| builder.with_span_processor(log.clone()));
    bench.within(|| {
        info_span!("outer").in_scope(|| {
            let parent = crate::context::current();
            drop(bench.spanwise.tracer("native").child("native", SpanKind::Client, &parent));
        });
    });
    assert!(log.0.lock().unwrap().contains(&"end native Client false false".to_owned()));
    let spans = bench.finish();
    assert_child(named(&spans, "native"), named(&spans, "outer"));
}
