//! Paths of a condition, resolved to fields of a span, its event, its scope or its resource.

use std::borrow::Cow;
use std::fmt::Write as _;

use spanwise_wire::read::{Attributes, EventView, FieldValue, Fields, ValueView};

use super::ast::{Key, Path};
use super::value::{Scalar, Value};
use crate::keys::{KeyIndex, KeyPool};
use crate::span_facts::SpanFacts;
use crate::trace_state::member;

/// The span, and in conditions of `spanevent` the event, that a condition is evaluated for.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'s, 'a> {
    pub(crate) span: &'s SpanFacts<'a>,
    pub(crate) event: Option<EventView<'a>>,
}

/// The context of a condition: whether paths without a prefix mean the span or its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    Span,
    SpanEvent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Span,
    SpanEvent,
    Resource,
    Scope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    SpanAttributes,
    /// With its place among the keys of the sampler.
    SpanAttribute(KeyIndex),
    EventAttributes,
    EventAttribute(Box<str>),
    ResourceAttributes,
    ResourceAttribute(Box<str>),
    ScopeAttributes,
    ScopeAttribute(Box<str>),
    ResourceDroppedAttributes,
    ScopeDroppedAttributes,
    ScopeName,
    ScopeVersion,
    TraceId,
    TraceIdString,
    SpanId,
    SpanIdString,
    ParentSpanId,
    ParentSpanIdString,
    TraceState,
    TraceStateMember(Box<str>),
    StatusCode,
    StatusMessage,
    Name,
    Kind,
    KindString,
    StartTime,
    EndTime,
    DroppedAttributes,
    DroppedEvents,
    DroppedLinks,
    EventName,
    EventTime,
    EventDroppedAttributes,
}

/// The field of a path and the keys that remain to be applied to its value; an error names the paths that are accepted.
pub(crate) fn resolve(
    path: &Path,
    context: Context,
    pool: &KeyPool,
) -> Result<(Field, Vec<Key>), String> {
    let mut fields = path.fields.as_slice();
    let mut owner = match context {
        Context::Span => Owner::Span,
        Context::SpanEvent => Owner::SpanEvent,
    };
    if let [(first, keys), rest @ ..] = fields
        && !rest.is_empty()
        && keys.is_empty()
        && let Some(named) = owner_of(first)
    {
        if named == Owner::SpanEvent && context == Context::Span {
            return Err("`spanevent` is not available in conditions of `span`".to_owned());
        }
        (owner, fields) = (named, rest);
    }
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let keys = fields.last().map(|(_, keys)| keys.as_slice()).unwrap_or_default();
    let inner_keys = fields.iter().rev().skip(1).any(|(_, keys)| !keys.is_empty());
    let resolved = if inner_keys { None } else { known((owner, pool), &names, keys) };
    resolved.ok_or_else(|| unknown(owner, path))
}

fn owner_of(name: &str) -> Option<Owner> {
    Some(match name {
        "span" => Owner::Span,
        "spanevent" => Owner::SpanEvent,
        "resource" => Owner::Resource,
        "scope" | "instrumentation_scope" => Owner::Scope,
        _ => return None,
    })
}

fn known(
    (owner, pool): (Owner, &KeyPool),
    names: &[&str],
    keys: &[Key],
) -> Option<(Field, Vec<Key>)> {
    if names == ["attributes"] {
        return match keys {
            [] => Some((attributes(owner), Vec::new())),
            [Key::Name(name), rest @ ..] => Some((attribute(owner, name, pool), rest.to_vec())),
            [Key::Index(_), ..] => None,
        };
    }
    if let (Owner::Span, ["trace_state"], [Key::Name(name)]) = (owner, names, keys) {
        return Some((Field::TraceStateMember(name.clone()), Vec::new()));
    }
    if !keys.is_empty() {
        return None;
    }
    let field = match (owner, names) {
        (Owner::Span, ["trace_id"]) => Field::TraceId,
        (Owner::Span, ["trace_id", "string"]) => Field::TraceIdString,
        (Owner::Span, ["span_id"]) => Field::SpanId,
        (Owner::Span, ["span_id", "string"]) => Field::SpanIdString,
        (Owner::Span, ["parent_span_id"]) => Field::ParentSpanId,
        (Owner::Span, ["parent_span_id", "string"]) => Field::ParentSpanIdString,
        (Owner::Span, ["trace_state"]) => Field::TraceState,
        (Owner::Span, ["status", "code"]) => Field::StatusCode,
        (Owner::Span, ["status", "message"]) => Field::StatusMessage,
        (Owner::Span, ["name"]) => Field::Name,
        (Owner::Span, ["kind"]) => Field::Kind,
        (Owner::Span, ["kind", "string"]) => Field::KindString,
        (Owner::Span, ["start_time_unix_nano"]) => Field::StartTime,
        (Owner::Span, ["end_time_unix_nano"]) => Field::EndTime,
        (Owner::Span, ["dropped_attributes_count"]) => Field::DroppedAttributes,
        (Owner::Span, ["dropped_events_count"]) => Field::DroppedEvents,
        (Owner::Span, ["dropped_links_count"]) => Field::DroppedLinks,
        (Owner::SpanEvent, ["name"]) => Field::EventName,
        (Owner::SpanEvent, ["time_unix_nano"]) => Field::EventTime,
        (Owner::SpanEvent, ["dropped_attributes_count"]) => Field::EventDroppedAttributes,
        (Owner::Resource, ["dropped_attributes_count"]) => Field::ResourceDroppedAttributes,
        (Owner::Scope, ["name"]) => Field::ScopeName,
        (Owner::Scope, ["version"]) => Field::ScopeVersion,
        (Owner::Scope, ["dropped_attributes_count"]) => Field::ScopeDroppedAttributes,
        _ => return None,
    };
    Some((field, Vec::new()))
}

