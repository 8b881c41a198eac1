//! One span, written field by field as it happens.

use super::attributes::{AttributeIndex, Bounds, Put};
use super::raw::Room;
use super::value::{EncodeValue, truncate};
use super::varint::{put_bytes, put_message, put_varint};
use crate::limits::SpanLimits;
use crate::meta::{SpanKind, StatusCode};

/// Writes one span as an OTLP `Span` message, in place and in the order things happen.
///
/// Field order inside a message is free in protobuf, so attributes, events and links go straight
/// to their final bytes when they arrive, and the fields known only at the end are appended by
/// [`finish`](Self::finish). A writer is meant to be reused: [`begin`](Self::begin) keeps the
/// memory of the span before.
///
/// ```
/// use spanwise_wire::{SpanLimits, write::{SpanHeader, SpanWriter}};
///
/// let limits = SpanLimits::default();
/// let mut span = SpanWriter::new();
/// span.begin("GET /users");
/// span.attribute(&limits, "http.response.status_code", &200);
/// span.event(&limits, 1_700_000_000_000_000_500, "cache miss", [("key", "users:7")]);
/// let bytes = span.finish(&SpanHeader {
///     trace_id: 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c,
///     span_id: 0xeee1_9b7e_c3c1_b174,
///     start_unix_nanos: 1_700_000_000_000_000_000,
///     end_unix_nanos: 1_700_000_000_000_001_000,
///     ..SpanHeader::default()
/// });
/// assert_eq!(spanwise_wire::read::SpanView::parse(bytes).unwrap().name(), Ok("GET /users"));
/// ```
#[derive(Debug, Default)]
pub struct SpanWriter {
    /// The message so far: the name first, so that a new name knows where the old one is.
    buf: Vec<u8>,
    /// Length of the name field at the start of `buf`.
    name_len: u32,
    attributes: AttributeIndex,
    /// Scratch for the attributes of the event or link being written.
    inner: AttributeIndex,
    dropped_attributes: u32,
    events: u32,
    dropped_events: u32,
    links: u32,
    dropped_links: u32,
    /// Attributes left out inside events and links; their own fields carry the numbers too.
    dropped_inner: u32,
    truncated_values: u32,
    status: StatusCode,
    /// Status message; empty unless `status` is an error.
    status_message: String,
}

/// The fields of a span that are known when it ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanHeader<'a> {
    /// Trace id; written as its 16 big-endian bytes.
    pub trace_id: u128,
    /// Span id; written as its 8 big-endian bytes.
    pub span_id: u64,
    /// Span id of the parent; 0 is "no parent" and not written.
    pub parent_span_id: u64,
    /// Kind.
    pub kind: SpanKind,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// End, nanoseconds since the Unix epoch.
    pub end_unix_nanos: u64,
    /// W3C trace flags in the low byte, and OTLP's "parent is remote" bits above
    /// ([`FLAG_HAS_IS_REMOTE`], [`FLAG_IS_REMOTE`]).
    pub flags: u32,
    /// The W3C `tracestate` header; empty is not written.
    pub trace_state: &'a str,
}

/// The context a link points to.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkTarget<'a> {
    /// Trace id; written as its 16 big-endian bytes.
    pub trace_id: u128,
    /// Span id; written as its 8 big-endian bytes.
    pub span_id: u64,
    /// As [`SpanHeader::flags`], for the linked context.
    pub flags: u32,
    /// The linked context's W3C `tracestate` header.
    pub trace_state: &'a str,
}

/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: the next bit is known.
pub const FLAG_HAS_IS_REMOTE: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: the parent (or linked) context came from elsewhere.
pub const FLAG_IS_REMOTE: u32 = 0x200;

impl SpanWriter {
    /// A writer without memory of its own; the first span gets it some.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a span, forgetting the one before.
    #[inline]
    pub fn begin(&mut self, name: &str) {
        self.buf.clear();
        self.attributes.clear();
        self.dropped_attributes = 0;
        self.events = 0;
        self.dropped_events = 0;
        self.links = 0;
        self.dropped_links = 0;
        self.dropped_inner = 0;
        self.truncated_values = 0;
        self.status = StatusCode::Unset;
        self.status_message.clear();
        self.put_name(name);
    }

