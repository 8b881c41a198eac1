//! Random requests.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status,
    span::{Event, Link},
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = (option::of(scope()), vec(span(), 0..4), short())
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let group = (option::of(resource()), vec(scope, 0..3), short()).prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url },
    );
    vec(group, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

pub fn resource() -> impl Strategy<Value = Resource> {
    (entries(), any::<u32>()).prop_map(|(attributes, dropped_attributes_count)| Resource {
        attributes,
        dropped_attributes_count,
        entity_refs: Vec::new(),
    })
}

pub fn scope() -> impl Strategy<Value = InstrumentationScope> {
    (short(), short(), entries(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    )
}

pub fn span() -> impl Strategy<Value = Span> {
    let identity = (id(16), id(8), id(8), short(), any::<u32>());
    let shape = (short(), 0..7i32, any::<u64>(), any::<u64>());
    let status = option::of((short(), 0..4i32));
    let lists = (entries(), vec(event(), 0..3), vec(link(), 0..3), any::<[u32; 3]>());
    (identity, shape, status, lists).prop_map(|(identity, shape, status, lists)| Span {
        trace_id: identity.0,
        span_id: identity.1,
        parent_span_id: identity.2,
        trace_state: identity.3,
        flags: identity.4,
        name: shape.0,
        kind: shape.1,
        start_time_unix_nano: shape.2,
        end_time_unix_nano: shape.3,
        status: status.map(|(message, code)| Status { message, code }),
        attributes: lists.0,
        events: lists.1,
        links: lists.2,
        dropped_attributes_count: lists.3[0],
        dropped_events_count: lists.3[1],
        dropped_links_count: lists.3[2],
    })
}

pub fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), short(), entries(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

pub fn link() -> impl Strategy<Value = Link> {
    (id(16), id(8), short(), entries(), any::<u32>(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

pub fn id(len: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), len),
        1 => Just(Vec::new()),
        1 => vec(any::<u8>(), 0..20),
    ]
}

pub fn short() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z.]{1,20}", ".{0,60}"]
}

pub fn entries() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(entry(value()), 0..4)
}

pub fn entry(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    // Few keys, so that duplicates are common.
    (prop_oneof!["[ab]{0,1}", ".{0,8}"], option::of(value)).prop_map(|(key, value)| KeyValue {
        key,
        value,
        key_strindex: 0,
    })
}

pub fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        short().prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|value| Some(Value::BoolValue(value))),
        any::<i64>().prop_map(|value| Some(Value::IntValue(value))),
        any::<u64>().prop_map(|bits| Some(Value::DoubleValue(f64::from_bits(bits)))),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Some(Value::BytesValue(bytes))),
        any::<i32>().prop_map(|index| Some(Value::StringValueStrindex(index))),
    ]
    .prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| AnyValue {
                value: Some(Value::ArrayValue(ArrayValue { values }))
            }),
            vec(entry(inner), 0..3).prop_map(|values| AnyValue {
                value: Some(Value::KvlistValue(KeyValueList { values }))
            }),
        ]
    })
}
