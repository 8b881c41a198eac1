//! The current context of the OpenTelemetry API inside of spans.

use crate::harness::{Bench, assert_child, attribute, bench, named, subscriber, text};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use spanwise_sdk::{Counter, SpanKind};
use spanwise_tracing::OpenTelemetrySpanExt as _;
use std::collections::HashMap;
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt as _;

/// The span that a log record is correlated with, as `opentelemetry-appender-tracing` and the logs SDK read it.
pub fn current() -> SpanContext {
    Context::map_current(|current| current.span().span_context().clone())
}

fn ids(span: &opentelemetry_proto::tonic::trace::v1::Span) -> (Vec<u8>, Vec<u8>) {
    (span.trace_id.clone(), span.span_id.clone())
}

fn ids_of(context: &SpanContext) -> (Vec<u8>, Vec<u8>) {
    (context.trace_id().to_bytes().to_vec(), context.span_id().to_bytes().to_vec())
}

#[test]
fn the_entered_span_is_current_until_it_is_exited() {
    let bench = bench(|builder| builder);
    let [outer, inner] = bench.within(|| {
        assert!(!Context::current().has_active_span());
        let outer = info_span!("outer").entered();
        let in_outer = current();
        let in_inner = info_span!("inner").in_scope(current);
        assert_eq!(current(), in_outer);
        let unentered = info_span!("unentered");
        assert_eq!(current(), in_outer);
        drop((unentered, outer.exit()));
        assert!(!Context::current().has_active_span());
        [in_outer, in_inner]
    });
    assert!(outer.is_sampled() && !outer.is_remote());
    let spans = bench.finish();
    assert_eq!(ids(named(&spans, "outer")), ids_of(&outer));
    assert_eq!(ids(named(&spans, "inner")), ids_of(&inner));
    assert_child(named(&spans, "inner"), named(&spans, "outer"));
    assert_child(named(&spans, "unentered"), named(&spans, "outer"));
}

#[test]
fn without_activation_the_current_context_stays_and_children_have_their_parent() {
    let bench = bench(|builder| builder);
    let layer = spanwise_tracing::layer(&bench.spanwise).with_context_activation(false);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        info_span!("outer").in_scope(|| {
            assert!(!Context::current().has_active_span());
            info_span!("inner").in_scope(|| assert!(!Context::current().has_active_span()));
            let by_api = bench.spanwise.tracer("api");
            drop(by_api.start_with_context("api", &tracing::Span::current().context()));
        });
    });
    let spans = bench.finish();
    for child in ["inner", "api"] {
        assert_child(named(&spans, child), named(&spans, "outer"));
    }
}

#[test]
fn propagators_inject_the_entered_span_and_the_baggage() {
    let bench = bench(|builder| builder);
    let (headers, below) = bench.within(|| {
        let baggage = Context::current_with_baggage([KeyValue::new("tenant", "7")]);
        let _attached = baggage.attach();
        let _span = info_span!("client").entered();
        let mut headers = HashMap::new();
        TraceContextPropagator::new().inject_context(&Context::current(), &mut headers);
        BaggagePropagator::new().inject_context(&Context::current(), &mut headers);
        let below = info_span!("below")
            .in_scope(|| Context::current().baggage().get("tenant").map(ToString::to_string));
        (headers, below)
    });
    let spans = bench.finish();
    let client = named(&spans, "client");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected = format!("00-{}-{}-01", hex(&client.trace_id), hex(&client.span_id));
    assert_eq!((&*headers["traceparent"], &*headers["baggage"]), (&*expected, "tenant=7"));
    assert_eq!(below.as_deref(), Some("7"));
}