fn attributes(owner: Owner) -> Field {
    match owner {
        Owner::Span => Field::SpanAttributes,
        Owner::SpanEvent => Field::EventAttributes,
        Owner::Resource => Field::ResourceAttributes,
        Owner::Scope => Field::ScopeAttributes,
    }
}

fn attribute(owner: Owner, name: &str, pool: &KeyPool) -> Field {
    match owner {
        Owner::Span => Field::SpanAttribute(pool.index(name)),
        Owner::SpanEvent => Field::EventAttribute(name.into()),
        Owner::Resource => Field::ResourceAttribute(name.into()),
        Owner::Scope => Field::ScopeAttribute(name.into()),
    }
}

fn unknown(owner: Owner, path: &Path) -> String {
    let mut text = String::new();
    for (index, (name, keys)) in path.fields.iter().enumerate() {
        let _infallible = write!(text, "{}{name}", if index == 0 { "" } else { "." });
        for key in keys {
            let _infallible = match key {
                Key::Name(name) => write!(text, "[{name:?}]"),
                Key::Index(index) => write!(text, "[{index}]"),
            };
        }
    }
    let accepted = match owner {
        Owner::Span => {
            "of a span `attributes`, `trace_id`, `span_id`, `parent_span_id` (each also with `.string`), `trace_state`, \
             `status.code`, `status.message`, `name`, `kind`, `kind.string`, `start_time_unix_nano`, `end_time_unix_nano`, \
             `dropped_attributes_count`, `dropped_events_count` or `dropped_links_count`"
        }
        Owner::SpanEvent => {
            "of an event `attributes`, `name`, `time_unix_nano` or `dropped_attributes_count`, and `span.…`"
        }
        Owner::Resource => "of a resource `attributes` or `dropped_attributes_count`",
        Owner::Scope => "of a scope `attributes`, `name`, `version` or `dropped_attributes_count`",
    };
    format!("the path `{text}` is not supported; accepted is {accepted}")
}

impl Field {
    /// The value of a field that many conditions compare, if it has a type that is copied without an allocation.
    #[inline(always)]
    pub(crate) fn scalar<'a>(&self, subject: &Subject<'_, 'a>) -> Option<Scalar<'a>> {
        let span = subject.span;
        Some(match self {
            Self::SpanAttribute(key) => return Scalar::of(span.value(*key)),
            Self::ResourceAttribute(key) => return Scalar::of(span.resource_attribute(key)),
            Self::StatusCode => Scalar::Int(span.status_code().into()),
            Self::Name => span.name().map_or(Scalar::Nil, Scalar::Str),
            Self::Kind => Scalar::Int(span.kind().into()),
            _ => return None,
        })
    }

