//! Resource and instrumentation scope: encoded once, copied into every request.

use super::attributes::AttributeIndex;
use super::value::EncodeValue;
use super::varint::{put_bytes, put_message};
use crate::limits::SpanLimits;

/// The head of a `ResourceSpans` message: its `resource` and `schema_url` fields.
///
/// Attributes are not limited in number; a later value for a key replaces the earlier one.
pub fn encode_resource<'k, V: EncodeValue>(
    attributes: impl IntoIterator<Item = (&'k str, V)>,
    schema_url: &str,
) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, RESOURCE, |out| put_attributes(out, RESOURCE_ATTRIBUTE, attributes));
    put_text(&mut out, SCHEMA_URL, schema_url);
    out
}

/// The head of a `ScopeSpans` message: its `scope` and `schema_url` fields.
pub fn encode_scope<'k, V: EncodeValue>(
    name: &str,
    version: &str,
    attributes: impl IntoIterator<Item = (&'k str, V)>,
    schema_url: &str,
) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, SCOPE, |out| {
        put_text(out, SCOPE_NAME, name);
        put_text(out, SCOPE_VERSION, version);
        put_attributes(out, SCOPE_ATTRIBUTE, attributes);
    });
    put_text(&mut out, SCHEMA_URL, schema_url);
    out
}

fn put_attributes<'k, V: EncodeValue>(
    out: &mut Vec<u8>,
    tag: u8,
    attributes: impl IntoIterator<Item = (&'k str, V)>,
) {
    let limits =
        SpanLimits { value_chars: usize::MAX, span_bytes: usize::MAX, ..SpanLimits::default() };
    let mut index = AttributeIndex::starting_at(out.len());
    for (key, value) in attributes {
        index.put(out, tag, &limits, u32::MAX, key, &value);
    }
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_bytes(out, tag, text.as_bytes());
    }
}

// Keys of `ResourceSpans`, `ScopeSpans`, `Resource` and `InstrumentationScope`.
const RESOURCE: u8 = 0x0a;
const SCOPE: u8 = 0x0a;
const SCHEMA_URL: u8 = 0x1a;
const RESOURCE_ATTRIBUTE: u8 = 0x0a;
const SCOPE_NAME: u8 = 0x0a;
const SCOPE_VERSION: u8 = 0x12;
const SCOPE_ATTRIBUTE: u8 = 0x1a;
