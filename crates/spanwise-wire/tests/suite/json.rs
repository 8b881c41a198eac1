//! OTLP/JSON beside `opentelemetry-proto`'s, in both directions.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::json::{FromProtobufError, JsonProblem, from_protobuf, to_protobuf};

const MAX: usize = 64 << 20;

fn to_json(protobuf: &[u8]) -> String {
    let mut json = Vec::new();
    from_protobuf(protobuf, MAX, &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

fn to_request(json: &str) -> ExportTraceServiceRequest {
    let mut protobuf = Vec::new();
    to_protobuf(json.as_bytes(), MAX, &mut protobuf).unwrap();
    ExportTraceServiceRequest::decode(&*protobuf).unwrap()
}

/// The problem and its position.
fn refused(json: &str) -> (JsonProblem, usize) {
    let mut out = b"before".to_vec();
    let error = to_protobuf(json.as_bytes(), MAX, &mut out).unwrap_err();
    assert_eq!(out, b"before");
    (error.problem, error.position)
}

/// A request whose only span has these members.
fn of_span(members: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{members}}}]}}]}}]}}"#)
}

fn only_span(request: &ExportTraceServiceRequest) -> &Span {
    &request.resource_spans[0].scope_spans[0].spans[0]
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        1 => Just(String::new()),
        4 => "[a-z.]{1,30}",
        2 => vec(any::<char>(), 0..20).prop_map(String::from_iter),
        1 => "[\\x00-\\x7f]{0,40}",
        1 => "[a-z]{120,140}",
    ]
    .boxed()
}

fn id(len: usize) -> BoxedStrategy<Vec<u8>> {
    prop_oneof![1 => Just(Vec::new()), 5 => vec(any::<u8>(), len)].boxed()
}

fn value() -> BoxedStrategy<AnyValue> {
    let double = prop_oneof![
        prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL,
        (-1000i32..1000).prop_map(f64::from),
    ];
    let leaf = prop_oneof![
        3 => text().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        2 => any::<i64>().prop_map(Value::IntValue),
        1 => (-3i64..200).prop_map(Value::IntValue),
        2 => double.prop_map(Value::DoubleValue),
        1 => vec(any::<u8>(), 0..20).prop_map(Value::BytesValue),
    ];
    let leaf = option::weighted(0.9, leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let entry = (text(), option::of(inner.clone()));
        let entry = entry.prop_map(|(key, value)| KeyValue { key, value, ..KeyValue::default() });
        let value = prop_oneof![
            vec(inner, 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(entry, 0..4).prop_map(|values| Value::KvlistValue(KeyValueList { values })),
        ];
        value.prop_map(|value| AnyValue { value: Some(value) })
    })
    .boxed()
}

fn attributes() -> BoxedStrategy<Vec<KeyValue>> {
    let entry = (text(), option::weighted(0.95, value()));
    vec(entry.prop_map(|(key, value)| KeyValue { key, value, ..KeyValue::default() }), 0..5).boxed()
}

fn count() -> BoxedStrategy<u32> {
    prop_oneof![3 => Just(0), 1 => any::<u32>()].boxed()
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), text(), attributes(), count()).prop_map(|(time, name, attributes, dropped)| {
        Event { time_unix_nano: time, name, attributes, dropped_attributes_count: dropped }
    })
}

fn link() -> impl Strategy<Value = Link> {
    (id(16), id(8), text(), attributes(), count(), count()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count: dropped,
            flags,
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8), text(), count());
    let fields = (text(), any::<i32>(), any::<u64>(), prop_oneof![Just(0), any::<u64>()]);
    let status = (text(), -3..100i32).prop_map(|(message, code)| Status { message, code });
    let lists = (attributes(), vec(event(), 0..3), vec(link(), 0..3), [count(), count(), count()]);
    (ids, fields, lists, option::of(status)).prop_map(|(ids, fields, lists, status)| {
        let (trace_id, span_id, parent_span_id, trace_state, flags) = ids;
        let (name, kind, start_time_unix_nano, end_time_unix_nano) = fields;
        let (attributes, events, links, dropped) = lists;
        Span {
            trace_id,
            span_id,
            trace_state,
            parent_span_id,
            flags,
            name,
            kind,
            start_time_unix_nano,
            end_time_unix_nano,
            attributes,
            dropped_attributes_count: dropped[0],
            events,
            dropped_events_count: dropped[1],
            links,
            dropped_links_count: dropped[2],
            status,
        }
    })
}

fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    // The oracle requires each field of an entity.
    let filled = || vec(text(), 1..3);
    let entity = ("[a-z]{1,9}", "[a-z]{1,9}", filled(), filled()).prop_map(
        |(schema_url, r#type, id_keys, description_keys)| EntityRef {
            schema_url,
            r#type,
            id_keys,
            description_keys,
        },
    );
    let resource = (attributes(), count(), vec(entity, 0..2)).prop_map(
        |(attributes, dropped, entity_refs)| Resource {
            attributes,
            dropped_attributes_count: dropped,
            entity_refs,
        },
    );
    let scope =
        (text(), text(), attributes(), count()).prop_map(|(name, version, attributes, dropped)| {
            InstrumentationScope { name, version, attributes, dropped_attributes_count: dropped }
        });
    let scope_spans = (option::of(scope), vec(span(), 0..4), text())
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let resource_spans = (option::of(resource), vec(scope_spans, 0..3), text()).prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url },
    );
    vec(resource_spans, 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_oracle_reads_what_was_written(request in request()) {
        let json = to_json(&request.encode_to_vec());
        let read: ExportTraceServiceRequest = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read, request);
    }

    #[test]
    fn what_the_oracle_wrote_is_read(request in request(), pretty in any::<bool>()) {
        let json = match pretty {
            true => serde_json::to_string_pretty(&request),
            false => serde_json::to_string(&request),
        };
        prop_assert_eq!(to_request(&json.unwrap()), request);
    }

    #[test]
    fn a_round_trip_preserves_the_bytes_of_prost(request in request()) {
        let bytes = request.encode_to_vec();
        let mut again = Vec::new();
        to_protobuf(to_json(&bytes).as_bytes(), MAX, &mut again).unwrap();
        prop_assert_eq!(ExportTraceServiceRequest::decode(&*again).unwrap(), request);
    }

    #[test]
    fn the_limit_of_json_is_exact(request in request(), share in 0.0..1.0) {
        let bytes = request.encode_to_vec();
        let len = to_json(&bytes).len();
        let mut out = Vec::with_capacity(len + 1024);
        prop_assert_eq!(from_protobuf(&bytes, len, &mut out), Ok(()));
        out.clear();
        let less = (share * len as f64) as usize;
        let error = FromProtobufError::TooLarge { max_bytes: less };
        prop_assert_eq!(from_protobuf(&bytes, less, &mut out), Err(error));
        prop_assert!(out.is_empty() && out.capacity() == len + 1024);
    }

    #[test]
    fn the_limit_of_protobuf_is_exact(request in request(), share in 0.0..1.0) {
        let json = to_json(&request.encode_to_vec());
        let mut out = Vec::new();
        to_protobuf(json.as_bytes(), MAX, &mut out).unwrap();
        let len = out.len();
        out.clear();
        prop_assert_eq!(to_protobuf(json.as_bytes(), len, &mut out), Ok(()));
        if len > 0 {
            out.clear();
            let less = (share * len as f64) as usize;
            let error = to_protobuf(json.as_bytes(), less, &mut out).unwrap_err();
            prop_assert_eq!(error.problem, JsonProblem::TooLarge { max_bytes: less });
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn damaged_text_is_an_error_or_a_request(
        request in request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut json = to_json(&request.encode_to_vec()).into_bytes();
        let at = at.index(json.len());
        match cut {
            true => json.truncate(at),
            false => json[at] = byte,
        }
        let mut out = Vec::new();
        match to_protobuf(&json, MAX, &mut out) {
            Ok(()) => prop_assert!(ExportTraceServiceRequest::decode(&*out).is_ok()),
            Err(error) => prop_assert!(out.is_empty() && error.position <= json.len()),
        }
    }

    #[test]
    fn damaged_protobuf_is_an_error_or_valid_json(
        request in request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = request.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] = byte,
        }
        let mut json = Vec::new();
        match from_protobuf(&bytes, MAX, &mut json) {
            Ok(()) => prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok()),
            Err(_) => prop_assert!(json.is_empty()),
        }
    }
}

#[test]
fn the_example_of_the_specification_reads() {
    let json = include_str!("../data/trace.json");
    let request = to_request(json);
    let span = only_span(&request);
    assert_eq!(span.trace_id, 0x5B8E_FFF7_9803_8103_D269_B633_813F_C60C_u128.to_be_bytes());
    assert_eq!(span.parent_span_id, 0xEEE1_9B7E_C3C1_B173_u64.to_be_bytes());
    assert_eq!((&*span.name, span.kind), ("I'm a server span", 2));
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 1_000_000_000);
    assert_eq!(request, serde_json::from_str(json).unwrap());
    let compact: serde_json::Value = serde_json::from_str(json).unwrap();
    let ours: serde_json::Value = serde_json::from_str(&to_json(&request.encode_to_vec())).unwrap();
    // The specification's ids are in upper case.
    assert_eq!(ours.to_string().to_lowercase(), compact.to_string().to_lowercase());
}

