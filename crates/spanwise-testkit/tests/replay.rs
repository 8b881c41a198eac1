//! The stock SDK must export generated spans exactly as their specs describe them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_proto::tonic::common::v1::{self as common, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, span, status};
use opentelemetry_sdk::Resource;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;
use spanwise_testkit::generate::{Shape, span_spec, span_specs};
use spanwise_testkit::{
    SpanSpec, assert_same_spans, decode, forget_generated_ids, spans, stock_request,
};

fn resource() -> Resource {
    Resource::builder_empty().with_attribute(KeyValue::new("service.name", "kit")).build()
}

/// The span that the specification requires for `spec`, derived by hand.
fn expected(spec: &SpanSpec) -> Span {
    let details = [&spec.at_start, &spec.later];
    let parent = spec.parent.as_ref();
    let inherited = parent.map_or(0, |parent| u32::from(parent.trace_flags().to_u8()));
    let remote = parent.is_some_and(SpanContext::is_remote);
    Span {
        trace_id: parent.map_or(vec![0; 16], |parent| parent.trace_id().to_bytes().to_vec()),
        span_id: vec![0; 8],
        trace_state: parent.map(|parent| parent.trace_state().header()).unwrap_or_default(),
        parent_span_id: parent.map_or(vec![], |parent| parent.span_id().to_bytes().to_vec()),
        flags: inherited | 0x101 | if remote { 0x200 } else { 0 },
        name: spec.last_name().to_owned(),
        kind: match spec.kind {
            SpanKind::Internal => span::SpanKind::Internal,
            SpanKind::Server => span::SpanKind::Server,
            SpanKind::Client => span::SpanKind::Client,
            SpanKind::Producer => span::SpanKind::Producer,
            SpanKind::Consumer => span::SpanKind::Consumer,
        }
        .into(),
        start_time_unix_nano: nanos(spec.start),
        end_time_unix_nano: nanos(spec.end),
        attributes: details.iter().flat_map(|part| pairs(&part.attributes)).collect(),
        events: details.iter().flat_map(|part| part.events.iter().map(event)).collect(),
        links: details.iter().flat_map(|part| part.links.iter().map(link)).collect(),
        status: Some(match &spec.status {
            Status::Error { description } => wire_status(status::StatusCode::Error, description),
            Status::Ok => wire_status(status::StatusCode::Ok, ""),
            Status::Unset => wire_status(status::StatusCode::Unset, ""),
        }),
        ..Span::default()
    }
}

fn wire_status(
    code: status::StatusCode,
    message: &str,
) -> opentelemetry_proto::tonic::trace::v1::Status {
    opentelemetry_proto::tonic::trace::v1::Status { code: code.into(), message: message.into() }
}

fn event(event: &Event) -> span::Event {
    span::Event {
        time_unix_nano: nanos(event.timestamp),
        name: event.name.to_string(),
        attributes: pairs(&event.attributes),
        dropped_attributes_count: 0,
    }
}

fn link(link: &Link) -> span::Link {
    let context = &link.span_context;
    span::Link {
        trace_id: context.trace_id().to_bytes().to_vec(),
        span_id: context.span_id().to_bytes().to_vec(),
        trace_state: context.trace_state().header(),
        attributes: pairs(&link.attributes),
        dropped_attributes_count: 0,
        flags: u32::from(context.trace_flags().to_u8())
            | if context.is_remote() { 0x300 } else { 0x100 },
    }
}

fn pairs(attributes: &[KeyValue]) -> Vec<common::KeyValue> {
    let pair = |pair: &KeyValue| common::KeyValue {
        key: pair.key.to_string(),
        value: Some(value(&pair.value)),
        key_strindex: 0,
    };
    attributes.iter().map(pair).collect()
}

