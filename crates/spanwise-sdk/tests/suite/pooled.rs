//! Pooled spans: the exporter sends them as it sends any other span, and the ledger balances.

use crate::support;

use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, any_value::Value as ProtoValue,
};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind as ProtoKind, status};
use spanwise_pool::{Interner, PooledSpan, SpanPool, TieredPool};
use spanwise_sampling::Sampler;
use spanwise_sdk::{
    Attribute, Counter, FinishError, Finished, LinkedContext, OwnedValue, SpanId, SpanKind,
    SpanLimits, StatusCode, TraceFlags as Flags, TraceId,
};
use spanwise_testkit::{attributes_map, spans};
use std::thread;
use support::{assert_idle, bench};

/// Every field of the data is a field of the span that arrives.
#[test]
fn every_field_of_a_pooled_span_arrives() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("pooled");
    let mut span = PooledSpan::with_capacity(16, 8, 4);
    span.trace_id = TraceId::from_bytes([0xab; 16]);
    span.span_id = SpanId::from_bytes([0xcd; 8]);
    span.parent_span_id = SpanId::from_bytes([0xef; 8]);
    (span.parent_is_remote, span.trace_flags) = (true, Flags(0x03));
    span.trace_state.push_str("a=1");
    span.name.push_str("GET /api/users");
    span.kind = SpanKind::Server;
    (span.start_unix_nanos, span.end_unix_nanos) = (1_000, 5_000);
    (span.dropped_attributes, span.dropped_events, span.dropped_links) = (1, 2, 3);
    let mixed = OwnedValue::Array(vec![
        OwnedValue::from(1),
        OwnedValue::from("two"),
        OwnedValue::Array(vec![]),
    ]);
    span.set_attribute("http.method", "GET")
        .set_attribute("http.status_code", 200)
        .set_attribute("ratio", 0.5)
        .set_attribute("cached", true)
        .set_attribute("body", b"\x00\xff".to_vec())
        .set_attribute("mixed", mixed)
        .set_attribute("http.method", "PUT")
        .add_event("retry", 2_000, [Attribute::new("attempt", 2)])
        .add_link(
            LinkedContext {
                trace_id: TraceId::from_bytes([1; 16]),
                span_id: SpanId::from_bytes([2; 8]),
                trace_flags: Flags::SAMPLED,
                is_remote: false,
                trace_state: "b=2".into(),
            },
            [Attribute::new("why", "batch")],
        )
        .set_status(StatusCode::Error, "no such user");
    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Recorded));

    let request = bench.finish();
    let got: Vec<&Span> = spans(&request).collect();
    let [got] = got[..] else { panic!("one span: {got:?}") };
    assert_eq!((&got.trace_id[..], &got.span_id[..]), (&[0xab; 16][..], &[0xcd; 8][..]));
    assert_eq!((&got.parent_span_id[..], got.flags), (&[0xef; 8][..], 0x303));
    assert_eq!((got.trace_state.as_str(), got.name.as_str()), ("a=1", "GET /api/users"));
    assert_eq!(got.kind, ProtoKind::Server as i32);
    assert_eq!((got.start_time_unix_nano, got.end_time_unix_nano), (1_000, 5_000));
    let dropped = (got.dropped_attributes_count, got.dropped_events_count, got.dropped_links_count);
    assert_eq!(dropped, (1, 2, 3));
    let value = |key: &str| {
        let of_key = got.attributes.iter().find(|attribute| attribute.key == key);
        of_key.and_then(|attribute| attribute.value.clone()).and_then(|any| any.value).unwrap()
    };
    assert_eq!(got.attributes.len(), 6);
    assert_eq!(value("http.method"), ProtoValue::StringValue("PUT".into()));
    assert_eq!(value("http.status_code"), ProtoValue::IntValue(200));
    assert_eq!(value("ratio"), ProtoValue::DoubleValue(0.5));
    assert_eq!(value("cached"), ProtoValue::BoolValue(true));
    assert_eq!(value("body"), ProtoValue::BytesValue(vec![0, 255]));
    let ProtoValue::ArrayValue(items) = value("mixed") else { panic!("an array") };
    let items: Vec<_> = items.values.into_iter().map(|AnyValue { value, .. }| value).collect();
    assert_eq!(
        items[..2],
        [Some(ProtoValue::IntValue(1)), Some(ProtoValue::StringValue("two".into()))]
    );
    assert!(matches!(&items[2], Some(ProtoValue::ArrayValue(empty)) if empty.values.is_empty()));
    let event = &got.events[0];
    assert_eq!((event.name.as_str(), event.time_unix_nano), ("retry", 2_000));
    assert_eq!(event.attributes[0].key, "attempt");
    let link = &got.links[0];
    assert_eq!((&link.trace_id[..], &link.span_id[..]), (&[1; 16][..], &[2; 8][..]));
    assert_eq!((link.trace_state.as_str(), link.flags), ("b=2", 0x101));
    assert_eq!(link.attributes[0].key, "why");
    let status = got.status.as_ref().unwrap();
    assert_eq!(
        (status.code(), status.message.as_str()),
        (status::StatusCode::Error, "no such user")
    );
    let scope = request.resource_spans[0].scope_spans[0].scope.as_ref().unwrap();
    assert_eq!(scope.name, "pooled");
}

