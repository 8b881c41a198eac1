//! The rules of the trait methods, one by one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::trace::{
    Event, Link, Span as _, SpanContext, SpanKind as ApiKind, Status, TraceContextExt as _,
    TraceFlags, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, Value as ApiValue};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind as ProtoKind};
use spanwise_sdk::sampling::Sampler;
use spanwise_sdk::{Counter, DropReason, SpanKind, SpanLimits, Tracer, Value};
use spanwise_testkit::{attributes_map, spans};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{Bench, bench, settled};

/// What one span comes out as, after `make` had its way with the tracer.
fn one(make: impl FnOnce(&Tracer)) -> (Span, Bench) {
    let bench = bench(|builder| builder);
    make(&bench.spanwise.tracer("rules"));
    let request = bench.finish();
    let mut all = spans(&request).cloned();
    let span = all.next().unwrap();
    assert!(all.next().is_none(), "one span");
    (span, bench)
}

fn remote(flags: u8, trace_state: &str) -> SpanContext {
    let trace_state = trace_state.parse::<TraceState>().unwrap();
    SpanContext::new(0xabc_u128.into(), 0xdef_u64.into(), TraceFlags::new(flags), true, trace_state)
}

fn text(span: &Span, key: &str) -> String {
    format!("{:?}", attributes_map(&span.attributes)[key])
}

#[test]
fn a_root_has_fresh_random_ids_and_says_so() {
    let (span, _) = one(|tracer| drop(tracer.start("root")));
    assert!(span.parent_span_id.is_empty());
    assert_eq!(span.flags, 0x103, "sampled, random, and 'is remote' known to be false");
    assert_eq!(span.kind, ProtoKind::Internal as i32);
}

#[test]
fn a_child_goes_with_its_parent() {
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
fn a_parents_missing_random_flag_is_not_made_up() {
    let (span, _) = one(|tracer| {
        let cx = Context::new().with_remote_span_context(remote(0x01, ""));
        drop(tracer.start_with_context("child", &cx));
    });
    assert_eq!(span.flags, 0x301);
}

#[test]
fn an_unsampled_parent_means_a_fresh_span_id_and_nothing_recorded() {
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
fn an_invalid_parent_means_a_new_trace() {
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
fn the_last_value_of_a_key_wins() {
    let (span, _) = one(|tracer| {
        let mut span = tracer
            .span_builder("dup")
            .with_attributes([
                KeyValue::new("a", 1),
                KeyValue::new("b", "x"),
                KeyValue::new("a", 2),
            ])
            .start(tracer);
        span.set_attribute(KeyValue::new("b", vec![1, 2].into_iter().collect::<IntArray>().0));
        span.set_attribute(KeyValue::new("c", true));
        span.set_attribute(KeyValue::new("a", "third"));
    });
    assert_eq!(span.attributes.len(), 3);
    assert!(text(&span, "a").contains("third"));
    assert!(text(&span, "b").contains("ArrayValue"));
    assert_eq!(span.dropped_attributes_count, 0);
}

struct IntArray(ApiValue);

impl FromIterator<i64> for IntArray {
    fn from_iter<I: IntoIterator<Item = i64>>(items: I) -> Self {
        Self(ApiValue::Array(items.into_iter().collect::<Vec<_>>().into()))
    }
}

#[test]
fn ok_stands_above_error_above_unset() {
    let error = |text: &'static str| Status::error(text);
    for (sets, code, message) in [
        (vec![], 0, ""),
        (vec![Status::Unset], 0, ""),
        (vec![error("a")], 2, "a"),
        (vec![error("b"), error("a")], 2, "a"),
        (vec![error("a"), Status::Unset], 2, "a"),
        (vec![error("a"), Status::Ok], 1, ""),
        (vec![Status::Ok, error("a")], 1, ""),
        (vec![Status::Ok, Status::Unset], 1, ""),
    ] {
        let (span, _) = one(|tracer| {
            let mut span = tracer.start("status");
            sets.iter().for_each(|status| span.set_status(status.clone()));
        });
        let status = span.status.unwrap_or_default();
        assert_eq!((status.code, status.message.as_str()), (code, message), "{sets:?}");
    }
}

#[test]
fn limits_leave_out_and_count() {
    let mut limits = SpanLimits::default();
    (limits.attributes, limits.events, limits.links) = (2, 1, 1);
    (limits.attributes_per_event, limits.attributes_per_link) = (1, 0);
    limits.value_chars = 3;
    let bench = bench(|builder| builder.with_span_limits(limits));
    let mut span = bench.spanwise.tracer("rules").start("limited");
    for key in ["a", "b", "c", "d"] {
        span.set_attribute(KeyValue::new(key, "häuser"));
    }
    // A key that is there may change, however full the span is.
    span.set_attribute(KeyValue::new("a", 7));
    span.set_attribute(KeyValue::new("", "no key"));
    for _ in 0..3 {
        span.add_event("event", vec![KeyValue::new("x", 1), KeyValue::new("y", 2)]);
        span.add_link(remote(1, ""), vec![KeyValue::new("x", 1)]);
    }
    drop(span);
    let request = bench.finish();
    let span = spans(&request).next().unwrap();
    assert!(text(span, "a").contains("IntValue(7)"));
    assert!(text(span, "b").contains("\"häu\""));
    let (event, link) = (&span.events[0], &span.links[0]);
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (2, 3));
    assert_eq!((span.events.len(), span.dropped_events_count), (1, 2));
    assert_eq!((event.attributes.len(), event.dropped_attributes_count), (1, 1));
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 2));
    assert_eq!((link.attributes.len(), link.dropped_attributes_count), (0, 1));
    let ledger = bench.spanwise.ledger();
    assert_eq!(ledger.counter(Counter::DroppedAttributes), 5);
    assert_eq!(ledger.counter(Counter::DroppedEvents), 2);
    assert_eq!(ledger.counter(Counter::DroppedLinks), 2);
    assert_eq!(ledger.counter(Counter::TruncatedValues), 2);
}

