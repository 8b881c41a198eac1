//! The writer of one span.

use super::attribute_key::AttributeKey;
use super::attributes::{AttributeField, AttributeIndex, Put, field_at};
use super::dropped::{Dropped, DroppedCounters, DroppedCounts};
use super::encode::EncodeValue;
use super::finished::{FinishedSpan, SpanHeader};
use super::inner::{InnerCounts, put_count, put_long_text};
use super::raw::RawWriter;
use super::trace_state_field::{TRACE_STATE, TraceStateField};
use super::truncate::truncate;
use super::varint::{put_bytes, put_message};
use crate::limits::SpanLimits;
use crate::model::{StatusCode, Value};

/// Writes one span as an OTLP `Span` message, in place and in the order of the calls.
///
/// Field order inside a message is free in protobuf, so the writer encodes attributes, events and links
/// at once, and [`finish`](Self::finish) adds the fields that are known at the end. Reuse a writer:
/// [`begin`](Self::begin) retains the memory of the previous span.
///
/// ```
/// use spanwise_wire::write::{SpanHeader, SpanWriter};
/// use spanwise_wire::{SpanId, SpanLimits, TraceId};
///
/// let limits = SpanLimits::default();
/// let mut span = SpanWriter::new();
/// span.begin(&limits, "GET /users");
/// span.attribute(&limits, "http.response.status_code", &200);
/// span.event(&limits, 1_700_000_000_000_000_500, "cache miss", [("key", "users:7")]);
/// let header = SpanHeader {
///     trace_id: TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c),
///     span_id: SpanId(0xeee1_9b7e_c3c1_b174),
///     start_unix_nanos: 1_700_000_000_000_000_000,
///     end_unix_nanos: 1_700_000_000_000_001_000,
///     ..SpanHeader::default()
/// };
/// let bytes = span.finish(&header).to_vec();
/// assert_eq!(spanwise_wire::read::SpanView::parse(&bytes).unwrap().name(), Ok("GET /users"));
/// ```
#[derive(Default)]
pub struct SpanWriter {
    /// The message so far: the name first, so that `rename` finds it.
    pub(super) buf: Vec<u8>,
    /// Length of the name field at the start of `buf`.
    name_len: u32,
    pub(super) attributes: AttributeIndex,
    pub(super) events: u32,
    pub(super) links: u32,
    /// [`RARE`] if there is a status or the limits dropped data, and [`MARKED`]. Without `RARE`, the fields
    /// below have their defaults.
    rare: u8,
    dropped: DroppedCounters,
    status: StatusCode,
    /// Status message; empty unless `status` is an error.
    status_message: String,
}

impl SpanWriter {
    /// A writer without memory; the first span allocates it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a span, and discards the previous one. Pass the same `limits` to
    /// every later call of the span: some of them are read here.
    #[inline(always)]
    pub fn begin(&mut self, limits: &SpanLimits, name: &str) {
        self.clear();
        self.put_name(name);
        self.attributes.restart(self.name_len as usize, attributes_of(limits));
    }

    /// Writes the trace state of the span, a W3C `tracestate` header. Call it once, after
    /// [`begin`](Self::begin); an empty header writes nothing.
    ///
    /// Its bytes count against [`SpanLimits::span_bytes`], as those of the name do.
    #[inline(always)]
    pub fn trace_state(&mut self, header: &str) {
        if !header.is_empty() {
            self.put_text(TRACE_STATE, header);
        }
    }

    /// As [`trace_state`](Self::trace_state), with a header that was encoded before.
    #[inline(always)]
    pub fn trace_state_field(&mut self, field: &TraceStateField) {
        let mut writer = RawWriter::new(&mut self.buf, TraceStateField::CAPACITY);
        // SAFETY: CAPACITY bytes are stored and reserved, and the field's length is at most CAPACITY.
        unsafe { writer.prefix(field.bytes, field.len()) };
        writer.done();
    }

    /// Replaces the trace state, for a span that gets another parent; an empty header removes it.
    ///
    /// # Cost
    /// A move of all bytes written so far.
    #[cold]
    pub fn replace_trace_state(&mut self, header: &str) {
        // It is behind the name, before all other fields.
        let start = self.buf.len().min(self.name_len as usize);
        let rest = self.buf.get(start..).unwrap_or_default();
        let old = match (rest.first(), field_at(rest)) {
            (Some(&TRACE_STATE), Some((_, len))) => len,
            _ => 0,
        };
        let mut field = Vec::new();
        if !header.is_empty() {
            put_bytes(&mut field, TRACE_STATE, header.as_bytes());
        }
        self.buf.splice(start..start + old, field);
    }

    /// Sets an attribute; an existing key gets the new value.
    #[inline(always)]
    pub fn attribute<V: EncodeValue + ?Sized>(
        &mut self,
        limits: &SpanLimits,
        key: &str,
        value: &V,
    ) {
        if !value.as_value().is_some_and(|value| self.try_attribute(key, value)) {
            self.put_attribute(limits, key, value);
        }
    }

