//! Parts of events and links: their attributes, and the time and the name of an event.

use super::attributes::{AttributeField, AttributeIndex, Put};
use super::encode::EncodeValue;
use super::varint::{put_bytes, put_varint};

/// Counts of the attributes that the limits dropped or cut in one event or link.
pub(super) struct InnerCounts {
    pub(super) dropped: u32,
    pub(super) truncated: u32,
}

/// The fields of an event or link that have its attributes and the count of those that are missing.
#[derive(Clone, Copy)]
pub(super) struct InnerField<'a> {
    pub(super) attributes: AttributeField<'a>,
    pub(super) dropped_tag: u8,
    /// Attributes that were dropped before.
    pub(super) dropped_before: u32,
}

/// Writes the attributes of an event or link, and their dropped count.
pub(super) fn put_all<'k, V: EncodeValue>(
    buf: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    inner: InnerField<'_>,
    attributes: impl IntoIterator<Item = (&'k str, V)>,
) -> InnerCounts {
    let field = inner.attributes;
    let mut index = AttributeIndex::new(buf.len(), field);
    let mut counts = InnerCounts { dropped: inner.dropped_before, truncated: 0 };
    for (key, value) in attributes {
        if let Some(value) = value.as_value()
            && index.try_put(buf, field.tag, key, value)
        {
            continue;
        }
        std::mem::swap(index.scratch(), scratch);
        let put = index.put(buf, field, key, &value);
        std::mem::swap(index.scratch(), scratch);
        match put {
            Put::Whole | Put::Absent => {}
            Put::Cut => counts.truncated = counts.truncated.saturating_add(1),
            Put::Dropped => counts.dropped = counts.dropped.saturating_add(1),
        }
    }
    put_count(buf, inner.dropped_tag, counts.dropped);
    counts
}

/// Appends a count; 0 is the default and not written.
pub(super) fn put_count(buf: &mut Vec<u8>, tag: u8, count: u32) {
    if count > 0 {
        buf.push(tag);
        put_varint(buf, u64::from(count));
    }
}

/// Appends a field with a text of 128 bytes or more.
#[cold]
#[inline(never)]
pub(super) fn put_long_text(buf: &mut Vec<u8>, tag: u8, text: &str) {
    put_bytes(buf, tag, text.as_bytes());
}