#[test]
fn an_extracted_context_that_is_attached_is_the_parent() {
    let bench = bench(|builder| builder);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
    let extracted = TraceContextPropagator::new().extract(&headers);
    bench.within(|| {
        let _attached = extracted.attach();
        info_span!("server").in_scope(|| info_span!("below").in_scope(|| {}));
        info_span!(parent: None, "root").in_scope(|| {});
    });
    let spans = bench.finish();
    let server = named(&spans, "server");
    assert_eq!(server.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(server.trace_id[..2], [0x0a, 0xf7]);
    assert_eq!(server.flags & 0x300, 0x300, "the parent is remote");
    assert_child(named(&spans, "below"), server);
    assert!(named(&spans, "root").parent_span_id.is_empty());
}

#[test]
fn the_api_changes_the_span_of_the_context() {
    let bench = bench(|builder| builder);
    bench.within(|| {
        info_span!("before").in_scope(|| {
            let context = Context::current();
            assert!(context.span().is_recording());
            context.span().set_attribute(KeyValue::new("key", "value"));
            context.span().update_name("after");
            context.span().add_event("event", vec![KeyValue::new("x", 1)]);
            context.span().add_link(
                SpanContext::new(7.into(), 9.into(), Default::default(), true, Default::default()),
                Vec::new(),
            );
            context.span().set_status(Status::error("broken"));
        });
        // The end by the API is the only one.
        info_span!("ended").in_scope(|| {
            Context::current().span().end();
            assert!(!Context::current().span().is_recording());
        });
    });
    let spans = bench.finish();
    assert_eq!(spans.len(), 2);
    named(&spans, "ended");
    let span = named(&spans, "after");
    assert_eq!(attribute(span, "key"), text("value"));
    assert_eq!((&*span.events[0].name, span.links[0].span_id[7]), ("event", 9));
    assert_eq!(span.status.as_ref().unwrap().message, "broken");
}

#[test]
fn a_context_that_outlives_its_span_refers_to_no_later_span() {
    let bench = bench(|builder| builder);
    bench.within(|| {
        let retained = info_span!("first").in_scope(Context::current);
        let ids = retained.span().span_context().clone();
        // Some of these use the memory of the first.
        let later: Vec<_> = (0..100).map(|_| info_span!("later")).collect();
        assert!(!retained.span().is_recording());
        retained.span().set_attribute(KeyValue::new("key", "late"));
        retained.span().update_name("late");
        retained.span().add_event("late", Vec::new());
        retained.span().end();
        assert_eq!(*retained.span().span_context(), ids);
        drop(later);
        let _attached = retained.attach();
        info_span!("child").in_scope(|| {});
    });
    let spans = bench.finish();
    assert_eq!(spans.len(), 102);
    assert!(spans.iter().all(|span| span.attributes.is_empty() && span.events.is_empty()));
    assert_child(named(&spans, "child"), named(&spans, "first"));
}

#[test]
fn a_suppressed_scope_makes_no_span() {
    for observed in [false, true] {
        let bench = unstarted_or_not(observed);
        bench.within(|| {
            let outer = info_span!("outer");
            outer.in_scope(|| {
                let _suppressed = Context::enter_telemetry_suppressed_scope();
                info_span!("suppressed").in_scope(|| {
                    tracing::error!("an event of no span");
                    info_span!("below").in_scope(|| {});
                });
                info_span!(parent: &outer, "explicit").in_scope(|| {});
                info_span!(parent: None, "root").in_scope(|| {});
            });
            info_span!("next").in_scope(|| {});
        });
        assert_eq!(bench.spanwise.ledger().created, 2);
        let mut names: Vec<_> = bench.finish().into_iter().map(|span| span.name).collect();
        names.sort();
        assert_eq!(names, ["next", "outer"]);
    }
}

/// A provider whose spans start at once, or when they are first entered.
pub fn unstarted_or_not(unstarted: bool) -> Bench {
    #[derive(Debug)]
    struct Nothing;
    impl spanwise_sdk::SpanProcessor for Nothing {}
    bench(|builder| match unstarted {
        true => builder.with_span_processor(Nothing),
        false => builder,
    })
}

#[test]
fn each_subscriber_of_a_thread_has_its_own_spans() {
    let [first, second] = [(); 2].map(|()| bench(|builder| builder));
    let inner = subscriber(&second.spanwise);
    first.within(|| {
        let _outer = info_span!("outer").entered();
        // Its parent is the current span of the context, whose provider is another one.
        tracing::subscriber::with_default(inner, || info_span!("inner").in_scope(|| {}));
        info_span!("sibling").in_scope(|| {});
    });
    let (first, second) = (first.finish(), second.finish());
    assert_child(named(&second, "inner"), named(&first, "outer"));
    assert_child(named(&first, "sibling"), named(&first, "outer"));
}

#[test]
fn nothing_is_counted_as_misuse() {
    let bench = bench(|builder| builder);
    bench.within(|| {
        let span = info_span!("span", late = tracing::field::Empty);
        span.in_scope(|| {
            span.record("late", 1);
            let tracer = bench.spanwise.tracer("native");
            drop(tracer.child("native", SpanKind::Internal, &current()));
        });
    });
    let ledger = bench.spanwise.ledger();
    bench.finish();
    for counter in [Counter::UseAfterEnd, Counter::DoubleEnd, Counter::InvalidParent] {
        assert_eq!(ledger.counter(counter), 0, "{counter:?}");
    }
}