    /// Sets an attribute, if it is as nearly all are: a new key, a number or a short string, within all
    /// limits; a length limit below 127 has to hold the bytes of the whole attribute. Returns false if it is not
    /// so, or if attributes are [closed](Self::close_attributes): call
    /// [`attribute`](Self::attribute) then.
    ///
    /// # Cost
    /// One comparison for all bounds, one bit of a filter of keys, and the copies of key and value.
    #[inline(always)]
    pub fn try_attribute(&mut self, key: &str, value: Value<'_>) -> bool {
        self.attributes.try_put(&mut self.buf, ATTRIBUTE, key, value)
    }

    /// As [`try_attribute`](Self::try_attribute), with a key that was encoded before.
    #[inline(always)]
    pub fn try_attribute_with(&mut self, key: &AttributeKey, value: Value<'_>) -> bool {
        self.attributes.try_put_with(&mut self.buf, ATTRIBUTE, key, value)
    }

    /// Makes [`try_attribute`](Self::try_attribute) return false until the next [`begin`](Self::begin);
    /// [`attribute`](Self::attribute) still writes. For a caller that checks only then whether the span
    /// has ended.
    #[inline(always)]
    pub fn close_attributes(&mut self) {
        self.attributes.close();
    }

    #[cold]
    #[inline(never)]
    fn put_attribute<V: EncodeValue + ?Sized>(
        &mut self,
        limits: &SpanLimits,
        key: &str,
        value: &V,
    ) {
        match self.attributes.put(&mut self.buf, attributes_of(limits), key, value) {
            Put::Whole | Put::Absent => {}
            Put::Cut => self.drop_counted(Dropped::Characters, 1),
            Put::Dropped => self.drop_counted(Dropped::Attributes, 1),
        }
    }

    /// Sets the status. Ok is final, and Error overrides Unset (specification, *Set Status*); a call that
    /// would lower the status does nothing. Only an error has a message.
    pub fn status(&mut self, limits: &SpanLimits, code: StatusCode, message: &str) {
        let rank = |code| match code {
            StatusCode::Unset => 0,
            StatusCode::Error => 1,
            StatusCode::Ok => 2,
        };
        // The later of two errors wins, like any other value that is set twice.
        let repeated_error = code == StatusCode::Error && self.status == code;
        if rank(code) <= rank(self.status) && !repeated_error {
            return;
        }
        self.rare |= RARE;
        self.status = code;
        self.status_message.clear();
        if code == StatusCode::Error {
            let cut = truncate(message, STATUS_CHARS.min(limits.span_bytes));
            self.status_message.push_str(cut);
            if cut.len() < message.len() {
                self.drop_counted(Dropped::Characters, 1);
            }
        }
    }

    /// Replaces the name.
    ///
    /// # Cost
    /// A move of all bytes written so far.
    pub fn rename(&mut self, name: &str) {
        self.buf.drain(..self.buf.len().min(self.name_len as usize));
        self.put_name(name);
        // The name is first, so that the next `rename` finds it.
        self.buf.rotate_right(self.name_len as usize);
        self.attributes.starts_at(self.name_len as usize);
    }

    /// The complete span.
    ///
    /// Call no method but [`begin`](Self::begin) afterwards: others would write behind the end.
    #[inline(always)]
    pub fn finish<'a>(&'a mut self, header: &'a SpanHeader) -> FinishedSpan<'a> {
        if self.rare & RARE != 0 {
            self.put_rare_fields();
        }
        FinishedSpan { header: Some(header), body: &self.buf }
    }

    /// As [`finish`](Self::finish), for a span without further fields: it is [plain](Self::is_plain).
    /// `None` for other spans.
    #[inline(always)]
    pub fn finish_plain<'a>(&'a self, header: &'a SpanHeader) -> Option<FinishedSpan<'a>> {
        self.is_plain().then_some(FinishedSpan { header: Some(header), body: &self.buf })
    }

    /// Makes [`finish_plain`](Self::finish_plain) return `None` until the next [`begin`](Self::begin), for
    /// a caller that has more to do at the end of this span.
    pub fn mark_not_plain(&mut self) {
        self.rare |= MARKED;
    }

