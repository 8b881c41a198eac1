//! `SpanData` of the SDK, read from OTLP bytes.

use crate::values::attributes;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use spanwise_wire::SpanFlags;
use spanwise_wire::read::{EventView, LinkView, ResourceSpans, ScopeSpans, SpanView, WireError};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The spans of a group with one resource.
///
/// # Errors
/// A span or a scope is malformed.
pub(super) fn batch(group: &ResourceSpans<'_>) -> Result<Vec<SpanData>, WireError> {
    let mut batch = Vec::new();
    for scope in group.scopes() {
        let scope = scope?;
        let of_spans = instrumentation_scope(&scope)?;
        for span in scope.spans() {
            batch.push(span_data(&span?, of_spans.clone())?);
        }
    }
    Ok(batch)
}

/// The resource of a group.
///
/// # Errors
/// The resource is malformed.
pub(super) fn resource(group: &ResourceSpans<'_>) -> Result<Resource, WireError> {
    let (attributes, schema_url) = (attributes(group.attributes())?, group.schema_url()?);
    let builder = Resource::builder_empty();
    Ok(match schema_url {
        "" => builder.with_attributes(attributes),
        url => builder.with_schema_url(attributes, url.to_owned()),
    }
    .build())
}

/// The instrumentation scope of a group.
pub(super) fn instrumentation_scope(
    scope: &ScopeSpans<'_>,
) -> Result<InstrumentationScope, WireError> {
    let mut builder = InstrumentationScope::builder(scope.name()?.to_owned());
    let (version, schema_url) = (scope.version()?, scope.schema_url()?);
    if !version.is_empty() {
        builder = builder.with_version(version.to_owned());
    }
    if !schema_url.is_empty() {
        builder = builder.with_schema_url(schema_url.to_owned());
    }
    Ok(builder.with_attributes(attributes(scope.attributes())?).build())
}

/// The span, with an owned copy of each text.
pub(super) fn span_data(
    span: &SpanView<'_>,
    instrumentation_scope: InstrumentationScope,
) -> Result<SpanData, WireError> {
    let flags = SpanFlags::from(span.flags());
    let mut events = SpanEvents::default();
    events.events = span.events().map(|it| event(&it?)).collect::<Result<_, _>>()?;
    events.dropped_count = span.dropped_events_count();
    let mut links = SpanLinks::default();
    links.links = span.links().map(|it| link(&it?)).collect::<Result<_, _>>()?;
    links.dropped_count = span.dropped_links_count();
    Ok(SpanData {
        span_context: SpanContext::new(
            trace_id(span.trace_id()),
            span_id(span.span_id()),
            trace_flags(flags),
            false,
            trace_state(span.trace_state()?),
        ),
        parent_span_id: span_id(span.parent_span_id()),
        parent_span_is_remote: flags.is_remote() == Some(true),
        span_kind: kind(span.kind()),
        name: span.name()?.to_owned().into(),
        start_time: time(span.start_unix_nanos()),
        end_time: time(span.end_unix_nanos()),
        attributes: attributes(span.attributes())?,
        dropped_attributes_count: span.dropped_attributes_count(),
        events,
        links,
        status: match span.status_code() {
            1 => Status::Ok,
            2 => Status::error(span.status_message()?.to_owned()),
            _ => Status::Unset,
        },
        instrumentation_scope,
    })
}

fn event(event: &EventView<'_>) -> Result<Event, WireError> {
    Ok(Event::new(
        event.name()?.to_owned(),
        time(event.time_unix_nanos()),
        attributes(event.attributes())?,
        event.dropped_attributes_count(),
    ))
}

fn link(link: &LinkView<'_>) -> Result<Link, WireError> {
    let flags = SpanFlags::from(link.flags());
    let context = SpanContext::new(
        trace_id(link.trace_id()),
        span_id(link.span_id()),
        trace_flags(flags),
        flags.is_remote() == Some(true),
        trace_state(link.trace_state()?),
    );
    Ok(Link::new(context, attributes(link.attributes())?, link.dropped_attributes_count()))
}

/// A trace state that the API rejects becomes an empty one.
fn trace_state(header: &str) -> TraceState {
    match header {
        "" => TraceState::NONE,
        header => TraceState::from_str(header).unwrap_or_default(),
    }
}

fn trace_id(id: Option<[u8; 16]>) -> TraceId {
    id.map_or(TraceId::INVALID, TraceId::from_bytes)
}

fn span_id(id: Option<[u8; 8]>) -> SpanId {
    id.map_or(SpanId::INVALID, SpanId::from_bytes)
}

fn trace_flags(flags: SpanFlags) -> TraceFlags {
    TraceFlags::new(flags.trace_flags().0)
}

fn kind(kind: i32) -> SpanKind {
    match kind {
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn time(unix_nanos: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_nanos(unix_nanos)).unwrap_or(UNIX_EPOCH)
}
