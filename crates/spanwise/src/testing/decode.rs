//! Encoded spans to owned ones, in the types of the OpenTelemetry API.

use super::span::{CollectedSpan, Fields};
use crate::SpanKind;
use crate::wire::SpanFlags;
use crate::wire::read::{
    Attributes, EventView, LinkView, SpanView, TraceRequest, ValueView, WireError,
};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// All spans of an encoded `ExportTraceServiceRequest`, in their order.
///
/// # Errors
/// The first field that cannot be read; requests of our own have none.
pub(super) fn spans(request: &[u8]) -> Result<Vec<CollectedSpan>, WireError> {
    let mut spans = Vec::new();
    for group in TraceRequest::new(request).resources() {
        let group = group?;
        let resource: Arc<[KeyValue]> = attributes(group.attributes())?.into();
        for of_scope in group.scopes() {
            let of_scope = of_scope?;
            let scope = InstrumentationScope::builder(of_scope.name()?.to_owned())
                .with_attributes(attributes(of_scope.attributes())?);
            let scope = match of_scope.version()? {
                "" => scope,
                version => scope.with_version(version.to_owned()),
            };
            let scope = match of_scope.schema_url()? {
                "" => scope,
                url => scope.with_schema_url(url.to_owned()),
            };
            let scope = Arc::new(scope.build());
            for view in of_scope.spans() {
                spans.push(span(&view?, &resource, &scope)?);
            }
        }
    }
    Ok(spans)
}

fn span(
    view: &SpanView<'_>,
    resource: &Arc<[KeyValue]>,
    scope: &Arc<InstrumentationScope>,
) -> Result<CollectedSpan, WireError> {
    let parent = view.parent_span_id().map(SpanId::from_bytes);
    Ok(CollectedSpan::new(Fields {
        name: view.name()?.to_owned(),
        context: context(
            (view.trace_id(), view.span_id()),
            view.flags(),
            false,
            view.trace_state()?,
        ),
        parent_span_id: parent.filter(|&id| id != SpanId::INVALID),
        parent_is_remote: is_remote(view.flags()),
        kind: SpanKind::from_number(view.kind()).unwrap_or_default(),
        start: time(view.start_unix_nanos()),
        end: time(view.end_unix_nanos()),
        attributes: attributes(view.attributes())?,
        events: view.events().map(|view| event(&view?)).collect::<Result<_, _>>()?,
        links: view.links().map(|view| link(&view?)).collect::<Result<_, _>>()?,
        status: match view.status_code() {
            1 => Status::Ok,
            2 => Status::error(view.status_message()?.to_owned()),
            _ => Status::Unset,
        },
        dropped_attributes_count: view.dropped_attributes_count(),
        dropped_events_count: view.dropped_events_count(),
        dropped_links_count: view.dropped_links_count(),
        resource: resource.clone(),
        scope: scope.clone(),
    }))
}

fn event(view: &EventView<'_>) -> Result<Event, WireError> {
    let time = time(view.time_unix_nanos());
    let attributes = attributes(view.attributes())?;
    Ok(Event::new(view.name()?.to_owned(), time, attributes, view.dropped_attributes_count()))
}

fn link(view: &LinkView<'_>) -> Result<Link, WireError> {
    let ids = (view.trace_id(), view.span_id());
    let context = context(ids, view.flags(), is_remote(view.flags()), view.trace_state()?);
    Ok(Link::new(context, attributes(view.attributes())?, view.dropped_attributes_count()))
}

fn context(
    (trace_id, span_id): (Option<[u8; 16]>, Option<[u8; 8]>),
    flags: u32,
    is_remote: bool,
    trace_state: &str,
) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace_id.unwrap_or_default()),
        SpanId::from_bytes(span_id.unwrap_or_default()),
        TraceFlags::new(flags as u8),
        is_remote,
        trace_state.parse().unwrap_or(TraceState::NONE),
    )
}

fn is_remote(flags: u32) -> bool {
    SpanFlags::from(flags).is_remote() == Some(true)
}

fn time(unix_nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

fn attributes(views: Attributes<'_>) -> Result<Vec<KeyValue>, WireError> {
    let owned = |entry: Result<(&str, ValueView<'_>), WireError>| {
        let (key, value) = entry?;
        Ok(KeyValue::new(key.to_owned(), owned(&value)?))
    };
    views.map(owned).collect()
}

/// A value of the API; one that the API lacks is its text, in the form of JSON.
fn owned(value: &ValueView<'_>) -> Result<Value, WireError> {
    Ok(match value {
        ValueView::Str(text) => Value::from((*text).to_owned()),
        ValueView::Bool(value) => Value::Bool(*value),
        ValueView::I64(value) => Value::I64(*value),
        ValueView::F64(value) => Value::F64(*value),
        ValueView::Array(items) => {
            let items = items.iter().collect::<Result<Vec<_>, _>>()?;
            match array(&items) {
                Some(array) => Value::Array(array),
                None => text(value)?,
            }
        }
        _ => text(value)?,
    })
}

/// A list of one kind; an empty one is a list of strings, for OTLP does not state which it was.
fn array(items: &[ValueView<'_>]) -> Option<Array> {
    fn all<'a, T>(
        items: &[ValueView<'a>],
        of: impl Fn(&ValueView<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        items.iter().map(of).collect()
    }
    let string = |item: &ValueView<'_>| Some(StringValue::from(item.as_str()?.to_owned()));
    match items.first() {
        None | Some(ValueView::Str(_)) => all(items, string).map(Array::String),
        Some(ValueView::Bool(_)) => all(items, |item| match item {
            ValueView::Bool(value) => Some(*value),
            _ => None,
        })
        .map(Array::Bool),
        Some(ValueView::I64(_)) => all(items, |item| match item {
            ValueView::I64(value) => Some(*value),
            _ => None,
        })
        .map(Array::I64),
        Some(ValueView::F64(_)) => all(items, |item| match item {
            ValueView::F64(value) => Some(*value),
            _ => None,
        })
        .map(Array::F64),
        _ => None,
    }
}

fn text(value: &ValueView<'_>) -> Result<Value, WireError> {
    let mut text = String::new();
    put_json(value, &mut text)?;
    Ok(Value::from(text))
}

/// Nested as deep as the reader follows: [`MAX_DEPTH`](crate::wire::read::MAX_DEPTH).
fn put_json(value: &ValueView<'_>, out: &mut String) -> Result<(), WireError> {
    // A `String` takes all that is written to it.
    let _infallible = match value {
        ValueView::Str(text) => write!(out, "{text:?}"),
        ValueView::Bool(value) => write!(out, "{value}"),
        ValueView::I64(value) => write!(out, "{value}"),
        ValueView::F64(value) => write!(out, "{value}"),
        ValueView::Bytes(bytes) => {
            out.push('"');
            bytes.iter().for_each(|byte| out.push_str(&format!("{byte:02x}")));
            out.push('"');
            Ok(())
        }
        ValueView::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                put_json(&item?, out)?;
            }
            out.push(']');
            Ok(())
        }
        ValueView::KvList(entries) => {
            out.push('{');
            for (index, entry) in entries.iter().enumerate() {
                let (key, value) = entry?;
                let _infallible = write!(out, "{}{key:?}:", if index > 0 { "," } else { "" });
                put_json(&value, out)?;
            }
            out.push('}');
            Ok(())
        }
        _ => write!(out, "null"),
    };
    Ok(())
}
