//! Starting spans: ids, parents, flags, sampling, suppression, scopes.

use crate::support::bench;
use crate::{one, remote};
use opentelemetry::trace::{
    Event, Link, Span as _, SpanContext, SpanKind as ApiKind, TraceContextExt as _, TraceFlags,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as ProtoKind;
use spanwise_sdk::Counter;
use spanwise_sdk::sampling::Sampler;
use spanwise_testkit::{attributes_map, spans};
use std::time::UNIX_EPOCH;

#[test]
fn a_root_has_random_ids_and_the_random_flag() {
    let (span, _) = one(|tracer| drop(tracer.start("root")));
    assert!(span.parent_span_id.is_empty());
    assert_eq!(span.flags, 0x103, "sampled, random, and 'is remote' known to be false");
    assert_eq!(span.kind, ProtoKind::Internal as i32);
}

#[test]
fn a_child_has_the_trace_flags_and_state_of_its_parent() {
    let (span, _) = one(|tracer| {
        let cx = Context::new().with_remote_span_context(remote(0x03, "a=1,b=2"));
        drop(tracer.start_with_context("child", &cx));
    });
    assert_eq!(span.trace_id, 0xabc_u128.to_be_bytes());
    assert_eq!(span.parent_span_id, 0xdef_u64.to_be_bytes());
    assert_eq!(span.trace_state, "a=1,b=2");
    assert_eq!(span.flags, 0x303, "sampled, random, remote parent");
}

#[test]
fn a_child_does_not_set_the_random_flag_that_its_parent_lacks() {
    let (span, _) = one(|tracer| {
        let cx = Context::new().with_remote_span_context(remote(0x01, ""));
        drop(tracer.start_with_context("child", &cx));
    });
    assert_eq!(span.flags, 0x301);
}

#[test]
fn a_child_of_an_unsampled_parent_has_an_id_and_is_not_recorded() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let parent = remote(0x02, "a=1");
    let cx = Context::new().with_remote_span_context(parent.clone());
    let mut span = tracer.start_with_context("child", &cx);
    assert!(!span.is_recording());
    span.set_attribute(KeyValue::new("ignored", 1));
    span.add_event("ignored", vec![]);
    let context = span.span_context().clone();
    assert_eq!(context.trace_id(), parent.trace_id());
    assert_ne!(context.span_id(), parent.span_id());
    assert!(context.is_valid() && !context.is_sampled() && !context.is_remote());
    assert_eq!(context.trace_state().header(), "a=1");
    span.end();
    drop(span);
    let request = bench.finish();
    assert_eq!(spans(&request).count(), 0);
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.created, ledger.sampled_out), (1, 1));
}

#[test]
fn a_span_with_an_invalid_parent_starts_a_new_trace() {
    for context in [
        SpanContext::NONE,
        SpanContext::new(0u128.into(), 9u64.into(), TraceFlags::SAMPLED, true, TraceState::NONE),
        SpanContext::new(9u128.into(), 0u64.into(), TraceFlags::SAMPLED, true, TraceState::NONE),
    ] {
        let half_valid = context != SpanContext::NONE;
        let (span, bench) = one(|tracer| {
            let cx = Context::new().with_remote_span_context(context);
            drop(tracer.start_with_context("root", &cx));
        });
        assert!(span.parent_span_id.is_empty());
        assert_eq!(span.flags, 0x103);
        assert_eq!(bench.spanwise.ledger().counter(Counter::InvalidParent), u64::from(half_valid));
    }
}

#[test]
fn suppressed_telemetry_makes_no_span_and_counts_none() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let _scope = Context::enter_telemetry_suppressed_scope();
    let span = tracer.start("hidden");
    assert!(!span.is_recording() && !span.span_context().is_valid());
    drop(span);
    bench.finish();
    assert_eq!(bench.spanwise.ledger().created, 0);
}

#[test]
fn a_probability_samples_its_share_and_writes_the_threshold() {
    let bench = bench(|builder| builder.with_sampler(Sampler::probability(0.25).unwrap()));
    let tracer = bench.spanwise.tracer("rules");
    for _ in 0..4_000 {
        drop(tracer.start("root"));
    }
    let request = bench.finish();
    let sampled = spans(&request).count();
    assert!((800..1_200).contains(&sampled), "{sampled}");
    assert!(spans(&request).all(|span| span.trace_state == "ot=th:c"));
    let ledger = bench.spanwise.ledger();
    assert_eq!(ledger.sampled_out, 4_000 - sampled as u64);
}

#[test]
fn a_span_builder_sets_every_field() {
    let (span, _) = one(|tracer| {
        let event = Event::new("e", UNIX_EPOCH, vec![KeyValue::new("k", 1.5)], 0);
        let link = Link::new(remote(0x01, "l=1"), vec![KeyValue::new("k", false)], 0);
        let builder = tracer
            .span_builder("full")
            .with_kind(ApiKind::Producer)
            .with_attributes([KeyValue::new("a", 1)])
            .with_events(vec![event])
            .with_links(vec![link]);
        drop(builder.start(tracer));
    });
    assert_eq!(span.kind, ProtoKind::Producer as i32);
    assert_eq!((span.attributes.len(), span.events.len(), span.links.len()), (1, 1, 1));
    assert_eq!(span.links[0].trace_state, "l=1");
    assert_eq!(span.links[0].flags, 0x301);
}

#[test]
fn in_span_works_through_the_global_provider() {
    let bench = bench(|builder| builder);
    opentelemetry::global::set_tracer_provider(bench.spanwise.clone());
    let tracer = opentelemetry::global::tracer("global");
    tracer.in_span("outer", |cx| {
        cx.span().set_attribute(KeyValue::new("outer", true));
        tracer.in_span("inner", |cx| cx.span().add_event("here", vec![]));
    });
    let request = bench.finish();
    let names: Vec<_> = spans(&request).map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["inner", "outer"]);
    let (inner, outer) = (spans(&request).next().unwrap(), spans(&request).nth(1).unwrap());
    assert_eq!(inner.parent_span_id, outer.span_id);
    assert_eq!(inner.trace_id, outer.trace_id);
    assert_eq!(inner.events.len(), 1);
}

#[test]
fn scopes_and_resource_are_exported() {
    let bench = bench(|builder| {
        builder
            .with_service_name("shop")
            .with_resource([KeyValue::new("service.name", "loses"), KeyValue::new("zone", "eu")])
            .with_schema_url("https://example.com/1")
    });
    let scope = InstrumentationScope::builder("lib")
        .with_version("2")
        .with_schema_url("https://example.com/2")
        .with_attributes([KeyValue::new("a", 1)])
        .build();
    drop(bench.spanwise.tracer_with_scope(scope).start("one"));
    drop(bench.spanwise.tracer("other").start("two"));
    let request = bench.finish();
    let [resource_spans] = &request.resource_spans[..] else { panic!("one resource") };
    let resource = attributes_map(&resource_spans.resource.as_ref().unwrap().attributes);
    assert!(format!("{:?}", resource["service.name"]).contains("shop"));
    assert!(resource.contains_key("zone") && resource.contains_key("telemetry.sdk.language"));
    assert_eq!(resource_spans.schema_url, "https://example.com/1");
    let lib = &resource_spans.scope_spans[0];
    let scope = lib.scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("lib", "2"));
    assert_eq!((scope.attributes.len(), lib.schema_url.as_str()), (1, "https://example.com/2"));
    assert_eq!(resource_spans.scope_spans[1].scope.as_ref().unwrap().name, "other");
}