#[test]
fn a_span_is_written_in_one_form() {
    let attribute = |key: &str, value| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let span = Span {
        trace_id: 1u128.to_be_bytes().to_vec(),
        span_id: 2u64.to_be_bytes().to_vec(),
        name: "GET \"x\"".into(),
        kind: 2,
        start_time_unix_nano: u64::MAX,
        attributes: vec![
            attribute("i", Value::IntValue(-1)),
            attribute("d", Value::DoubleValue(f64::NAN)),
            attribute("b", Value::BytesValue(vec![0xff])),
            attribute("a", Value::ArrayValue(ArrayValue::default())),
        ],
        status: Some(Status { code: 2, ..Status::default() }),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let json = to_json(&ExportTraceServiceRequest { resource_spans }.encode_to_vec());
    let expected = of_span(concat!(
        r#""traceId":"00000000000000000000000000000001","spanId":"0000000000000002","#,
        r#""name":"GET \"x\"","kind":2,"startTimeUnixNano":"18446744073709551615","attributes":["#,
        r#"{"key":"i","value":{"intValue":"-1"}},{"key":"d","value":{"doubleValue":"NaN"}},"#,
        r#"{"key":"b","value":{"bytesValue":"/w=="}},"#,
        r#"{"key":"a","value":{"arrayValue":{"values":[]}}}],"status":{"code":2}"#,
    ));
    assert_eq!(json, expected);
    assert_eq!(to_json(b""), r#"{"resourceSpans":[]}"#);
}

#[test]
fn fields_of_a_span_are_read_in_any_order() {
    // Attribute, event, attribute, name, name.
    let span = [
        &[0x4a, 3, 0x0a, 1, b'a', 0x5a, 3, 0x12, 1, b'e', 0x4a, 3, 0x0a, 1, b'b'][..],
        &[0x2a, 1, b'm', 0x2a, 1, b'n'],
    ]
    .concat();
    let wrap = |tag: u8, message: &[u8]| [&[tag, message.len() as u8], message].concat();
    let json = to_json(&wrap(0x0a, &wrap(0x12, &wrap(0x12, &span))));
    let expected =
        of_span(r#""name":"n","attributes":[{"key":"a"},{"key":"b"}],"events":[{"name":"e"}]"#);
    assert_eq!(json, expected);
}

#[test]
fn receivers_accept_what_the_specification_allows() {
    let request = to_request(&of_span(
        r#"
        "traceId": "5b8EFFF798038103d269b633813fc60c", "unknown": {"deep": [1, {"x": null}]},
        "startTimeUnixNano": 1544712660000000000, "endTimeUnixNano": "1544712661000000000",
        "kind": 3, "name": null, "start_time_unix_nano": "7", "na\u006de": "caf\u00e9 \ud83e\uddc0",
        "attributes": [
            {"key": "i", "value": {"intValue": 9007199254740993}},
            {"key": "d", "value": {"doubleValue": "-Infinity"}},
            {"key": "b", "value": {"bytesValue": "-_8"}, "more": true}
        ]"#,
    ));
    let span = only_span(&request);
    let values: Vec<_> =
        span.attributes.iter().map(|a| a.value.clone().unwrap().value.unwrap()).collect();
    assert_eq!(
        values,
        [
            Value::IntValue(9_007_199_254_740_993),
            Value::DoubleValue(f64::NEG_INFINITY),
            Value::BytesValue(vec![0xfb, 0xff]),
        ]
    );
    assert_eq!(span.start_time_unix_nano, 1_544_712_660_000_000_000);
    assert_eq!((&*span.name, span.kind), ("café \u{1f9c0}", 3));
    assert_eq!(to_request("{}"), ExportTraceServiceRequest::default());
    assert_eq!(to_request(r#" {"resourceSpans":null} "#), ExportTraceServiceRequest::default());
}

#[test]
fn an_error_has_its_position() {
    let at = |json: &str, needle: &str| json.find(needle).unwrap();
    for (members, needle) in [
        (r#""kind":"SPAN_KIND_SERVER""#, "\"SPAN_KIND"),
        (r#""kind":"2""#, "\"2\""),
        (r#""traceId":"5b8e""#, "\"5b8e"),
        (r#""spanId":"zzzzzzzzzzzzzzzz""#, "\"zzz"),
        (r#""startTimeUnixNano":-1"#, "-1"),
        (r#""startTimeUnixNano":"18446744073709551616""#, "\"1844"),
        (r#""droppedEventsCount":4294967296"#, "4294"),
        (r#""attributes":[{"key":"a","value":{"boolValue":"true"}}]"#, "\"true"),
        (r#""attributes":[{"key":"a","value":{"bytesValue":"a"}}]"#, "\"a\"}}"),
    ] {
        let json = of_span(members);
        let (problem, position) = refused(&json);
        assert!(matches!(problem, JsonProblem::Value(_)), "{json}: {problem}");
        assert_eq!(position, at(&json, needle), "{json}");
    }
    for (json, position) in [
        ("", 0),
        ("[]", 0),
        ("{\"resourceSpans\":{}}", 17),
        ("{\"resourceSpans\":[]} x", 21),
        ("{\"resourceSpans\":[1]}", 18),
    ] {
        let (problem, found) = refused(json);
        assert!(matches!(problem, JsonProblem::Expected(_)), "{json}: {problem}");
        assert_eq!(found, position, "{json}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    let span = [0x2a, 3, b'a', 0xff, b'b'];
    let wrap = |tag: u8, message: &[u8]| [&[tag, message.len() as u8], message].concat();
    let json = to_json(&wrap(0x0a, &wrap(0x12, &wrap(0x12, &span))));
    assert_eq!(json, of_span("\"name\":\"a\u{fffd}b\""));
}
