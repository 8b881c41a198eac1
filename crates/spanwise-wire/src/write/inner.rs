//! Parts of events and links: their attributes, and the time and the name of an event.

use super::attributes::{AttributeField, AttributeIndex, Put};
use super::encode::EncodeValue;
use super::raw::RawWriter;
use super::varint::{put_bytes, put_varint};

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

/// Appends the time and the name of an event.
#[inline(always)]
pub(super) fn put_event_head(buf: &mut Vec<u8>, unix_nanos: u64, name: &str) {
    let is_short = (1..0x80).contains(&name.len());
    let name_len = if is_short { name.len() + 2 } else { 0 };
    let mut writer = RawWriter::new(buf, 9 + name_len);
    // SAFETY: 9 bytes for the time, and as many for the name as are reserved.
    unsafe {
        writer.array([EVENT_TIME]);
        writer.array(unix_nanos.to_le_bytes());
        if is_short {
            writer.array([EVENT_NAME, name.len() as u8]);
            writer.slice(name.as_bytes());
        }
    }
    writer.done();
    if name.len() >= 0x80 {
        put_long_text(buf, EVENT_NAME, name);
    }
}

/// Appends a field with a text of 128 bytes or more.
#[cold]
#[inline(never)]
pub(super) fn put_long_text(buf: &mut Vec<u8>, tag: u8, text: &str) {
    put_bytes(buf, tag, text.as_bytes());
}

// Keys of `Span.Event`'s fields: number << 3 | wire type.
const EVENT_TIME: u8 = 0x09;
const EVENT_NAME: u8 = 0x12;
