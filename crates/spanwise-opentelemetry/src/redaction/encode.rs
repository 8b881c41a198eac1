//! The parts of a [`SpanData`] that rules reach, as OTLP bytes: without limits, so that nothing is lost for a span that no rule changes.

use opentelemetry::trace::Status;
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use spanwise_wire::write::{EncodeValue, put_bytes, put_message};

/// Replaces `out` by a `Span` message with the name, the attributes, events, links and the status message of `span`.
pub(super) fn put_span(out: &mut Vec<u8>, span: &SpanData) {
    out.clear();
    put_bytes(out, SPAN_NAME, span.name.as_bytes());
    put_attributes(out, SPAN_ATTRIBUTE, pairs(&span.attributes));
    for event in span.events.iter() {
        put_message(out, EVENT, |out| {
            put_bytes(out, EVENT_NAME, event.name.as_bytes());
            put_attributes(out, EVENT_ATTRIBUTE, pairs(&event.attributes));
        });
    }
    for link in span.links.iter() {
        put_message(out, LINK, |out| put_attributes(out, LINK_ATTRIBUTE, pairs(&link.attributes)));
    }
    if let Status::Error { description } = &span.status {
        put_message(out, STATUS, |out| put_bytes(out, STATUS_MESSAGE, description.as_bytes()));
    }
}

/// The fields of a `Resource` message.
pub(super) fn resource<'a>(attributes: impl Iterator<Item = (&'a Key, &'a Value)>) -> Vec<u8> {
    let mut out = Vec::new();
    put_attributes(&mut out, RESOURCE_ATTRIBUTE, attributes);
    out
}

/// The fields of an `InstrumentationScope` message that rules reach.
pub(super) fn scope<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<u8> {
    let mut out = Vec::new();
    put_attributes(&mut out, SCOPE_ATTRIBUTE, attributes.map(|it| (&it.key, &it.value)));
    out
}

fn pairs(attributes: &[KeyValue]) -> impl Iterator<Item = (&Key, &Value)> {
    attributes.iter().map(|it| (&it.key, &it.value))
}

fn put_attributes<'a>(
    out: &mut Vec<u8>,
    tag: u8,
    attributes: impl Iterator<Item = (&'a Key, &'a Value)>,
) {
    for (key, value) in attributes {
        put_message(out, tag, |out| {
            put_bytes(out, KEY, key.as_str().as_bytes());
            put_message(out, VALUE, |out| value.encode(usize::MAX, out));
        });
    }
}

// Fields of `opentelemetry/proto/{trace,resource,common}/v1/*.proto`: number << 3 | wire type.
const SPAN_NAME: u8 = 5 << 3 | 2;
const SPAN_ATTRIBUTE: u8 = 9 << 3 | 2;
const EVENT: u8 = 11 << 3 | 2;
const EVENT_NAME: u8 = 2 << 3 | 2;
const EVENT_ATTRIBUTE: u8 = 3 << 3 | 2;
const LINK: u8 = 13 << 3 | 2;
const LINK_ATTRIBUTE: u8 = 4 << 3 | 2;
const STATUS: u8 = 15 << 3 | 2;
const STATUS_MESSAGE: u8 = 2 << 3 | 2;
const RESOURCE_ATTRIBUTE: u8 = 1 << 3 | 2;
const SCOPE_ATTRIBUTE: u8 = 3 << 3 | 2;
const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
