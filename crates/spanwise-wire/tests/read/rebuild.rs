//! A request decoded by the reader, as prost's types.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status,
    span::{Event, Link},
};
use spanwise_wire::read::{Attributes, SpanView, TraceRequest, ValueView, WireError};

pub fn rebuild(bytes: &[u8]) -> Result<ExportTraceServiceRequest, WireError> {
    let mut request = ExportTraceServiceRequest::default();
    for group in TraceRequest::new(bytes).resources() {
        let group = group?;
        let mut scope_spans = Vec::new();
        for scope in group.scopes() {
            let scope = scope?;
            scope_spans.push(ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: scope.name()?.into(),
                    version: scope.version()?.into(),
                    attributes: attributes(scope.attributes())?,
                    dropped_attributes_count: 0,
                }),
                spans: scope.spans().map(|span| rebuild_span(&span?)).collect::<Result<_, _>>()?,
                schema_url: scope.schema_url()?.into(),
            });
        }
        request.resource_spans.push(ResourceSpans {
            resource: Some(Resource {
                attributes: attributes(group.attributes())?,
                ..Resource::default()
            }),
            scope_spans,
            schema_url: group.schema_url()?.into(),
        });
    }
    Ok(request)
}

pub fn rebuild_span(view: &SpanView<'_>) -> Result<Span, WireError> {
    Ok(Span {
        trace_id: view.trace_id().map(Vec::from).unwrap_or_default(),
        span_id: view.span_id().map(Vec::from).unwrap_or_default(),
        trace_state: view.trace_state()?.into(),
        parent_span_id: view.parent_span_id().map(Vec::from).unwrap_or_default(),
        flags: view.flags(),
        name: view.name()?.into(),
        kind: view.kind(),
        start_time_unix_nano: view.start_unix_nanos(),
        end_time_unix_nano: view.end_unix_nanos(),
        attributes: attributes(view.attributes())?,
        dropped_attributes_count: view.dropped_attributes_count(),
        events: view
            .events()
            .map(|event| {
                let event = event?;
                Ok(Event {
                    time_unix_nano: event.time_unix_nanos(),
                    name: event.name()?.into(),
                    attributes: attributes(event.attributes())?,
                    dropped_attributes_count: event.dropped_attributes_count(),
                })
            })
            .collect::<Result<_, WireError>>()?,
        dropped_events_count: view.dropped_events_count(),
        links: view
            .links()
            .map(|link| {
                let link = link?;
                Ok(Link {
                    trace_id: link.trace_id().map(Vec::from).unwrap_or_default(),
                    span_id: link.span_id().map(Vec::from).unwrap_or_default(),
                    trace_state: link.trace_state()?.into(),
                    attributes: attributes(link.attributes())?,
                    dropped_attributes_count: link.dropped_attributes_count(),
                    flags: link.flags(),
                })
            })
            .collect::<Result<_, WireError>>()?,
        dropped_links_count: view.dropped_links_count(),
        status: Some(Status { message: view.status_message()?.into(), code: view.status_code() }),
    })
}

pub fn attributes(list: Attributes<'_>) -> Result<Vec<KeyValue>, WireError> {
    list.map(|entry| {
        let (key, value) = entry?;
        Ok(KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: rebuild_value(value)? }),
            key_strindex: 0,
        })
    })
    .collect()
}

pub fn rebuild_value(view: ValueView<'_>) -> Result<Option<Value>, WireError> {
    Ok(Some(match view {
        ValueView::Str(text) => Value::StringValue(text.into()),
        ValueView::Bool(value) => Value::BoolValue(value),
        ValueView::I64(value) => Value::IntValue(value),
        ValueView::F64(value) => Value::DoubleValue(value),
        ValueView::Bytes(bytes) => Value::BytesValue(bytes.into()),
        ValueView::Array(array) => Value::ArrayValue(ArrayValue {
            values: array
                .iter()
                .map(|value| Ok(AnyValue { value: rebuild_value(value?)? }))
                .collect::<Result<_, WireError>>()?,
        }),
        ValueView::KvList(list) => {
            Value::KvlistValue(KeyValueList { values: attributes(list.iter())? })
        }
        _ => return Ok(None),
    }))
}

/// prost's message without the fields that the reader has no accessor for or does not distinguish.
pub fn comparable(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    for group in &mut request.resource_spans {
        let resource = group.resource.get_or_insert_default();
        resource.dropped_attributes_count = 0;
        resource.entity_refs.clear();
        plain(&mut resource.attributes);
        for scope in &mut group.scope_spans {
            let instrumentation = scope.scope.get_or_insert_default();
            instrumentation.dropped_attributes_count = 0;
            plain(&mut instrumentation.attributes);
            for span in &mut scope.spans {
                only(&mut span.trace_id, 16);
                only(&mut span.span_id, 8);
                only(&mut span.parent_span_id, 8);
                span.status.get_or_insert_default();
                plain(&mut span.attributes);
                span.events.iter_mut().for_each(|event| plain(&mut event.attributes));
                for link in &mut span.links {
                    only(&mut link.trace_id, 16);
                    only(&mut link.span_id, 8);
                    plain(&mut link.attributes);
                }
            }
        }
    }
    request
}

pub fn plain(attributes: &mut [KeyValue]) {
    for entry in attributes {
        entry.key_strindex = 0;
        plain_value(entry.value.get_or_insert_default());
    }
}

pub fn plain_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(plain_value),
        Some(Value::KvlistValue(list)) => plain(&mut list.values),
        Some(Value::StringValueStrindex(_)) => value.value = None,
        _ => {}
    }
}

pub fn only(id: &mut Vec<u8>, len: usize) {
    if id.len() != len {
        id.clear();
    }
}