fn value(value: &Value) -> common::AnyValue {
    use any_value::Value::{ArrayValue, BoolValue, DoubleValue, IntValue, StringValue};
    let any = |value| common::AnyValue { value: Some(value) };
    let array = |values| any(ArrayValue(common::ArrayValue { values }));
    match value {
        Value::Bool(truth) => any(BoolValue(*truth)),
        Value::I64(number) => any(IntValue(*number)),
        Value::F64(number) => any(DoubleValue(*number)),
        Value::String(text) => any(StringValue(text.to_string())),
        Value::Array(Array::Bool(all)) => {
            array(all.iter().map(|&one| any(BoolValue(one))).collect())
        }
        Value::Array(Array::I64(all)) => array(all.iter().map(|&one| any(IntValue(one))).collect()),
        Value::Array(Array::F64(all)) => {
            array(all.iter().map(|&one| any(DoubleValue(one))).collect())
        }
        Value::Array(Array::String(all)) => {
            array(all.iter().map(|one| any(StringValue(one.to_string()))).collect())
        }
        other => panic!("a value of a kind unknown to the test: {other:?}"),
    }
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

/// Each span has a request of its own, so that its scope can be checked.
fn check(specs: &[SpanSpec]) {
    for spec in specs {
        let mut stock = stock_request(&resource(), std::slice::from_ref(spec));
        assert_eq!(decode(&stock.encode_to_vec()).encode_to_vec(), stock.encode_to_vec());
        forget_generated_ids(&mut stock);
        let group = &stock.resource_spans[0].scope_spans[0];
        let scope = group.scope.as_ref().unwrap();
        assert_eq!(scope.name, spec.scope.name());
        assert_eq!(scope.version, spec.scope.version().unwrap_or_default());
        assert_eq!(group.schema_url, spec.scope.schema_url().unwrap_or_default());
        let mut wanted = stock.clone();
        let group = &mut wanted.resource_spans[0].scope_spans[0];
        group.scope.as_mut().unwrap().attributes =
            pairs(&spec.scope.attributes().cloned().collect::<Vec<_>>());
        group.spans = vec![expected(spec)];
        assert_same_spans(&stock, &wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_stock_sdk_exports_the_spec(specs in span_specs(&Shape::default(), 0..4)) {
        check(&specs);
    }

    #[test]
    fn the_stock_sdk_exports_duplicate_keys(
        spec in span_spec(&Shape { duplicate_keys: true, ..Shape::default() }),
    ) {
        check(&[spec]);
    }

    #[test]
    fn sampled_parents_have_the_sampled_flag(
        spec in span_spec(&Shape { sampled_parents: true, ..Shape::default() }),
    ) {
        prop_assert!(spec.parent.is_none_or(|parent| parent.is_sampled()));
    }

    #[test]
    fn keys_are_unique_unless_duplicates_are_requested(spec in span_spec(&Shape::default())) {
        let details = [&spec.at_start, &spec.later];
        let mut seen = HashSet::new();
        for pair in details.iter().flat_map(|part| &part.attributes) {
            prop_assert!(seen.insert(pair.key.clone()), "{} twice", pair.key);
        }
        prop_assert!(spec.end >= spec.start);
    }
}

#[test]
fn two_replays_export_the_same_spans() {
    let mut runner = TestRunner::deterministic();
    let specs = span_specs(&Shape::default(), 20..21).new_tree(&mut runner).unwrap().current();
    let [mut one, mut two] = [(); 2].map(|()| stock_request(&resource(), &specs));
    assert_eq!(spans(&one).count(), 20);
    assert_ne!(one, two, "ids are random");
    forget_generated_ids(&mut one);
    forget_generated_ids(&mut two);
    assert_same_spans(&one, &two);
}

/// The generator produces every edge case that its docs list.
#[test]
fn every_edge_case_is_generated() {
    let mut runner = TestRunner::deterministic();
    let shape = Shape { duplicate_keys: true, ..Shape::default() };
    let specs = span_specs(&shape, 400..401).new_tree(&mut runner).unwrap().current();
    let attributes = || {
        specs.iter().flat_map(|spec| {
            let parts = [&spec.at_start, &spec.later];
            parts.into_iter().flat_map(|part| &part.attributes)
        })
    };
    let contexts = || specs.iter().filter_map(|spec| spec.parent.as_ref());
    let some = |what: &str, found: bool| assert!(found, "no {what} among 400 spans");

    some("root", specs.iter().any(|spec| spec.parent.is_none()));
    some("remote parent", contexts().any(|context| context.is_remote()));
    some("local parent", contexts().any(|context| !context.is_remote()));
    some("unsampled parent", contexts().any(|context| !context.is_sampled()));
    some("trace state", contexts().any(|context| !context.trace_state().header().is_empty()));
    some("empty name", specs.iter().any(|spec| spec.name.is_empty()));
    some("new name", specs.iter().any(|spec| spec.new_name.is_some()));
    some("long name", specs.iter().any(|spec| spec.name.len() > 290));
    some("zero length", specs.iter().any(|spec| spec.start == spec.end));
    some("ok", specs.iter().any(|spec| spec.status == Status::Ok));
    some("error", specs.iter().any(|spec| matches!(spec.status, Status::Error { .. })));
    some("early link", specs.iter().any(|spec| !spec.at_start.links.is_empty()));
    some("late link", specs.iter().any(|spec| !spec.later.links.is_empty()));
    some("early event", specs.iter().any(|spec| !spec.at_start.events.is_empty()));
    some("late event", specs.iter().any(|spec| !spec.later.events.is_empty()));
    some("long key", attributes().any(|pair| pair.key.as_str().len() > 127));
    some("unicode key", attributes().any(|pair| !pair.key.as_str().is_ascii()));
    some("NaN", attributes().any(|pair| matches!(pair.value, Value::F64(x) if x.is_nan())));
    some("bool", attributes().any(|pair| matches!(pair.value, Value::Bool(_))));
    some("integer", attributes().any(|pair| matches!(pair.value, Value::I64(i64::MIN))));
    let text = |test: fn(&str) -> bool| {
        attributes().any(|pair| matches!(&pair.value, Value::String(text) if test(text.as_str())))
    };
    some("empty text", text(str::is_empty));
    some("long text", text(|text| text.len() > 290));
    some("unicode text", text(|text| !text.is_ascii()));
    let array = |test: fn(&Array) -> bool| {
        attributes().any(|pair| matches!(&pair.value, Value::Array(array) if test(array)))
    };
    some("empty array", array(|array| matches!(array, Array::I64(all) if all.is_empty())));
    some("array of bools", array(|array| matches!(array, Array::Bool(all) if all.len() > 1)));
    some("array of integers", array(|array| matches!(array, Array::I64(all) if all.len() > 1)));
    some("array of floats", array(|array| matches!(array, Array::F64(all) if all.len() > 1)));
    some("array of texts", array(|array| matches!(array, Array::String(all) if all.len() > 1)));
    let twice = specs.iter().any(|spec| {
        let mut seen = HashSet::new();
        spec.at_start.attributes.iter().any(|pair| !seen.insert(pair.key.clone()))
    });
    some("key twice", twice);
}