/// Several threads acquire, finish and release pooled spans beside the tracer's own spans.
#[test]
fn pooled_spans_and_others_share_one_account() {
    const EACH: u64 = 500;
    let bench = bench(|builder| builder);
    let (pool, tiers) = (SpanPool::new(8), TieredPool::<PooledSpan>::new(8));
    let interner = Interner::new(64, 4096);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let tracer = bench.spanwise.tracer("pooled");
                for turn in 0..EACH {
                    let root = tracer.root("root", SpanKind::Server);
                    let mut span = pool.acquire();
                    assert!(tracer.start_pooled(
                        &mut span,
                        "p",
                        SpanKind::Client,
                        Some(root.context())
                    ));
                    assert_eq!(span.trace_id, root.context().trace_id().into());
                    span.set_attribute(interner.intern("tenant.id"), turn as i64);
                    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Recorded));
                    let mut span = tiers.acquire(turn as usize % 50).unwrap();
                    assert!(tracer.start_pooled(&mut span, "t", SpanKind::Internal, None));
                    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Recorded));
                }
            });
        }
    });
    let request = bench.finish();
    let ledger = bench.spanwise.ledger();
    assert_idle(&ledger);
    assert_eq!((ledger.created, ledger.exported), (9 * EACH, 9 * EACH));
    let of = |name: &str| spans(&request).filter(|span| span.name == name).count() as u64;
    assert_eq!((of("root"), of("p"), of("t")), (3 * EACH, 3 * EACH, 3 * EACH));
    for span in spans(&request).filter(|span| span.name == "p") {
        assert!(attributes_map(&span.attributes).contains_key("tenant.id"));
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    assert!(pool.stats().hits > 0 && pool.stats().outstanding == 0);
}

#[test]
fn the_sampler_decides_about_pooled_spans() {
    let bench =
        bench(|builder| builder.with_sampler(Sampler::probability(0.25).unwrap().parent_based()));
    let tracer = bench.spanwise.tracer("pooled");
    let mut span = PooledSpan::default();
    let mut recorded = 0;
    for _ in 0..1000 {
        let sampled = tracer.start_pooled(&mut span, "s", SpanKind::Internal, None);
        let expected = if sampled { Finished::Recorded } else { Finished::SampledOut };
        assert_eq!(tracer.finish_pooled(&span), Ok(expected));
        assert_eq!(span.trace_state, if sampled { "ot=th:c" } else { "" });
        recorded += u64::from(sampled);
    }
    let parent = SpanContext::new(
        7_u128.into(),
        8_u64.into(),
        TraceFlags::NOT_SAMPLED,
        true,
        TraceState::NONE,
    );
    assert!(!tracer.start_pooled(&mut span, "s", SpanKind::Internal, Some(&parent)));
    assert!(span.parent_is_remote && span.trace_flags == Flags::NOT_SAMPLED);
    let _never_finished_never_counted = span;
    bench.finish();
    let ledger = bench.spanwise.ledger();
    assert_eq!((ledger.exported, ledger.sampled_out), (recorded, 1000 - recorded));
    assert!((150..350).contains(&recorded), "{recorded}");
}