    /// Whether the status is unset and the limits dropped nothing, as for nearly all spans; false also
    /// after [`mark_not_plain`](Self::mark_not_plain).
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.rare == 0
    }

    /// Whether the status is unset and the limits dropped nothing, whatever the caller marked.
    #[inline(always)]
    pub fn has_no_rare_fields(&self) -> bool {
        self.rare & RARE == 0
    }

    /// The status so far.
    #[inline]
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Counts of the data that the limits dropped so far.
    #[inline]
    pub fn dropped_counts(&self) -> DroppedCounts {
        self.dropped.into()
    }

    /// Adds the counts of data that was dropped earlier, for example by the collector of the span.
    /// `truncated_values` has no field in OTLP; only [`dropped_counts`](Self::dropped_counts) returns it.
    pub fn add_dropped_counts(&mut self, before: &DroppedCounts) {
        for (kind, count) in [
            (Dropped::Attributes, before.attributes),
            (Dropped::Events, before.events),
            (Dropped::Links, before.links),
            (Dropped::Characters, before.truncated_values),
        ] {
            if count > 0 {
                self.drop_counted(kind, count);
            }
        }
    }

    /// Bytes of memory that the writer retains for the next span.
    pub fn capacity(&self) -> usize {
        self.buf.capacity() + self.attributes.scratch_capacity() + self.status_message.capacity()
    }

    /// Discards the previous span.
    #[inline(always)]
    fn clear(&mut self) {
        self.buf.clear();
        (self.events, self.links) = (0, 0);
        if self.rare != 0 {
            self.clear_rare_fields();
        }
    }

    /// Appends the name field and stores its length.
    #[inline(always)]
    fn put_name(&mut self, name: &str) {
        let start = self.buf.len();
        if name.len() < 0x80 {
            self.put_text(NAME, name);
        } else {
            self.put_long_name(name);
        }
        self.name_len = (self.buf.len() - start) as u32;
    }

    #[cold]
    fn put_long_name(&mut self, name: &str) {
        let cut = truncate(name, NAME_CHARS);
        self.put_text(NAME, cut);
        if cut.len() < name.len() {
            self.drop_counted(Dropped::Characters, 1);
        }
    }

    /// Appends a field with a text, most often one below 128 bytes.
    #[inline(always)]
    fn put_text(&mut self, tag: u8, text: &str) {
        if text.len() >= 0x80 {
            return put_long_text(&mut self.buf, tag, text);
        }
        let mut writer = RawWriter::new(&mut self.buf, text.len() + 2);
        // SAFETY: 2 + `text.len()` bytes are stored and reserved.
        unsafe {
            writer.array([tag, text.len() as u8]);
            writer.slice(text.as_bytes());
        }
        writer.done();
    }

    #[cold]
    fn put_rare_fields(&mut self) {
        for (tag, count) in [
            (DROPPED_ATTRIBUTES, self.dropped.attributes),
            (DROPPED_EVENTS, self.dropped.events),
            (DROPPED_LINKS, self.dropped.links),
        ] {
            put_count(&mut self.buf, tag, count);
        }
        if self.status != StatusCode::Unset {
            let message = &self.status_message;
            put_message(&mut self.buf, STATUS, |buf| {
                if !message.is_empty() {
                    put_bytes(buf, STATUS_MESSAGE, message.as_bytes());
                }
                buf.extend_from_slice(&[STATUS_CODE, self.status as u8]);
            });
        }
    }

    fn clear_rare_fields(&mut self) {
        if std::mem::take(&mut self.rare) == MARKED {
            return;
        }
        self.dropped = DroppedCounters::default();
        self.status = StatusCode::Unset;
        self.status_message.clear();
    }

    #[cold]
    pub(super) fn drop_counted(&mut self, kind: Dropped, count: u32) {
        self.rare |= RARE;
        self.dropped.add(kind, count);
    }

    /// Counts the attributes that an event or link lacks.
    #[inline]
    pub(super) fn count_inner(&mut self, inner: InnerCounts, cut_name: bool) {
        let cut = inner.truncated.saturating_add(u32::from(cut_name));
        if inner.dropped | cut != 0 {
            self.drop_counted(Dropped::InnerAttributes, inner.dropped);
            self.drop_counted(Dropped::Characters, cut);
        }
    }
}

/// The field of a span's own attributes.
#[inline(always)]
fn attributes_of(limits: &SpanLimits) -> AttributeField<'_> {
    AttributeField { tag: ATTRIBUTE, max: limits.attributes, limits }
}

/// Characters of the name of a span or event at most. The specification sets no limit (the attribute
/// value length limit does not apply to names); names should have a low cardinality, and are far
/// shorter than this.
pub(super) const NAME_CHARS: usize = 4096;
/// Characters of a status message at most.
const STATUS_CHARS: usize = 16_384;

/// Bits of `rare`: there are rare fields, and the caller has more to do at the end.
const RARE: u8 = 1;
const MARKED: u8 = 2;

/// Tags, lengths, time and ids of an event or link.
pub(super) const NESTED_OVERHEAD: usize = 64;

// Keys of `Span`'s fields (`opentelemetry/proto/trace/v1/trace.proto`): number << 3 | wire type.
const NAME: u8 = 0x2a;
pub(super) const ATTRIBUTE: u8 = 0x4a;
const DROPPED_ATTRIBUTES: u8 = 0x50;
const DROPPED_EVENTS: u8 = 0x60;
const DROPPED_LINKS: u8 = 0x70;
const STATUS: u8 = 0x7a;
// `Status`
const STATUS_MESSAGE: u8 = 0x12;
const STATUS_CODE: u8 = 0x18;
