//! OTLP/JSON of values that nest as deep as a reader follows, and deeper.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use spanwise_wire::json::{FromProtobufError, JsonProblem, from_protobuf, to_protobuf};
use spanwise_wire::read::{MAX_DEPTH, WireError};

const MAX: usize = 64 << 20;

#[test]
fn values_nest_as_deep_as_the_reader_follows() {
    let nested = |levels: usize, map: bool| {
        let (open, close) = match map {
            false => (r#"{"arrayValue":{"values":["#, "]}}"),
            true => (r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}"),
        };
        let value =
            [&*open.repeat(levels), r#"{"boolValue":true}"#, &close.repeat(levels)].concat();
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":[{{"key":"a","value":{value}}}]}}]}}]}}]}}"#
        )
    };
    for map in [false, true] {
        // prost follows fewer levels of maps.
        let (deepest, mut protobuf) = (nested(MAX_DEPTH.into(), map), Vec::new());
        to_protobuf(deepest.as_bytes(), MAX, &mut protobuf).unwrap();
        let mut json = Vec::new();
        from_protobuf(&protobuf, MAX, &mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), deepest);
        assert_eq!(problem(&nested(usize::from(MAX_DEPTH) + 1, map)), JsonProblem::Depth);
        assert_eq!(problem(&nested(100_000, map)), JsonProblem::Depth);
    }

    let mut value = AnyValue::default();
    for _ in 0..=MAX_DEPTH {
        value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![value] })) };
    }
    let attribute = KeyValue { value: Some(value), ..KeyValue::default() };
    let resource = Resource { attributes: vec![attribute], ..Resource::default() };
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), ..ResourceSpans::default() }];
    let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let error = from_protobuf(&request, MAX, &mut Vec::new());
    assert_eq!(error, Err(FromProtobufError::Wire(WireError::Depth)));
}

/// A list or a map of this many levels, which nest by turns.
fn nested_value(levels: usize) -> AnyValue {
    (0..levels).fold(AnyValue { value: Some(Value::BoolValue(true)) }, |value, level| {
        let nested = match level % 2 {
            0 => Value::ArrayValue(ArrayValue { values: vec![value] }),
            _ => {
                let entry = KeyValue { key: "k".into(), value: Some(value), ..KeyValue::default() };
                Value::KvlistValue(KeyValueList { values: vec![entry] })
            }
        };
        AnyValue { value: Some(nested) }
    })
}

#[test]
fn the_deepest_value_needs_little_stack() {
    let attribute = KeyValue {
        key: "key".into(),
        value: Some(nested_value(MAX_DEPTH.into())),
        ..KeyValue::default()
    };
    let resource = Resource { attributes: vec![attribute], ..Resource::default() };
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), ..ResourceSpans::default() }];
    let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let transcode = move || from_protobuf(&request, MAX, &mut Vec::new());
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(transcode).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(()));
}

fn problem(json: &str) -> JsonProblem {
    to_protobuf(json.as_bytes(), MAX, &mut Vec::new()).unwrap_err().problem
}