    /// Sets an attribute; a key that is there already gets the new value.
    #[inline]
    pub fn attribute<V: EncodeValue + ?Sized>(
        &mut self,
        limits: &SpanLimits,
        key: &str,
        value: &V,
    ) {
        let bounds = bounds(limits, limits.attributes);
        match self.attributes.put(&mut self.buf, ATTRIBUTE, &bounds, key, value) {
            Put::Dropped => self.dropped_attributes = self.dropped_attributes.saturating_add(1),
            Put::Added | Put::Replaced => {
                if value.is_truncated(limits.value_chars) {
                    self.truncated_values = self.truncated_values.saturating_add(1);
                }
            }
        }
    }

    /// Adds an event.
    pub fn event<'k, V: EncodeValue>(
        &mut self,
        limits: &SpanLimits,
        unix_nanos: u64,
        name: &str,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        let full_len = name.len();
        let name = truncate(name, NAME_CHARS);
        let bounds = bounds(limits, limits.attributes_per_event);
        if self.events >= limits.events
            || self.buf.len() + name.len() + NESTED_OVERHEAD > bounds.buffer_bytes
        {
            self.dropped_events = self.dropped_events.saturating_add(1);
            return;
        }
        let inner = &mut self.inner;
        let losses = put_message(&mut self.buf, EVENT, |buf| {
            buf.push(EVENT_TIME);
            buf.extend_from_slice(&unix_nanos.to_le_bytes());
            if !name.is_empty() {
                put_bytes(buf, EVENT_NAME, name.as_bytes());
            }
            put_all(inner, buf, EVENT_ATTRIBUTE, EVENT_DROPPED, &bounds, attributes)
        });
        self.events += 1;
        self.count_cut(name.len() < full_len);
        self.count_inner(losses);
    }

    /// Adds a link to another span.
    pub fn link<'k, V: EncodeValue>(
        &mut self,
        limits: &SpanLimits,
        target: &LinkTarget<'_>,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        let bounds = bounds(limits, limits.attributes_per_link);
        if self.links >= limits.links
            || self.buf.len() + target.trace_state.len() + NESTED_OVERHEAD > bounds.buffer_bytes
        {
            self.dropped_links = self.dropped_links.saturating_add(1);
            return;
        }
        let inner = &mut self.inner;
        let losses = put_message(&mut self.buf, LINK, |buf| {
            buf.extend_from_slice(&[TRACE_ID, 16]);
            buf.extend_from_slice(&target.trace_id.to_be_bytes());
            buf.extend_from_slice(&[SPAN_ID, 8]);
            buf.extend_from_slice(&target.span_id.to_be_bytes());
            if !target.trace_state.is_empty() {
                put_bytes(buf, TRACE_STATE, target.trace_state.as_bytes());
            }
            let losses = put_all(inner, buf, LINK_ATTRIBUTE, LINK_DROPPED, &bounds, attributes);
            if target.flags != 0 {
                buf.push(LINK_FLAGS);
                buf.extend_from_slice(&target.flags.to_le_bytes());
            }
            losses
        });
        self.links += 1;
        self.count_inner(losses);
    }

    /// Sets the status. Ok is final and Error stands above Unset (specification, *Set Status*);
    /// a call that would lower it does nothing. Only an error keeps its message.
    pub fn status(&mut self, limits: &SpanLimits, code: StatusCode, message: &str) {
        let rank = |code| match code {
            StatusCode::Unset => 0,
            StatusCode::Error => 1,
            StatusCode::Ok => 2,
        };
        // Among errors the later one stands, like any other value that is set twice.
        let repeated_error = code == StatusCode::Error && self.status == code;
        if rank(code) <= rank(self.status) && !repeated_error {
            return;
        }
        self.status = code;
        self.status_message.clear();
        if code == StatusCode::Error {
            let kept = truncate(message, STATUS_CHARS.min(limits.span_bytes));
            self.status_message.push_str(kept);
            self.count_cut(kept.len() < message.len());
        }
    }

    /// Replaces the name. Moves all that is written so far.
    pub fn rename(&mut self, name: &str) {
        let old_len = self.name_len;
        self.buf.drain(..old_len as usize);
        self.put_name(name);
        // The name stands first, so that the next one knows where it is.
        self.buf.rotate_right(self.name_len as usize);
        self.attributes.shift(i64::from(self.name_len) - i64::from(old_len));
    }

    /// Appends the header and returns the complete `Span` message.
    ///
    /// The writer stays as it is until the next [`begin`](Self::begin); writing to it after this
    /// would write behind the header.
    #[inline]
    pub fn finish(&mut self, header: &SpanHeader<'_>) -> &[u8] {
        let mut room = Room::new(&mut self.buf, FIXED_HEADER);
        // SAFETY: 2 + 16, 2 + 8, 1 + 8, 1 + 8, 2, 2 + 4 and at most 2 + 8 bytes: FIXED_HEADER.
        unsafe {
            room.array([TRACE_ID, 16]);
            room.array(header.trace_id.to_be_bytes());
            room.array([SPAN_ID, 8]);
            room.array(header.span_id.to_be_bytes());
            room.array([START]);
            room.array(header.start_unix_nanos.to_le_bytes());
            room.array([END]);
            room.array(header.end_unix_nanos.to_le_bytes());
            room.array([KIND, header.kind as u8]);
            room.array(FLAGS);
            room.array(header.flags.to_le_bytes());
            if header.parent_span_id != 0 {
                room.array([PARENT_SPAN_ID, 8]);
                room.array(header.parent_span_id.to_be_bytes());
            }
        }
        room.done();
        if self.has_rare_fields() || !header.trace_state.is_empty() {
            self.put_rare_fields(header.trace_state);
        }
        &self.buf
    }

    /// The status so far.
    #[inline]
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// What the limits took from this span so far.
    #[inline]
    pub fn losses(&self) -> Losses {
        Losses {
            attributes: self.dropped_attributes.saturating_add(self.dropped_inner),
            events: self.dropped_events,
            links: self.dropped_links,
            truncated_values: self.truncated_values,
        }
    }

    /// Bytes of memory held for the next span.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
            + self.attributes.capacity()
            + self.inner.capacity()
            + self.status_message.capacity()
    }

    /// Appends the name field and keeps its length.
    fn put_name(&mut self, name: &str) {
        let start = self.buf.len();
        let full_len = name.len();
        let name = truncate(name, NAME_CHARS).as_bytes();
        self.count_cut(name.len() < full_len);
        if name.len() < 0x80 {
            let mut room = Room::new(&mut self.buf, name.len() + 2);
            // SAFETY: 2 + name bytes are stored and reserved.
            unsafe {
                room.array([NAME, name.len() as u8]);
                room.slice(name);
            }
            room.done();
        } else {
            put_bytes(&mut self.buf, NAME, name);
        }
        self.name_len = (self.buf.len() - start) as u32;
    }

    #[inline(always)]
    fn has_rare_fields(&self) -> bool {
        self.dropped_attributes | self.dropped_events | self.dropped_links != 0
            || self.status != StatusCode::Unset
    }

    #[cold]
    fn put_rare_fields(&mut self, trace_state: &str) {
        if !trace_state.is_empty() {
            put_bytes(&mut self.buf, TRACE_STATE, trace_state.as_bytes());
        }
        for (tag, count) in [
            (DROPPED_ATTRIBUTES, self.dropped_attributes),
            (DROPPED_EVENTS, self.dropped_events),
            (DROPPED_LINKS, self.dropped_links),
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

    #[inline(always)]
    fn count_cut(&mut self, cut: bool) {
        self.truncated_values = self.truncated_values.saturating_add(u32::from(cut));
    }

    fn count_inner(&mut self, losses: InnerLosses) {
        self.dropped_inner = self.dropped_inner.saturating_add(losses.dropped);
        self.truncated_values = self.truncated_values.saturating_add(losses.truncated);
    }
}

/// What the limits took from a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Attributes left out, of the span and of its events and links.
    pub attributes: u32,
    /// Events left out.
    pub events: u32,
    /// Links left out.
    pub links: u32,
    /// Values cut to the length limit, and names and status messages cut to theirs.
    pub truncated_values: u32,
}

