//! The spans that a receiver gets.

use crate::support::{LONG, bench};
use crate::{CANARY, EMAIL, assert_clean, fill, other, redacting, start};
use opentelemetry::Context;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use spanwise_pool::PooledSpan;
use spanwise_sdk::{LinkedContext, OwnedValue, SpanKind, StatusCode};

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(StringValue(text.into())) })
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    attributes.iter().find(|it| it.key == key).and_then(|it| it.value.as_ref())
}

#[test]
fn every_place_of_a_span_is_redacted() {
    let bench = bench(redacting);
    start(&bench.spanwise).finish();
    let request = bench.finish();
    bench.collected.bodies().iter().for_each(|body| assert_clean(body));
    let group = &request.resource_spans[0];
    let resource = &group.resource.as_ref().unwrap().attributes;
    assert_eq!(value(resource, "deploy.by"), text("****").as_ref());
    assert!(value(resource, "telemetry.sdk.name").is_some());
    let scope = group.scope_spans[0].scope.as_ref().unwrap();
    assert_eq!((&*scope.name, value(&scope.attributes, "owner")), ("shop", text("****").as_ref()));
    let span = &group.scope_spans[0].spans[0];
    assert_eq!(span.name, "load ****");
    assert_eq!(value(&span.attributes, "at.start"), text("****").as_ref());
    assert_eq!(value(&span.attributes, "user.mail"), text("****").as_ref());
    assert_eq!(value(&span.attributes, "http.route"), text("/orders").as_ref());
    assert_eq!(value(&span.attributes, "http.request.header.cookie"), None);
    assert_eq!(span.attributes.len(), 4);
    assert_eq!(span.events[0].name, "sent to ****");
    assert_eq!(value(&span.events[0].attributes, "body"), text("****").as_ref());
    assert_eq!(value(&span.links[0].attributes, "reason"), text("****").as_ref());
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code, &*status.message), (2, "no account ****"));
}

/// A plain span takes the shortest way without rules, and one way more for each kind of end.
#[test]
fn each_way_to_end_a_span_is_redacted() {
    let bench = bench(redacting);
    let tracer = bench.spanwise.tracer("shop");
    let named = format!("load {CANARY}");
    tracer.root(&named, SpanKind::Internal).finish();
    drop(tracer.root(&named, SpanKind::Internal));
    tracer.root(&named, SpanKind::Internal).end();
    let mut span = tracer.root("", SpanKind::Internal);
    span.rename(&named).ok();
    span.end_with_timestamp(std::time::SystemTime::now());
    drop(tracer.start_with_context(named.clone(), &Context::new()));
    let mut child = tracer.child("child", SpanKind::Internal, &other());
    fill(&mut child);
    child.finish();
    let provider: &dyn opentelemetry::global::ObjectSafeTracerProvider = &bench.spanwise;
    let boxed = provider.boxed_tracer(opentelemetry::InstrumentationScope::builder("b").build());
    let named_builder = opentelemetry::trace::SpanBuilder::from_name(named.clone());
    drop(boxed.build_with_context_boxed(named_builder, &Context::new()));
    let mut pooled = PooledSpan::default();
    tracer.start_pooled(&mut pooled, &named, SpanKind::Server, None);
    pooled.set_attribute("mail".to_owned(), OwnedValue::from(EMAIL));
    pooled.add_event(format!("to {EMAIL}"), 7, Vec::new());
    pooled.add_link(LinkedContext::from(&other()), Vec::new());
    pooled.set_status(StatusCode::Error, CANARY);
    let _recorded = tracer.finish_pooled(&pooled).unwrap();
    let request = bench.finish();
    bench.collected.bodies().iter().for_each(|body| assert_clean(body));
    let names: Vec<_> = spanwise_testkit::spans(&request).map(|span| &*span.name).collect();
    assert_eq!(names.iter().filter(|name| **name == "load ****").count(), 7, "{names:?}");
    assert_eq!(names.len(), 8);
}

#[test]
fn spans_without_a_secret_stay_as_they_are() {
    let spans = [bench(redacting), bench(|builder| builder)].map(|bench| {
        let tracer = bench.spanwise.tracer("shop");
        let mut span = tracer.root("GET /orders", SpanKind::Server);
        span.attribute("http.route", "/orders").attribute("status", 200).event("hit", &[]);
        span.link(&other(), &[("n", 1_i64.into())]).error("no stock");
        span.finish();
        bench.spanwise.force_flush_timeout(LONG).unwrap();
        let request = bench.finish();
        let mut span = spanwise_testkit::spans(&request).next().unwrap().clone();
        (span.trace_id, span.span_id) = Default::default();
        (span.start_time_unix_nano, span.end_time_unix_nano) = Default::default();
        span.events.iter_mut().for_each(|event| event.time_unix_nano = 0);
        span
    });
    assert_eq!(spans[0], spans[1]);
}

/// A span may end on another thread, and while another one ends.
#[test]
fn threads_share_the_rules() {
    let bench = bench(redacting);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let spans: Vec<_> = (0..200).map(|_| start(&bench.spanwise)).collect();
                std::thread::scope(|scope| scope.spawn(|| drop(spans)).join()).unwrap();
            });
        }
    });
    let request = bench.finish();
    bench.collected.bodies().iter().for_each(|body| assert_clean(body));
    assert_eq!(spanwise_testkit::spans(&request).count(), 800);
}
