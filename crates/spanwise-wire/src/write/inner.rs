//! Attributes of events and links.

use super::attributes::{AttributeField, AttributeIndex, Put};
use super::encode::EncodeValue;
use super::varint::put_varint;

/// Counts of the attributes that the limits dropped or cut in one event or link.
pub(super) struct InnerCounts {
    pub(super) dropped: u32,
    pub(super) truncated: u32,
}

/// Writes the attributes of an event or link, and their dropped count as the field `dropped_tag`.
pub(super) fn put_all<'k, V: EncodeValue>(
    buf: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    field: AttributeField<'_>,
    dropped_tag: u8,
    attributes: impl IntoIterator<Item = (&'k str, V)>,
) -> InnerCounts {
    let mut index = AttributeIndex::new(buf.len(), field);
    let mut counts = InnerCounts { dropped: 0, truncated: 0 };
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
    put_count(buf, dropped_tag, counts.dropped);
    counts
}

/// Appends a count; 0 is the default and not written.
pub(super) fn put_count(buf: &mut Vec<u8>, tag: u8, count: u32) {
    if count > 0 {
        buf.push(tag);
        put_varint(buf, u64::from(count));
    }
}