impl Losses {
    /// Whether nothing was taken.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.attributes | self.events | self.links | self.truncated_values == 0
    }
}

struct InnerLosses {
    dropped: u32,
    truncated: u32,
}

/// Writes the attributes of an event or link, and its dropped count.
fn put_all<'k, V: EncodeValue>(
    index: &mut AttributeIndex,
    buf: &mut Vec<u8>,
    tag: u8,
    dropped_tag: u8,
    bounds: &Bounds,
    attributes: impl IntoIterator<Item = (&'k str, V)>,
) -> InnerLosses {
    index.clear();
    let mut losses = InnerLosses { dropped: 0, truncated: 0 };
    for (key, value) in attributes {
        match index.put(buf, tag, bounds, key, &value) {
            Put::Dropped => losses.dropped = losses.dropped.saturating_add(1),
            Put::Added | Put::Replaced => {
                let cut = u32::from(value.is_truncated(bounds.value_chars));
                losses.truncated = losses.truncated.saturating_add(cut);
            }
        }
    }
    put_count(buf, dropped_tag, losses.dropped);
    losses
}

/// A count; 0 is the default and not written.
fn put_count(buf: &mut Vec<u8>, tag: u8, count: u32) {
    if count > 0 {
        buf.push(tag);
        put_varint(buf, u64::from(count));
    }
}

