//! Propagation through `http::HeaderMap`, by the global propagator of the process.

use ::http::{HeaderMap, HeaderValue};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::{Extractor as _, Injector as _, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue, global};
use spanwise_sdk::propagation::http::{self, HeaderExtractor, HeaderInjector};
use spanwise_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// The only test of this binary that touches the global propagator.
#[test]
fn the_helpers_use_the_global_propagator() {
    let received =
        headers(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]);
    assert!(!http::extract(&received).span().span_context().is_valid(), "none is set yet");

    let boxed = opentelemetry::propagation::TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]);
    global::set_text_map_propagator(boxed);
    let cx = http::extract(&received);
    assert_eq!(cx.span().span_context().trace_state().header(), "a=1,b=2");

    let cx = cx.with_baggage([KeyValue::new("user", "a b")]);
    let mut sent = headers(&[("traceparent", "of before"), ("accept", "*/*")]);
    http::inject_context(&cx, &mut sent);
    let expected =
        headers(&[("traceparent", PARENT), ("tracestate", "a=1,b=2"), ("baggage", "user=a%20b")]);
    for (name, value) in &expected {
        assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), [value]);
    }
    assert_eq!(sent["accept"], "*/*");

    let _active = cx.attach();
    let mut current = HeaderMap::new();
    http::inject(&mut current);
    assert_eq!(current, expected);
}

#[test]
fn a_traceparent_takes_the_tracestate_of_another_span_away() {
    let received = headers(&[("traceparent", PARENT)]);
    let propagator = TraceContextPropagator::new();
    let cx = propagator.extract_with_context(&Context::new(), &HeaderExtractor(&received));
    let mut forwarded = headers(&[("traceparent", "old"), ("tracestate", "old=1")]);
    propagator.inject_context(&cx, &mut HeaderInjector(&mut forwarded));
    assert_eq!(forwarded, received);
    // Without a span, a proxy passes on what it received.
    let mut forwarded = headers(&[("traceparent", PARENT), ("tracestate", "a=1")]);
    propagator.inject_context(&Context::new(), &mut HeaderInjector(&mut forwarded));
    assert_eq!(forwarded, headers(&[("traceparent", PARENT), ("tracestate", "a=1")]));
}

#[test]
fn headers_that_are_not_text_are_missing() {
    let mut received = headers(&[("x", "1")]);
    received.append("y", HeaderValue::from_bytes(b"\xff").unwrap());
    let extractor = HeaderExtractor(&received);
    assert_eq!(format!("{extractor:?}"), "HeaderExtractor { .. }", "values may be secret");
    assert_eq!((extractor.get("X"), extractor.get("y")), (Some("1"), None));
    assert_eq!((extractor.get_all("x"), extractor.get_all("y")), (Some(vec!["1"]), None));
    assert_eq!(extractor.keys().len(), 2);
    // W3C Trace Context, *Parsing*: of several traceparent headers none is valid.
    let mut received = headers(&[("traceparent", PARENT)]);
    received.append("traceparent", HeaderValue::from_bytes(b"\xff").unwrap());
    let propagator = TraceContextPropagator::new();
    let cx = propagator.extract_with_context(&Context::new(), &HeaderExtractor(&received));
    assert!(!cx.span().span_context().is_valid());
    let mut sent = HeaderMap::new();
    let mut injector = HeaderInjector(&mut sent);
    assert_eq!(format!("{injector:?}"), "HeaderInjector { .. }");
    injector.set("a b", "1".to_owned());
    injector.set("c", "1\r\nd: 2".to_owned());
    assert!(sent.is_empty());
}
