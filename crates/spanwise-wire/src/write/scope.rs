//! Resource and instrumentation scope, encoded once and copied into every request.

use super::attributes::{AttributeField, AttributeIndex, Put};
use super::encode::EncodeValue;
use super::varint::{put_bytes, put_message, put_varint};
use crate::limits::SpanLimits;
use std::collections::HashMap;

/// Encodes the `resource` and `schema_url` fields of a `ResourceSpans` message.
///
/// Attributes are not limited in number; a later value for a key replaces the earlier one. An
/// attribute with an invalid value is dropped and counted in `dropped_attributes_count`; an
/// attribute with an empty key is ignored.
pub fn encode_resource<'k, V: EncodeValue>(
    attributes: impl IntoIterator<Item = (&'k str, V)>,
    schema_url: &str,
) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, RESOURCE, |out| put_attributes(out, &RESOURCE_TAGS, attributes));
    put_text(&mut out, SCHEMA_URL, schema_url);
    out
}

/// Encodes the `scope` and `schema_url` fields of a `ScopeSpans` message. Attributes are as in
/// [`encode_resource`].
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
        put_attributes(out, &SCOPE_TAGS, attributes);
    });
    put_text(&mut out, SCHEMA_URL, schema_url);
    out
}

fn put_attributes<'k, V: EncodeValue>(
    out: &mut Vec<u8>,
    tags: &Tags,
    attributes: impl IntoIterator<Item = (&'k str, V)>,
) {
    let limits =
        SpanLimits { value_chars: usize::MAX, span_bytes: usize::MAX, ..SpanLimits::default() };
    let field = AttributeField { tag: tags.attribute, max: u32::MAX, limits: &limits };
    let mut index = AttributeIndex::new(out.len(), field);
    let mut dropped = 0u32;
    let mut attributes: Vec<(&str, V)> = attributes.into_iter().collect();
    let is_large = attributes.len() > MANY;
    if is_large {
        // The values of a key one after the other, so that the index needs no other keys.
        let mut first = HashMap::new();
        for (place, (key, _)) in attributes.iter().enumerate() {
            first.entry(*key).or_insert(place);
        }
        attributes.sort_by_key(|(key, _)| first.get(key).copied());
    }
    let (mut last, mut keys) = ("", 0);
    for (key, value) in attributes {
        if is_large && key != last {
            (last, keys) = (key, keys + 1);
            // The search in the index would take the square of the number of keys.
            if keys % MANY == 0 {
                index.restart(out.len(), field);
            }
        }
        let put = index.put(out, field, key, &value);
        dropped = dropped.saturating_add(u32::from(put == Put::Dropped && !key.is_empty()));
    }
    if dropped > 0 {
        out.push(tags.dropped);
        put_varint(out, u64::from(dropped));
    }
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_bytes(out, tag, text.as_bytes());
    }
}

/// The most attributes that one index searches.
const MANY: usize = 128;

/// Keys of an attribute and of the count of dropped attributes.
struct Tags {
    attribute: u8,
    dropped: u8,
}

// Keys of `ResourceSpans`, `ScopeSpans`, `Resource` and `InstrumentationScope`.
const RESOURCE: u8 = 0x0a;
const SCOPE: u8 = 0x0a;
const SCHEMA_URL: u8 = 0x1a;
const RESOURCE_TAGS: Tags = Tags { attribute: 0x0a, dropped: 0x10 };
const SCOPE_NAME: u8 = 0x0a;
const SCOPE_VERSION: u8 = 0x12;
const SCOPE_TAGS: Tags = Tags { attribute: 0x1a, dropped: 0x20 };

#[cfg(test)]
mod tests {
    use super::{MANY, encode_resource};

    #[test]
    fn a_later_value_replaces_the_earlier_one_among_many() {
        let keys: Vec<String> = (0..3 * MANY).map(|key| format!("key.{key}")).collect();
        let with = |value: &'static str| keys.iter().map(move |key| (key.as_str(), value));
        let replaced = encode_resource(with("old").chain(with("newer")), "");
        assert_eq!(replaced, encode_resource(with("newer"), ""));
    }

    #[test]
    fn many_attributes_take_no_time_of_the_square_of_their_number() {
        let keys: Vec<String> = (0..20_000).map(|key| format!("key.{key}")).collect();
        let started = std::time::Instant::now();
        let encoded = encode_resource(keys.iter().map(|key| (key.as_str(), "x")), "");
        assert!(encoded.len() > 300_000);
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