#[inline(always)]
fn bounds(limits: &SpanLimits, count: u32) -> Bounds {
    let buffer_bytes = limits.span_bytes.min(MAX_SPAN_BYTES);
    Bounds { count, value_chars: limits.value_chars, buffer_bytes }
}

/// Characters that the name of a span or event keeps. The specification sets no limit (the
/// attribute value length limit is not for names); names are meant to be low-cardinality, and
/// this one is far above any in use.
const NAME_CHARS: usize = 4096;
/// Characters a status message keeps at most.
const STATUS_CHARS: usize = 16_384;

/// What a span's buffer never grows beyond: offsets in it have 32 bits.
const MAX_SPAN_BYTES: usize = i32::MAX as usize;

/// What [`SpanWriter::finish`] stores without a check.
const FIXED_HEADER: usize = 18 + 10 + 9 + 9 + 2 + 6 + 10;
/// Tags, lengths, time and ids of an event or link.
const NESTED_OVERHEAD: usize = 64;

// Keys of `Span`'s fields (`opentelemetry/proto/trace/v1/trace.proto`): number << 3 | wire type.
const TRACE_ID: u8 = 0x0a;
const SPAN_ID: u8 = 0x12;
const TRACE_STATE: u8 = 0x1a;
const PARENT_SPAN_ID: u8 = 0x22;
const NAME: u8 = 0x2a;
const KIND: u8 = 0x30;
const START: u8 = 0x39;
const END: u8 = 0x41;
const ATTRIBUTE: u8 = 0x4a;
const DROPPED_ATTRIBUTES: u8 = 0x50;
const EVENT: u8 = 0x5a;
const DROPPED_EVENTS: u8 = 0x60;
const LINK: u8 = 0x6a;
const DROPPED_LINKS: u8 = 0x70;
const STATUS: u8 = 0x7a;
const FLAGS: [u8; 2] = [0x85, 0x01];
// `Span.Event`
const EVENT_TIME: u8 = 0x09;
const EVENT_NAME: u8 = 0x12;
const EVENT_ATTRIBUTE: u8 = 0x1a;
const EVENT_DROPPED: u8 = 0x20;
// `Span.Link`; its ids and trace state have the numbers of `Span`'s.
const LINK_ATTRIBUTE: u8 = 0x22;
const LINK_DROPPED: u8 = 0x28;
const LINK_FLAGS: u8 = 0x35;
// `Status`
const STATUS_MESSAGE: u8 = 0x12;
const STATUS_CODE: u8 = 0x18;