#[test]
fn limits_hold_and_a_span_without_ids_is_refused() {
    let mut limits = SpanLimits::default();
    (limits.attributes, limits.events) = (2, 1);
    let bench = bench(|builder| builder.with_span_limits(limits));
    let tracer = bench.spanwise.tracer("pooled");
    let mut span = PooledSpan::default();
    assert_eq!(tracer.finish_pooled(&span), Err(FinishError::NoTraceId));
    span.trace_id = TraceId(1);
    assert_eq!(tracer.finish_pooled(&span), Err(FinishError::NoSpanId));
    assert!(format!("{:?}", FinishError::NoSpanId).starts_with("span id is all zero"));
    tracer.start_pooled(&mut span, "limited", SpanKind::Internal, None);
    for key in ["a", "b", "c"] {
        span.set_attribute(key, 1).add_event(key, 1, []);
    }
    span.dropped_attributes = 10;
    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Recorded));
    let request = bench.finish();
    let got = spans(&request).next().unwrap();
    assert_eq!((got.attributes.len(), got.dropped_attributes_count), (2, 11));
    assert_eq!((got.events.len(), got.dropped_events_count), (1, 2));
    assert_eq!(bench.spanwise.ledger().created, 1);
}

/// Values of every type, and `None`, which is no attribute (specification, *Mapping Arbitrary Data to
/// OTLP AnyValue*: an integer beyond 64 bits with sign is a decimal string; *Attribute*: a null in a
/// list stays one).
#[test]
fn values_of_all_widths_arrive_and_none_is_no_attribute() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("pooled");
    let mut span = PooledSpan::default();
    (span.trace_id, span.span_id, span.trace_flags) = (TraceId(1), SpanId(2), Flags::SAMPLED);
    let list = OwnedValue::Array(vec![OwnedValue::Absent, u64::MAX.into()]);
    span.set_attribute("len", vec![0; 3].len())
        .set_attribute("large", u64::MAX)
        .set_attribute("list", list)
        .set_attribute("none", None::<&str>)
        .add_event("event", 1, [Attribute::new("none", None::<i64>), Attribute::new("n", 3usize)]);
    // The test bypasses `set_attribute`.
    span.attributes.push(Attribute::new("pushed none", OwnedValue::Absent));
    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Recorded));

    let request = bench.finish();
    let got = spans(&request).next().unwrap();
    let value = |value| AnyValue { value };
    let text = |text: &str| Some(ProtoValue::StringValue(text.to_owned()));
    let large = || value(text("18446744073709551615"));
    let list = ArrayValue { values: vec![value(None), large()] };
    let expected = [
        ("len", value(Some(ProtoValue::IntValue(3)))),
        ("large", large()),
        ("list", value(Some(ProtoValue::ArrayValue(list)))),
    ];
    let attributes: Vec<_> = got
        .attributes
        .iter()
        .map(|pair| (pair.key.as_str(), pair.value.clone().unwrap()))
        .collect();
    assert_eq!(attributes, expected);
    assert_eq!(got.events[0].attributes.len(), 1);
    assert_eq!((got.dropped_attributes_count, got.events[0].dropped_attributes_count), (0, 0));
}

#[test]
fn a_span_without_ids_is_an_error_that_names_the_id() {
    for (error, text) in
        [(FinishError::NoTraceId, "trace id is all zero"), (FinishError::NoSpanId, "span id is")]
    {
        assert!(error.to_string().starts_with(text));
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}

/// Specification of the API, *SpanContext*: a span context with an invalid id is no parent.
#[test]
fn an_invalid_parent_makes_a_new_trace_and_is_counted() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("pooled");
    let mut span = PooledSpan::default();
    let half =
        SpanContext::new(7_u128.into(), 0_u64.into(), TraceFlags::SAMPLED, true, TraceState::NONE);
    for (parent, counted) in [(&half, 1), (&SpanContext::NONE, 1)] {
        assert!(tracer.start_pooled(&mut span, "root", SpanKind::Internal, Some(parent)));
        assert!(span.trace_id.is_valid() && span.trace_id != TraceId(7));
        assert!(!span.parent_span_id.is_valid() && !span.parent_is_remote);
        assert_eq!(bench.spanwise.ledger().counter(Counter::InvalidParent), counted);
    }
}