#[test]
fn a_huge_value_costs_what_is_kept() {
    let (span, bench) = one(|tracer| {
        let huge = "ä".repeat(50 << 20);
        tracer.start("huge").set_attribute(KeyValue::new("text", huge));
    });
    let kept = text(&span, "text").matches('ä').count();
    assert_eq!(kept, SpanLimits::default().value_chars);
    assert_eq!(bench.spanwise.ledger().counter(Counter::TruncatedValues), 1);
}

#[test]
fn an_endless_span_stays_bounded() {
    let (span, _) = one(|tracer| {
        let mut span = tracer.start("endless");
        for i in 0..200_000i64 {
            span.add_event("tick", vec![KeyValue::new("n", i)]);
            span.set_attribute(KeyValue::new(format!("key {i}"), i));
        }
    });
    assert_eq!((span.events.len(), span.dropped_events_count), (128, 200_000 - 128));
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (128, 200_000 - 128));
}

#[test]
fn ending_twice_and_writing_after_the_end_change_nothing() {
    let (span, bench) = one(|tracer| {
        let mut span = tracer.start("once");
        span.end();
        assert!(!span.is_recording());
        assert!(span.span_context().is_valid(), "the context outlives the end");
        span.set_attribute(KeyValue::new("late", 1));
        span.update_name("late");
        span.end();
        span.end_with_timestamp(SystemTime::now());
    });
    assert_eq!(span.name, "once");
    assert!(span.attributes.is_empty());
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.counter(Counter::UseAfterEnd), ledger.counter(Counter::DoubleEnd)), (2, 2));
}

#[test]
fn times_are_the_callers_or_the_clocks_and_never_run_backwards() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    for (start, end, expected) in [
        (at(100), at(200), (100, 200)),
        (at(200), at(100), (200, 200)),
        (UNIX_EPOCH - Duration::from_secs(5), at(1), (0, 1)),
    ] {
        let (span, bench) = one(|tracer| {
            tracer.span_builder("t").with_start_time(start).start(tracer).end_with_timestamp(end);
        });
        let seconds = |nanos| nanos / 1_000_000_000;
        let times = (seconds(span.start_time_unix_nano), seconds(span.end_time_unix_nano));
        assert_eq!(times, expected);
        let backwards = u64::from(end < start);
        assert_eq!(bench.spanwise.ledger().counter(Counter::EndBeforeStart), backwards);
    }
    let before = SystemTime::now();
    let (span, _) = one(|tracer| drop(tracer.start("now")));
    let after = SystemTime::now();
    let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    // How near the two clocks are is proved where the clock is; here a preempted thread may lie
    // between their readings.
    const NEAR: u64 = 100_000;
    assert!(span.start_time_unix_nano + NEAR >= nanos(before));
    assert!(span.end_time_unix_nano <= nanos(after) + NEAR);
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
}

#[test]
fn extreme_times_are_clamped() {
    let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
    let (span, _) = one(|tracer| {
        let mut span = tracer.span_builder("t").with_start_time(far).start(tracer);
        span.add_event_with_timestamp("e", far, vec![]);
        span.end_with_timestamp(far);
    });
    assert_eq!(span.start_time_unix_nano, u64::MAX);
    assert_eq!(span.events[0].time_unix_nano, u64::MAX);
}

