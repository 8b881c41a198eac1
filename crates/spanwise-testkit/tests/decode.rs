//! The strict decoder against prost's encoder, with intact and corrupted requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, span::Event, span::Link,
};
use prost::Message;
use spanwise_testkit::{NotStrict, attributes_map, decode, spans, try_decode};

fn good_span() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        name: "good".into(),
        kind: 1,
        attributes: vec![pair("key", Value::IntValue(1))],
        events: vec![Event {
            attributes: vec![pair("key", Value::IntValue(1))],
            ..Event::default()
        }],
        links: vec![Link { trace_id: vec![1; 16], span_id: vec![2; 8], ..Link::default() }],
        status: Some(Status { code: 2, message: "why".into() }),
        ..Span::default()
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn request(span: Span) -> ExportTraceServiceRequest {
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

/// Asserts that decoding fails with `reason` after `spoil` has changed the good span.
fn check(spoil: impl FnOnce(&mut Span), reason: &str) {
    let mut span = good_span();
    spoil(&mut span);
    let error = try_decode(&request(span).encode_to_vec()).unwrap_err();
    assert_eq!(error.to_string(), format!("span 0 (\"good\"): {reason}"));
}

#[test]
fn a_good_request_is_decoded() {
    let request = request(good_span());
    let decoded = decode(&request.encode_to_vec());
    assert_eq!(decoded, request);
    assert_eq!(spans(&decoded).count(), 1);
    assert_eq!(decode(&[]), ExportTraceServiceRequest::default());
}

#[test]
fn spans_that_violate_a_rule_are_rejected() {
    check(|span| span.trace_id = vec![1; 15], "trace id of 15 bytes instead of 16");
    check(|span| span.trace_id = vec![0; 16], "trace id is all zero");
    check(|span| span.span_id.clear(), "span id of 0 bytes instead of 8");
    check(|span| span.span_id = vec![0; 8], "span id is all zero");
    check(|span| span.parent_span_id = vec![0; 8], "parent span id is all zero");
    check(|span| span.parent_span_id.push(1), "parent span id of 9 bytes instead of 8");
    check(|span| span.links[0].trace_id.clear(), "trace id of a link of 0 bytes instead of 16");
    check(|span| span.links[0].span_id = vec![0; 8], "span id of a link is all zero");
    check(|span| span.kind = 6, "kind 6 has no name");
    check(
        |span| span.status = Some(Status { code: 3, ..Status::default() }),
        "status code 3 has no name",
    );
    check(
        |span| span.status = Some(Status { code: 1, message: "fine".into() }),
        "status STATUS_CODE_OK with a message",
    );
}

#[test]
fn fields_that_otlp_does_not_define_are_rejected() {
    let string_table = KeyValue { key_strindex: 1, ..KeyValue::default() };
    let cases: [(Span, &str, u32); 2] = [
        (Span { attributes: vec![string_table], ..good_span() }, "KeyValue", 3),
        (
            Span { attributes: vec![pair("key", Value::StringValueStrindex(1))], ..good_span() },
            "AnyValue",
            8,
        ),
    ];
    for (span, message, number) in cases {
        assert_eq!(
            try_decode(&request(span).encode_to_vec()),
            Err(NotStrict::UnknownField { message: message.into(), number })
        );
    }
    // Field 1000 as varint, fixed64, bytes and fixed32, after a good request and inside its span.
    for (wire_type, value) in [(0, &[7][..]), (1, &[7; 8]), (2, &[1, 7]), (5, &[7; 4])] {
        let mut field = Vec::new();
        prost::encoding::encode_varint(1000 << 3 | wire_type, &mut field);
        field.extend_from_slice(value);

        let mut body = request(good_span()).encode_to_vec();
        body.extend_from_slice(&field);
        assert_eq!(try_decode(&body), unknown("Request"));

        let mut body = good_span().encode_to_vec();
        body.extend_from_slice(&field);
        // As span 2 of scope 2 of resource 1.
        for number in [2, 2, 1] {
            let mut outer = Vec::new();
            prost::encoding::encode_varint(number << 3 | 2, &mut outer);
            prost::encoding::encode_varint(body.len() as u64, &mut outer);
            outer.append(&mut body);
            body = outer;
        }
        assert_eq!(try_decode(&body), unknown("Span"));
    }
}

fn unknown(message: &str) -> Result<ExportTraceServiceRequest, NotStrict> {
    Err(NotStrict::UnknownField { message: message.into(), number: 1000 })
}

#[test]
fn decoding_returns_for_every_truncation_and_every_flipped_byte() {
    let body = request(good_span()).encode_to_vec();
    for len in 1..body.len() {
        assert!(matches!(try_decode(&body[..len]), Err(NotStrict::Malformed(_))), "at {len}");
    }
    for index in 0..body.len() {
        for mask in [0x01, 0x08, 0x80, 0xff] {
            let mut body = body.clone();
            body[index] ^= mask;
            // Either result is right; only a hang or a panic is wrong.
            let _result = try_decode(&body);
        }
    }
}

#[test]
#[should_panic(expected = "not a strict OTLP trace request")]
fn decode_panics_with_the_reason() {
    decode(b"not protobuf");
}

#[test]
fn attributes_map_returns_values_by_key() {
    let pairs = [pair("a", Value::IntValue(1)), pair("b", Value::BoolValue(true))];
    let map = attributes_map(&pairs);
    assert_eq!(map["a"].value, Some(Value::IntValue(1)));
    assert_eq!(map.len(), 2);
}

#[test]
#[should_panic(expected = "occurs twice")]
fn attributes_map_panics_if_a_key_occurs_twice() {
    attributes_map(&[pair("a", Value::IntValue(1)), pair("a", Value::IntValue(1))]);
}
