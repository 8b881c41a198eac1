//! Programs that depend on `spanwise` and on the API alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise::opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, Status, Tracer as _, TracerProvider,
};
use spanwise::opentelemetry::{Context, KeyValue};
use spanwise::wire::read::{TraceRequest, ValueView};
use spanwise::{
    Bytes, DropReason, Failure, Guard, Outcome, ResponseStatus, Sink, SinkFuture, SpanKind,
    Spanwise, SpanwiseBuilder,
};
use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const LONG: Duration = Duration::from_secs(20);

fn builder() -> SpanwiseBuilder {
    Spanwise::builder().with_environment(|_| None).with_diagnostics(|_| {})
}

/// A sink that stores its requests.
#[derive(Clone, Default)]
struct Stored(Arc<Mutex<Vec<Bytes>>>);

impl Sink for Stored {
    fn take(&self, request: Bytes) -> SinkFuture<'_> {
        self.0.lock().unwrap().push(Bytes::copy_from_slice(&request));
        Box::pin(std::future::ready(Outcome::Accepted { rejected: 0, message: None }))
    }
}

/// Code that was written for another provider compiles: the API's methods have the API's signatures
/// (`TracerProvider::tracer` and the others take `impl Into<Cow<'static, str>>`), also on types that have
/// methods of their own.
#[test]
fn methods_accept_the_types_of_the_apis_signatures() {
    let provider = builder().with_sink(Stored::default()).build().unwrap();
    fn by_trait<P: TracerProvider>(provider: &P, name: String) -> P::Tracer {
        provider.tracer(name)
    }
    let name = String::from("made at run time");
    let tracers = [
        by_trait(&provider, name.clone()),
        provider.tracer("literal"),
        provider.tracer(name.clone()),
        provider.tracer(format!("{name} {}", 1)),
        provider.tracer(Cow::Borrowed("cow")),
        provider.tracer(Cow::<'static, str>::Owned(name.clone())),
    ];
    for tracer in tracers {
        let mut span = tracer.start(name.clone());
        drop(tracer.start_with_context(Cow::Borrowed("cow"), &Context::new()));
        drop(tracer.build(SpanBuilder::from_name(name.clone())));
        drop(tracer.span_builder(name.clone()).start(&tracer));
        tracer.in_span(name.clone(), |_| ());
        span.add_event(name.clone(), vec![KeyValue::new("key", "value")]);
        span.add_event_with_timestamp(Cow::Borrowed("cow"), SystemTime::now(), Vec::new());
        span.set_attribute(KeyValue::new("key", name.clone()));
        span.set_attributes([KeyValue::new("key", 1)]);
        span.set_status(Status::error(name.clone()));
        span.update_name(name.clone());
        span.add_link(SpanContext::NONE, Vec::new());
        assert!(span.is_recording() && span.span_context().is_valid());
        span.end();
        span.end_with_timestamp(SystemTime::now());
    }
    let ledger = provider.shutdown_timeout(LONG).unwrap().ledger;
    ledger.check().unwrap();
    assert_eq!(ledger.exported, 6 * 5);
}

/// The guard of `init` is a provider of tracers, and returns the provider too.
#[test]
fn a_guard_makes_tracers_of_any_name() {
    fn tracers(guard: &Guard, name: String) -> [spanwise::Tracer; 2] {
        [guard.tracer(name.clone()), guard.provider().tracer(name)]
    }
    let guard = builder().with_sink(Stored::default()).init().unwrap();
    for tracer in tracers(&guard, String::from("name")) {
        drop(tracer.start("span"));
    }
    assert_eq!(guard.shutdown_timeout(LONG).unwrap().ledger.exported, 2);
}

#[test]
fn a_sink_can_be_written_with_the_items_of_this_crate() {
    let refusing = |request: Bytes| async move {
        assert!(!request.is_empty());
        Outcome::Failed(Failure::Rejected { status: ResponseStatus::Http(403) })
    };
    let spanwise = builder().with_sink(refusing).build().unwrap();
    drop(spanwise.tracer("sink").root("span", SpanKind::Internal));
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_eq!(ledger.dropped(DropReason::Rejected), 1);
}

/// Values of std's types, and the attributes that a sink receives (specification, *Mapping Arbitrary
/// Data to OTLP AnyValue*: integers are ints, those beyond 64 bits with sign decimal strings).
#[test]
fn attributes_accept_the_types_of_std() {
    let stored = Stored::default();
    let spanwise = builder().with_sink(stored.clone()).build().unwrap();
    let items = vec!["book".to_owned(), "pen".to_owned()];
    let nothing: Option<u64> = None;
    let mut span = spanwise.tracer("values").root("span", SpanKind::Internal);
    span.attribute("len", items.len())
        .attribute("u64", 7u64)
        .attribute("large", u64::MAX)
        .attribute("some", Some("text"))
        .attribute("none", nothing)
        .attribute("string", &items[0])
        .attribute("cow", Cow::Borrowed("text"))
        .attribute("list", &items)
        .event("event", &[("len", items.len().into()), ("none", nothing.into())])
        .link(&SpanContext::NONE, &[("large", u64::MAX.into()), ("none", nothing.into())]);
    span.finish();
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    // The only counter is that of requests: no attribute was dropped.
    assert_eq!((ledger.exported, ledger.counters().count()), (1, 1), "{ledger:?}");

    let requests = stored.0.lock().unwrap();
    let span = TraceRequest::new(&requests[0]).spans().next().unwrap().unwrap();
    let expected = [
        ("len", ValueView::I64(2)),
        ("u64", ValueView::I64(7)),
        ("large", ValueView::Str("18446744073709551615")),
        ("some", ValueView::Str("text")),
        ("string", ValueView::Str("book")),
        ("cow", ValueView::Str("text")),
    ];
    for (key, value) in expected {
        assert_eq!(span.attribute(key), Some(value), "{key}");
    }
    let Some(ValueView::Array(list)) = span.attribute("list") else { unreachable!("a list") };
    let list: Vec<_> = list.iter().map(Result::unwrap).collect();
    assert_eq!(list, [ValueView::Str("book"), ValueView::Str("pen")]);
    assert_eq!(span.attributes().count(), expected.len() + 1);
    let event = span.events().next().unwrap().unwrap();
    let of_event: Vec<_> = event.attributes().map(Result::unwrap).collect();
    assert_eq!(of_event, [("len", ValueView::I64(2))]);
    let link = span.links().next().unwrap().unwrap();
    let of_link: Vec<_> = link.attributes().map(Result::unwrap).collect();
    assert_eq!(of_link, [("large", ValueView::Str("18446744073709551615"))]);
    assert_eq!((span.dropped_attributes_count(), event.dropped_attributes_count()), (0, 0));
}