    /// The value of the field. Text that is not UTF-8, and an event outside of a condition over events, read as nil.
    pub(crate) fn read<'a>(&self, subject: &Subject<'_, 'a>) -> Value<'a> {
        let span = subject.span;
        let text = |text: Result<&'a str, _>| {
            text.map_or(Value::Nil, |text| Value::Str(Cow::Borrowed(text)))
        };
        match self {
            Self::SpanAttributes => Value::Attributes(span.attributes()),
            Self::SpanAttribute(key) => span.value(*key).into(),
            Self::ResourceAttributes => Value::Attributes(span.resource_attributes()),
            Self::ResourceAttribute(key) => span.resource_attribute(key).into(),
            Self::ScopeAttributes => Value::Attributes(span.scope_attributes()),
            Self::ScopeAttribute(key) => span.scope_attribute(key).into(),
            Self::ResourceDroppedAttributes => dropped(span.resource(), RESOURCE_DROPPED),
            Self::ScopeDroppedAttributes => dropped(span.scope(), SCOPE_DROPPED),
            Self::ScopeName => text(span.scope_name()),
            Self::ScopeVersion => text(span.scope_version()),
            Self::TraceId => id(span.trace_id().unwrap_or_default()),
            Self::TraceIdString => hex(&span.trace_id().unwrap_or_default()),
            Self::SpanId => id(span.span_id().unwrap_or_default()),
            Self::SpanIdString => hex(&span.span_id().unwrap_or_default()),
            Self::ParentSpanId => id(span.parent_span_id().unwrap_or_default()),
            Self::ParentSpanIdString => hex(&span.parent_span_id().unwrap_or_default()),
            Self::TraceState => text(span.trace_state()),
            Self::TraceStateMember(key) => {
                // A malformed header has no members, and not even empty ones.
                match span.trace_state().map(|header| member(header, key)) {
                    Ok(Ok(value)) => Value::Str(Cow::Borrowed(value.unwrap_or_default())),
                    _ => Value::Nil,
                }
            }
            Self::StatusCode => Value::Int(span.status_code().into()),
            Self::StatusMessage => text(span.status_message()),
            Self::Name => text(span.name()),
            Self::Kind => Value::Int(span.kind().into()),
            Self::KindString => Value::Str(Cow::Borrowed(kind_name(span.kind()))),
            Self::StartTime => Value::Int(span.start_unix_nanos() as i64),
            Self::EndTime => Value::Int(span.end_unix_nanos() as i64),
            Self::DroppedAttributes => Value::Int(span.dropped_attributes_count().into()),
            Self::DroppedEvents => Value::Int(span.dropped_events_count().into()),
            Self::DroppedLinks => Value::Int(span.dropped_links_count().into()),
            Self::EventAttributes
            | Self::EventAttribute(_)
            | Self::EventName
            | Self::EventTime
            | Self::EventDroppedAttributes => match &subject.event {
                None => Value::Nil,
                Some(event) => self.read_event(event),
            },
        }
    }

    fn read_event<'a>(&self, event: &EventView<'a>) -> Value<'a> {
        match self {
            Self::EventAttributes => Value::Attributes(event.attributes()),
            Self::EventAttribute(key) => last_of(event.attributes(), key).into(),
            Self::EventName => {
                event.name().map_or(Value::Nil, |name| Value::Str(Cow::Borrowed(name)))
            }
            Self::EventTime => Value::Int(event.time_unix_nanos() as i64),
            Self::EventDroppedAttributes => Value::Int(event.dropped_attributes_count().into()),
            _ => Value::Nil,
        }
    }
}

/// The last value of `key`, as for the attributes of a span.
pub(crate) fn last_of<'a>(attributes: Attributes<'a>, key: &str) -> Option<ValueView<'a>> {
    let entries = attributes.filter_map(Result::ok).filter(|(name, _)| *name == key);
    entries.last().map(|(_, value)| value)
}

/// The count in the field `number` of a resource or scope, which the views do not have.
fn dropped(message: &[u8], number: u32) -> Value<'static> {
    let mut count = 0;
    for field in Fields::new(message).filter_map(Result::ok) {
        if let (true, FieldValue::Varint(value)) = (field.number == number, field.value) {
            count = value as u32;
        }
    }
    Value::Int(count.into())
}

fn id<const N: usize>(id: [u8; N]) -> Value<'static> {
    Value::Id(Cow::Owned(id.to_vec()))
}

fn hex(id: &[u8]) -> Value<'static> {
    Value::Str(Cow::Owned(hex_text(id)))
}

/// Small hexadecimal digits.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The Collector's names of the kinds.
fn kind_name(kind: i32) -> &'static str {
    match kind {
        0 => "Unspecified",
        1 => "Internal",
        2 => "Server",
        3 => "Client",
        4 => "Producer",
        5 => "Consumer",
        _ => "",
    }
}

// opentelemetry/proto/resource/v1/resource.proto and common/v1/common.proto
const RESOURCE_DROPPED: u32 = 2;
const SCOPE_DROPPED: u32 = 4;