#[test]
fn the_builder_brings_everything() {
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
fn in_span_through_the_global_provider() {
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
fn native_methods_write_the_same_spans() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("native");
    let linked = remote(0x01, "l=1");
    let mut root = tracer.root("root", SpanKind::Server);
    root.attribute("s", "text")
        .attribute("i", -7)
        .attribute("f", 0.5)
        .attribute("b", true)
        .attribute("strs", &["a", "b"][..])
        .attribute("bytes", Value::Bytes(b"\x00\x01"))
        .event("event", &[("k", Value::I64(1)), ("k", Value::I64(2))])
        .link(&linked, &[("k", Value::Bool(true))])
        .error("broken")
        .rename("renamed");
    let child = tracer.child("child", SpanKind::Client, root.context());
    assert!(child.is_recording());
    child.finish();
    root.ok();
    root.finish();
    let request = bench.finish();
    let root = spans(&request).find(|span| span.name == "renamed").unwrap();
    let child = spans(&request).find(|span| span.name == "child").unwrap();
    assert_eq!(child.parent_span_id, root.span_id);
    assert_eq!(root.attributes.len(), 6);
    assert_eq!(root.events[0].attributes.len(), 1);
    assert_eq!(root.links[0].trace_state, "l=1");
    assert_eq!(root.status.as_ref().unwrap().code, 1);
    assert_eq!(root.kind, ProtoKind::Server as i32);
}

#[test]
fn scopes_and_resource_arrive() {
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

#[test]
fn spans_after_shutdown_are_counted() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let open = tracer.start("open at shutdown");
    bench.spanwise.shutdown_timeout(support::LONG).unwrap();
    assert_eq!(bench.spanwise.ledger().in_flight, 1);
    drop(open);
    let ledger = bench.spanwise.ledger();
    settled(&ledger);
    assert_eq!(ledger.dropped(DropReason::AfterShutdown), 1);
}

/// Specification, *Shutdown*: no-op tracers from then on, also those made before.
#[test]
fn tracers_are_no_op_after_shutdown() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let parent = tracer.start("before");
    let context = parent.span_context().clone();
    drop(parent);
    let before = bench.spanwise.shutdown_timeout(support::LONG).unwrap().ledger;
    for tracer in [tracer, bench.spanwise.tracer("made later")] {
        let mut root = tracer.start("root");
        root.set_attribute(KeyValue::new("key", "value"));
        assert!(!root.is_recording() && !root.span_context().is_valid());
        let native = tracer.root("root", spanwise_sdk::SpanKind::Internal);
        assert!(!native.is_recording() && !native.context().is_valid());
        let child = tracer.child("child", spanwise_sdk::SpanKind::Internal, &context);
        assert!(!child.is_recording());
        assert_eq!(child.context(), &context, "a context passes through");
    }
    assert_eq!(bench.spanwise.ledger(), before, "nothing is counted");
}

/// Suppression holds for the tracer's own methods too.
#[test]
fn suppressed_telemetry_makes_no_native_span() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("rules");
    let parent = tracer.root("parent", spanwise_sdk::SpanKind::Internal);
    {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let root = tracer.root("root", spanwise_sdk::SpanKind::Internal);
        let child = tracer.child("child", spanwise_sdk::SpanKind::Internal, parent.context());
        assert!(!root.is_recording() && !child.is_recording());
    }
    parent.finish();
    drop(tracer.root("after", spanwise_sdk::SpanKind::Internal));
    let names: Vec<_> = spans(&bench.finish()).map(|span| span.name.clone()).collect();
    assert_eq!(names, ["parent", "after"]);
    assert_eq!(bench.spanwise.ledger().created, 2);
}

#[test]
fn a_probability_samples_its_share_and_writes_the_threshold() {
    let bench = bench(|builder| builder.with_sampler(Sampler::probability(0.25).unwrap()));
    let tracer = bench.spanwise.tracer("rules");
    for _ in 0..4_000 {
        drop(tracer.start("root"));
    }
    let request = bench.finish();
    let kept = spans(&request).count();
    assert!((800..1_200).contains(&kept), "{kept}");
    assert!(spans(&request).all(|span| span.trace_state == "ot=th:c"));
    let ledger = bench.spanwise.ledger();
    assert_eq!(ledger.sampled_out, 4_000 - kept as u64);
}

#[test]
fn a_span_ended_by_a_panic_is_sent() {
    let (span, _) = one(|tracer| {
        let tracer = tracer.clone();
        let unwound = std::thread::spawn(move || {
            let _span = tracer.start("doomed");
            panic!("on purpose");
        });
        assert!(unwound.join().is_err());
    });
    assert_eq!(span.name, "doomed");
}
