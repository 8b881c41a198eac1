//! The span model and the types of the OpenTelemetry API: `From` in both directions.

use opentelemetry::{
    Array as ApiArray, Key, KeyValue, StringValue as ApiString, Value as ApiValue, trace,
};
use prost::Message;
use spanwise_wire::write::EncodeValue;
use spanwise_wire::{
    Attribute, LinkedContext, OwnedValue, SpanId, SpanKind, Status, StatusCode, StringValue,
    TraceFlags, TraceId, Value,
};
use std::str::FromStr;

#[test]
fn ids_and_flags_keep_their_bits_in_both_directions() {
    let id = trace::TraceId::from_hex("5b8efff798038103d269b633813fc60c").unwrap();
    assert_eq!(TraceId::from(id).to_string(), id.to_string());
    assert_eq!(trace::TraceId::from(TraceId::from(id)), id);
    let id = trace::SpanId::from_hex("eee19b7ec3c1b174").unwrap();
    assert_eq!(SpanId::from(id).to_string(), id.to_string());
    assert_eq!(trace::SpanId::from(SpanId::from(id)), id);
    for bits in 0..=255 {
        let flags = TraceFlags::from(trace::TraceFlags::new(bits));
        assert_eq!((flags.0, trace::TraceFlags::from(flags).to_u8()), (bits, bits));
        assert_eq!(flags.is_sampled(), trace::TraceFlags::new(bits).is_sampled());
    }
}

#[test]
fn a_context_survives_as_a_linked_context() {
    let trace_state = trace::TraceState::from_str("a=1,b=2").unwrap();
    let flags = trace::TraceFlags::SAMPLED;
    let context = trace::SpanContext::new(7_u128.into(), 8_u64.into(), flags, true, trace_state);
    let linked = LinkedContext::from(&context);
    assert_eq!((linked.trace_id, linked.span_id), (TraceId(7), SpanId(8)));
    assert_eq!((linked.trace_flags, linked.is_remote), (TraceFlags::SAMPLED, true));
    assert_eq!(&*linked.trace_state, "a=1,b=2");
    assert_eq!(trace::SpanContext::from(&linked), context);
    let broken = LinkedContext { trace_state: "no member".into(), ..linked };
    assert_eq!(*trace::SpanContext::from(&broken).trace_state(), trace::TraceState::NONE);
}

#[test]
fn kinds_and_statuses_have_the_same_names() {
    use trace::SpanKind::{Client, Consumer, Internal, Producer, Server};
    for kind in [Internal, Server, Client, Producer, Consumer] {
        assert_eq!(format!("{:?}", SpanKind::from(&kind)), format!("{kind:?}"));
        assert_eq!(trace::SpanKind::from(SpanKind::from(kind.clone())), kind);
    }
    for status in [trace::Status::Unset, trace::Status::Ok, trace::Status::error("broken")] {
        assert_eq!(trace::Status::from(Status::from(&status)), status);
    }
    assert_eq!(Status::from(&trace::Status::error("broken")).code, StatusCode::Error);
}

fn api_values() -> Vec<ApiValue> {
    let strings = vec![ApiString::from("a"), ApiString::from(String::from("b"))];
    vec![
        true.into(),
        (-7_i64).into(),
        0.5.into(),
        "text".into(),
        String::from("owned").into(),
        ApiValue::Array(ApiArray::Bool(vec![true, false])),
        ApiValue::Array(ApiArray::I64(vec![1, i64::MIN])),
        ApiValue::Array(ApiArray::F64(vec![0.5, -0.0])),
        ApiValue::Array(ApiArray::String(strings)),
    ]
}

#[test]
fn every_value_of_the_api_comes_back_as_it_was() {
    for value in api_values() {
        assert_eq!(ApiValue::from(Value::from(&value)), value);
        assert_eq!(ApiValue::from(OwnedValue::from(&value)), value);
        assert_eq!(ApiValue::from(OwnedValue::from(value.clone())), value);
    }
}

/// The oracle is the API's own conversion to prost's types.
#[test]
fn a_value_of_the_api_is_encoded_as_prost_encodes_it() {
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    for value in api_values() {
        let expected = AnyValue::from(value.clone()).encode_to_vec();
        let mut bytes = Vec::new();
        value.encode(usize::MAX, &mut bytes);
        assert_eq!((bytes.len(), &bytes), (value.encoded_len(usize::MAX), &expected), "{value:?}");
        let mut bytes = Vec::new();
        OwnedValue::from(&value).encode(usize::MAX, &mut bytes);
        assert_eq!(bytes, expected, "{value:?}");
        let is_long = matches!(value, ApiValue::String(_));
        assert_eq!(value.is_truncated(2), is_long, "{value:?}");
    }
}

#[test]
fn values_that_the_api_lacks_become_the_nearest_ones() {
    let strings = |items: &[&'static str]| {
        ApiValue::Array(ApiArray::String(items.iter().map(|&item| item.into()).collect()))
    };
    let mixed = [OwnedValue::I64(1), "two".into(), OwnedValue::from(vec![true])];
    let cases = [
        (Value::U64(7), ApiValue::I64(7)),
        (Value::U64(u64::MAX), "18446744073709551615".into()),
        (Value::Char('é'), "é".into()),
        (Value::Bytes(&[1, 255]), ApiValue::Array(ApiArray::I64(vec![1, 255]))),
        (Value::Array(&mixed), strings(&["1", "two", "[true]"])),
        (Value::Strs(&["a"]), strings(&["a"])),
        (Value::Absent, "".into()),
    ];
    for (ours, expected) in cases {
        assert_eq!(ApiValue::from(ours), expected);
    }
}

#[test]
fn an_attribute_keeps_its_key_and_value() {
    let of_api = KeyValue::new("http.request.method", "GET");
    for attribute in [Attribute::from(&of_api), Attribute::from(of_api.clone())] {
        assert_eq!(attribute, Attribute::new("http.request.method", "GET"));
        assert_eq!(attribute.as_pair(), ("http.request.method", Value::Str("GET")));
        assert_eq!(KeyValue::from(attribute), of_api);
    }
    for key in [StringValue::from("k"), StringValue::Shared("k".into()), String::from("k").into()] {
        assert_eq!(Key::from(key.clone()), Key::from_static_str("k"));
        assert_eq!(StringValue::from(ApiString::from(key)), StringValue::Static("k"));
    }
}
