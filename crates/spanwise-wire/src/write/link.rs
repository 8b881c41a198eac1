//! Links of a span.

use super::attributes::AttributeField;
use super::dropped::Dropped;
use super::encode::EncodeValue;
use super::inner::{InnerField, put_all};
use super::span::{NESTED_OVERHEAD, SpanWriter};
use super::trace_state_field::TRACE_STATE;
use super::varint::{put_bytes, put_message};
use crate::limits::SpanLimits;
use crate::model::{LinkedContext, SpanFlags};

impl SpanWriter {
    /// Adds a link to another span.
    pub fn link<'k, V: EncodeValue>(
        &mut self,
        limits: &SpanLimits,
        target: &LinkedContext,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        self.link_with_dropped(limits, target, 0, attributes);
    }

    /// As [`link`](Self::link), for a link that lost `dropped_attributes` attributes before, for example in
    /// the SDK that recorded it.
    #[inline]
    pub fn link_with_dropped<'k, V: EncodeValue>(
        &mut self,
        limits: &SpanLimits,
        target: &LinkedContext,
        dropped_attributes: u32,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        if self.links >= limits.links
            || self.buf.len() + target.trace_state.len() + NESTED_OVERHEAD > limits.buffer_bytes()
        {
            return self.drop_counted(Dropped::Links, 1);
        }
        let scratch = self.attributes.scratch();
        let counts = put_message(&mut self.buf, LINK, |buf| {
            buf.extend_from_slice(&[LINK_TRACE_ID, 16]);
            buf.extend_from_slice(&target.trace_id.to_bytes());
            buf.extend_from_slice(&[LINK_SPAN_ID, 8]);
            buf.extend_from_slice(&target.span_id.to_bytes());
            if !target.trace_state.is_empty() {
                put_bytes(buf, TRACE_STATE, target.trace_state.as_bytes());
            }
            let field = InnerField {
                attributes: AttributeField {
                    tag: LINK_ATTRIBUTE,
                    max: limits.attributes_per_link,
                    limits,
                },
                dropped_tag: LINK_DROPPED,
                dropped_before: dropped_attributes,
            };
            let counts = put_all(buf, scratch, field, attributes);
            let flags = SpanFlags::new(target.trace_flags, target.is_remote);
            buf.push(LINK_FLAGS);
            buf.extend_from_slice(&flags.0.to_le_bytes());
            counts
        });
        self.links += 1;
        self.count_inner(counts, false);
    }
}

/// The key of `Span.links`: number << 3 | wire type.
const LINK: u8 = 0x6a;
// Keys of `Span.Link`'s fields; its trace state has the number of `Span`'s.
const LINK_TRACE_ID: u8 = 0x0a;
const LINK_SPAN_ID: u8 = 0x12;
const LINK_ATTRIBUTE: u8 = 0x22;
const LINK_DROPPED: u8 = 0x28;
const LINK_FLAGS: u8 = 0x35;
