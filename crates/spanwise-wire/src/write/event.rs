//! Events of a span.

use super::attributes::AttributeField;
use super::dropped::Dropped;
use super::encode::EncodeValue;
use super::inner::{InnerField, put_all, put_long_text};
use super::raw::RawWriter;
use super::span::{NAME_CHARS, NESTED_OVERHEAD, SpanWriter};
use super::truncate::truncate;
use super::varint::put_message;
use crate::limits::SpanLimits;

/// The fields of an event beside its attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventHeader<'a> {
    /// The time, nanoseconds since the Unix epoch.
    pub unix_nanos: u64,
    /// The name, of which the writer writes at most 4,096 characters.
    pub name: &'a str,
    /// Attributes that were dropped before, for example by the SDK that recorded the event.
    pub dropped_attributes: u32,
}

impl SpanWriter {
    /// Adds an event.
    pub fn event<'k, V: EncodeValue>(
        &mut self,
        limits: &SpanLimits,
        unix_nanos: u64,
        name: &str,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        let header = EventHeader { unix_nanos, name, dropped_attributes: 0 };
        self.event_with_header(limits, &header, attributes);
    }

    /// As [`event`](Self::event), for an event that may have lost attributes before.
    #[inline]
    pub fn event_with_header<'k, V: EncodeValue>(
        &mut self,
        limits: &SpanLimits,
        header: &EventHeader<'_>,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        let full_len = header.name.len();
        let name = truncate(header.name, NAME_CHARS);
        if self.events >= limits.events
            || self.buf.len() + name.len() + NESTED_OVERHEAD > limits.buffer_bytes()
        {
            return self.drop_counted(Dropped::Events, 1);
        }
        let scratch = self.attributes.scratch();
        let counts = put_message(&mut self.buf, EVENT, |buf| {
            put_event_head(buf, header.unix_nanos, name);
            let attributes_of_event =
                AttributeField { tag: EVENT_ATTRIBUTE, max: limits.attributes_per_event, limits };
            let field = InnerField {
                attributes: attributes_of_event,
                dropped_tag: EVENT_DROPPED,
                dropped_before: header.dropped_attributes,
            };
            put_all(buf, scratch, field, attributes)
        });
        self.events += 1;
        self.count_inner(counts, name.len() < full_len);
    }
}

/// Appends the time and the name of an event.
#[inline(always)]
fn put_event_head(buf: &mut Vec<u8>, unix_nanos: u64, name: &str) {
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

/// The key of `Span.events`: number << 3 | wire type.
const EVENT: u8 = 0x5a;
// Keys of `Span.Event`'s fields.
const EVENT_TIME: u8 = 0x09;
const EVENT_NAME: u8 = 0x12;
const EVENT_ATTRIBUTE: u8 = 0x1a;
const EVENT_DROPPED: u8 = 0x20;
