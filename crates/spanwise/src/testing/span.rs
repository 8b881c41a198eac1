//! One span of a test.

use crate::SpanKind;
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, Status, TraceId};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A span as it was exported, decoded. A clone shares the data.
///
/// Values are those of the OpenTelemetry API, so that `Some("GET".into())` compares with an
/// [attribute](Self::attribute). Byte strings, maps and mixed lists, which the API lacks, are text
/// in the form of JSON, bytes in hexadecimal. `Debug` prints what
/// [`Collected::tree`](super::Collected::tree) prints of the span.
#[derive(Clone)]
pub struct CollectedSpan(Arc<Fields>);

pub(super) struct Fields {
    pub(super) name: String,
    pub(super) context: SpanContext,
    pub(super) parent_span_id: Option<SpanId>,
    pub(super) parent_is_remote: bool,
    pub(super) kind: SpanKind,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) events: Vec<Event>,
    pub(super) links: Vec<Link>,
    pub(super) status: Status,
    pub(super) dropped_attributes_count: u32,
    pub(super) dropped_events_count: u32,
    pub(super) dropped_links_count: u32,
    pub(super) resource: Arc<[KeyValue]>,
    pub(super) scope: Arc<InstrumentationScope>,
}

impl CollectedSpan {
    pub(super) fn new(fields: Fields) -> Self {
        Self(Arc::new(fields))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The kind.
    pub fn kind(&self) -> SpanKind {
        self.0.kind
    }

    /// Ids, trace flags and trace state.
    pub fn span_context(&self) -> &SpanContext {
        &self.0.context
    }

    /// The trace id.
    pub fn trace_id(&self) -> TraceId {
        self.0.context.trace_id()
    }

    /// The span id.
    pub fn span_id(&self) -> SpanId {
        self.0.context.span_id()
    }

    /// The span id of the parent; `None` for a root span.
    pub fn parent_span_id(&self) -> Option<SpanId> {
        self.0.parent_span_id
    }

    /// Whether the parent belongs to another process, as a propagator extracts it.
    pub fn parent_is_remote(&self) -> bool {
        self.0.parent_is_remote
    }

    /// Whether `parent` is this span's parent, in the same trace.
    pub fn is_child_of(&self, parent: &CollectedSpan) -> bool {
        self.trace_id() == parent.trace_id() && self.parent_span_id() == Some(parent.span_id())
    }

    /// The start time.
    pub fn start_time(&self) -> SystemTime {
        self.0.start
    }

    /// The end time.
    pub fn end_time(&self) -> SystemTime {
        self.0.end
    }

    /// End minus start.
    pub fn duration(&self) -> Duration {
        self.0.end.duration_since(self.0.start).unwrap_or_default()
    }

    /// The attributes, in their order on the wire.
    pub fn attributes(&self) -> &[KeyValue] {
        &self.0.attributes
    }

    /// The value of the attribute `key`.
    pub fn attribute(&self, key: &str) -> Option<Value> {
        find(&self.0.attributes, key)
    }

    /// The events, in the order in which they were added.
    pub fn events(&self) -> &[Event] {
        &self.0.events
    }

    /// The links, in the order in which they were added.
    pub fn links(&self) -> &[Link] {
        &self.0.links
    }

    /// The status.
    pub fn status(&self) -> &Status {
        &self.0.status
    }

    /// The number of attributes beyond the span's limits.
    pub fn dropped_attributes_count(&self) -> u32 {
        self.0.dropped_attributes_count
    }

    /// The number of events beyond the span's limits.
    pub fn dropped_events_count(&self) -> u32 {
        self.0.dropped_events_count
    }

    /// The number of links beyond the span's limits.
    pub fn dropped_links_count(&self) -> u32 {
        self.0.dropped_links_count
    }

    /// The instrumentation scope: the name, version, schema URL and attributes of the tracer.
    pub fn scope(&self) -> &InstrumentationScope {
        &self.0.scope
    }

    /// The attributes of the resource.
    pub fn resource(&self) -> &[KeyValue] {
        &self.0.resource
    }

    /// The value of the resource's attribute `key`, such as `service.name`.
    pub fn resource_attribute(&self, key: &str) -> Option<Value> {
        find(&self.0.resource, key)
    }
}

fn find(attributes: &[KeyValue], key: &str) -> Option<Value> {
    let found = attributes.iter().rfind(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.clone())
}

/// On one line: name, kind, duration, attributes, status.
impl fmt::Display for CollectedSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = format!("{:?}", self.kind()).to_lowercase();
        write!(f, "{} ({kind}, {:?})", self.name().escape_debug(), self.duration())?;
        put_attributes(self.attributes(), f)?;
        match self.status() {
            Status::Unset => Ok(()),
            Status::Ok => f.write_str(" status=ok"),
            Status::Error { description } if description.is_empty() => f.write_str(" status=error"),
            Status::Error { description } => write!(f, " status=error {description:?}"),
        }
    }
}

/// With a line for each event and link.
impl fmt::Debug for CollectedSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for event in self.events() {
            write!(f, "\n  event {}", event.name.escape_debug())?;
            put_attributes(&event.attributes, f)?;
        }
        for link in self.links() {
            let context = &link.span_context;
            write!(f, "\n  link {}/{}", context.trace_id(), context.span_id())?;
            put_attributes(&link.attributes, f)?;
        }
        Ok(())
    }
}

fn put_attributes(attributes: &[KeyValue], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for KeyValue { key, value, .. } in attributes {
        match value {
            Value::String(text) => {
                write!(f, " {}={:?}", key.as_str().escape_debug(), text.as_str())?
            }
            value => write!(f, " {}={value}", key.as_str().escape_debug())?,
        }
    }
    Ok(())
}
