//! One span, written field by field as it happens.

use super::attributes::{AttributeIndex, Place, Put};
use super::encode::EncodeValue;
use super::finished::{FinishedSpan, SpanHeader};
use super::raw::RawWriter;
use super::truncate::truncate;
use super::varint::{put_bytes, put_message, put_varint};
use crate::limits::SpanLimits;
use crate::model::{LinkedContext, SpanFlags, StatusCode};

/// Writes one span as an OTLP `Span` message, in place and in the order things happen.
///
/// Field order inside a message is free in protobuf, so attributes, events and links go straight
/// to their final bytes when they arrive, and the fields known only at the end come with
/// [`finish`](Self::finish). A writer is meant to be reused: [`begin`](Self::begin) keeps the
/// memory of the span before.
///
/// ```
/// use spanwise_wire::write::{SpanHeader, SpanWriter};
/// use spanwise_wire::{SpanId, SpanLimits, TraceId};
///
/// let limits = SpanLimits::default();
/// let mut span = SpanWriter::new();
/// span.begin("GET /users");
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
    /// The message so far: the name first, so that a new name knows where the old one is.
    buf: Vec<u8>,
    /// Length of the name field at the start of `buf`.
    name_len: u32,
    attributes: AttributeIndex,
    events: u32,
    links: u32,
    /// Whether there is a status, or something is lost. The fields below are to be looked at only
    /// then.
    rare: bool,
    lost: Lost,
    status: StatusCode,
    /// Status message; empty unless `status` is an error.
    status_message: String,
}

impl SpanWriter {
    /// A writer without memory of its own; the first span gets it some.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a span, forgetting the one before.
    #[inline(always)]
    pub fn begin(&mut self, name: &str) {
        self.buf.clear();
        (self.events, self.links) = (0, 0);
        if self.rare {
            self.forget_rare_fields();
        }
        self.put_name(name);
        self.attributes.restart_at(self.name_len as usize);
    }

    /// Sets an attribute; a key that is there already gets the new value.
    #[inline(always)]
    pub fn attribute<V: EncodeValue + ?Sized>(
        &mut self,
        limits: &SpanLimits,
        key: &str,
        value: &V,
    ) {
        let place = Place { tag: ATTRIBUTE, most: limits.attributes };
        match self.attributes.put(&mut self.buf, place, limits, key, value) {
            Put::Whole | Put::Absent => {}
            Put::Cut => self.lose(Loss::Characters, 1),
            Put::Dropped => self.lose(Loss::Attributes, 1),
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
        if self.events >= limits.events
            || self.buf.len() + name.len() + NESTED_OVERHEAD > limits.buffer_bytes()
        {
            return self.lose(Loss::Events, 1);
        }
        let scratch = self.attributes.scratch();
        let losses = put_message(&mut self.buf, EVENT, |buf| {
            buf.push(EVENT_TIME);
            buf.extend_from_slice(&unix_nanos.to_le_bytes());
            if !name.is_empty() {
                put_bytes(buf, EVENT_NAME, name.as_bytes());
            }
            let most = limits.attributes_per_event;
            put_all(buf, scratch, &EVENT_ATTRIBUTES, limits, most, attributes)
        });
        self.events += 1;
        self.lose_inside(losses, name.len() < full_len);
    }

    /// Adds a link to another span.
    pub fn link<'k, V: EncodeValue>(
        &mut self,
        limits: &SpanLimits,
        target: &LinkedContext,
        attributes: impl IntoIterator<Item = (&'k str, V)>,
    ) {
        if self.links >= limits.links
            || self.buf.len() + target.trace_state.len() + NESTED_OVERHEAD > limits.buffer_bytes()
        {
            return self.lose(Loss::Links, 1);
        }
        let scratch = self.attributes.scratch();
        let losses = put_message(&mut self.buf, LINK, |buf| {
            buf.extend_from_slice(&[LINK_TRACE_ID, 16]);
            buf.extend_from_slice(&target.trace_id.to_bytes());
            buf.extend_from_slice(&[LINK_SPAN_ID, 8]);
            buf.extend_from_slice(&target.span_id.to_bytes());
            if !target.trace_state.is_empty() {
                put_bytes(buf, TRACE_STATE, target.trace_state.as_bytes());
            }
            let most = limits.attributes_per_link;
            let losses = put_all(buf, scratch, &LINK_ATTRIBUTES, limits, most, attributes);
            let flags = SpanFlags::new(target.trace_flags, target.is_remote);
            buf.push(LINK_FLAGS);
            buf.extend_from_slice(&flags.0.to_le_bytes());
            losses
        });
        self.links += 1;
        self.lose_inside(losses, false);
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
        self.rare = true;
        self.status = code;
        self.status_message.clear();
        if code == StatusCode::Error {
            let kept = truncate(message, STATUS_CHARS.min(limits.span_bytes));
            self.status_message.push_str(kept);
            if kept.len() < message.len() {
                self.lose(Loss::Characters, 1);
            }
        }
    }

    /// Replaces the name. Moves all that is written so far.
    pub fn rename(&mut self, name: &str) {
        self.buf.drain(..self.buf.len().min(self.name_len as usize));
        self.put_name(name);
        // The name stands first, so that the next one knows where it is.
        self.buf.rotate_right(self.name_len as usize);
        self.attributes.starts_at(self.name_len as usize);
    }

    /// The complete span.
    ///
    /// The writer stays as it is until the next [`begin`](Self::begin); writing to it after this
    /// would write behind the end.
    #[inline(always)]
    pub fn finish<'a>(&'a mut self, header: &'a SpanHeader<'a>) -> FinishedSpan<'a> {
        if self.finish_plain(header).is_none() {
            self.put_rare_fields(header.trace_state);
        }
        FinishedSpan { header: Some(header), body: &self.buf }
    }

    /// As [`finish`](Self::finish), for a span that has nothing to add to what was written: it is
    /// [plain](Self::is_plain), and the header has no trace state.
    #[inline(always)]
    pub fn finish_plain<'a>(&'a self, header: &'a SpanHeader<'a>) -> Option<FinishedSpan<'a>> {
        let plain = self.is_plain() && header.trace_state.is_empty();
        plain.then_some(FinishedSpan { header: Some(header), body: &self.buf })
    }

    /// Whether nothing was said of the status and nothing taken by the limits: what nearly all
    /// spans are.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        !self.rare
    }

    /// The status so far.
    #[inline]
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// What the limits took from this span so far.
    #[inline]
    pub fn losses(&self) -> DroppedCounts {
        let Lost { attributes, inner_attributes, events, links, characters } = self.lost;
        DroppedCounts {
            attributes: attributes.saturating_add(inner_attributes),
            events,
            links,
            truncated_values: characters,
        }
    }

    /// Counts what was left out before it came here, say by whoever collected the span.
    /// `truncated_values` has no field in OTLP and shows in [`losses`](Self::losses) only.
    pub fn left_out(&mut self, before: &DroppedCounts) {
        for (what, count) in [
            (Loss::Attributes, before.attributes),
            (Loss::Events, before.events),
            (Loss::Links, before.links),
            (Loss::Characters, before.truncated_values),
        ] {
            if count > 0 {
                self.lose(what, count);
            }
        }
    }

    /// Bytes of memory held for the next span.
    pub fn capacity(&self) -> usize {
        self.buf.capacity() + self.attributes.scratch_capacity() + self.status_message.capacity()
    }

    /// Appends the name field and keeps its length.
    #[inline(always)]
    fn put_name(&mut self, name: &str) {
        let start = self.buf.len();
        if name.len() < 0x80 {
            let mut room = RawWriter::new(&mut self.buf, name.len() + 2);
            // SAFETY: 2 + name bytes are stored and reserved.
            unsafe {
                room.array([NAME, name.len() as u8]);
                room.slice(name.as_bytes());
            }
            room.done();
        } else {
            self.put_long_name(name);
        }
        self.name_len = (self.buf.len() - start) as u32;
    }

    #[cold]
    fn put_long_name(&mut self, name: &str) {
        let kept = truncate(name, NAME_CHARS);
        put_bytes(&mut self.buf, NAME, kept.as_bytes());
        if kept.len() < name.len() {
            self.lose(Loss::Characters, 1);
        }
    }

    #[cold]
    fn put_rare_fields(&mut self, trace_state: &str) {
        if !trace_state.is_empty() {
            put_bytes(&mut self.buf, TRACE_STATE, trace_state.as_bytes());
        }
        for (tag, count) in [
            (DROPPED_ATTRIBUTES, self.lost.attributes),
            (DROPPED_EVENTS, self.lost.events),
            (DROPPED_LINKS, self.lost.links),
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

    #[cold]
    fn forget_rare_fields(&mut self) {
        self.rare = false;
        self.lost = Lost::default();
        self.status = StatusCode::Unset;
        self.status_message.clear();
    }

    #[cold]
    fn lose(&mut self, what: Loss, count: u32) {
        self.rare = true;
        let lost = match what {
            Loss::Attributes => &mut self.lost.attributes,
            Loss::InnerAttributes => &mut self.lost.inner_attributes,
            Loss::Events => &mut self.lost.events,
            Loss::Links => &mut self.lost.links,
            Loss::Characters => &mut self.lost.characters,
        };
        *lost = lost.saturating_add(count);
    }

    /// An event or link is written, but not all of it.
    #[inline]
    fn lose_inside(&mut self, inside: InnerLosses, cut_name: bool) {
        let cut = inside.truncated.saturating_add(u32::from(cut_name));
        if inside.dropped | cut != 0 {
            self.lose(Loss::InnerAttributes, inside.dropped);
            self.lose(Loss::Characters, cut);
        }
    }
}

/// What a limit takes.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Attributes,
    /// Of events and links; their own fields carry the numbers too.
    InnerAttributes,
    Events,
    Links,
    /// Of a value, a name, a status message.
    Characters,
}

/// How often, by [`Loss`].
#[derive(Debug, Default, Clone, Copy)]
struct Lost {
    attributes: u32,
    inner_attributes: u32,
    events: u32,
    links: u32,
    characters: u32,
}

/// What the limits took from a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DroppedCounts {
    /// Attributes left out, of the span and of its events and links.
    pub attributes: u32,
    /// Events left out.
    pub events: u32,
    /// Links left out.
    pub links: u32,
    /// Values cut to the length limit, and names and status messages cut to theirs.
    pub truncated_values: u32,
}

impl DroppedCounts {
    /// Whether nothing was taken.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.attributes | self.events | self.links | self.truncated_values == 0
    }
}

/// Keys of the fields that events and links have in common.
struct InnerTags {
    attribute: u8,
    dropped: u8,
}

struct InnerLosses {
    dropped: u32,
    truncated: u32,
}

/// Writes the attributes of an event or link, and its dropped count.
fn put_all<'k, V: EncodeValue>(
    buf: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    tags: &InnerTags,
    limits: &SpanLimits,
    most: u32,
    attributes: impl IntoIterator<Item = (&'k str, V)>,
) -> InnerLosses {
    let mut index = AttributeIndex::starting_at(buf.len());
    std::mem::swap(index.scratch(), scratch);
    let place = Place { tag: tags.attribute, most };
    let mut losses = InnerLosses { dropped: 0, truncated: 0 };
    for (key, value) in attributes {
        match index.put(buf, place, limits, key, &value) {
            Put::Whole | Put::Absent => {}
            Put::Cut => losses.truncated = losses.truncated.saturating_add(1),
            Put::Dropped => losses.dropped = losses.dropped.saturating_add(1),
        }
    }
    std::mem::swap(index.scratch(), scratch);
    put_count(buf, tags.dropped, losses.dropped);
    losses
}

/// A count; 0 is the default and not written.
fn put_count(buf: &mut Vec<u8>, tag: u8, count: u32) {
    if count > 0 {
        buf.push(tag);
        put_varint(buf, u64::from(count));
    }
}

/// Characters that the name of a span or event keeps. The specification sets no limit (the
/// attribute value length limit is not for names); names are meant to be low-cardinality, and
/// this one is far above any in use.
const NAME_CHARS: usize = 4096;
/// Characters a status message keeps at most.
const STATUS_CHARS: usize = 16_384;

/// Tags, lengths, time and ids of an event or link.
const NESTED_OVERHEAD: usize = 64;

// Keys of `Span`'s fields (`opentelemetry/proto/trace/v1/trace.proto`): number << 3 | wire type.
const TRACE_STATE: u8 = 0x1a;
const NAME: u8 = 0x2a;
const ATTRIBUTE: u8 = 0x4a;
const DROPPED_ATTRIBUTES: u8 = 0x50;
const EVENT: u8 = 0x5a;
const DROPPED_EVENTS: u8 = 0x60;
const LINK: u8 = 0x6a;
const DROPPED_LINKS: u8 = 0x70;
const STATUS: u8 = 0x7a;
// `Span.Event`
const EVENT_TIME: u8 = 0x09;
const EVENT_NAME: u8 = 0x12;
const EVENT_ATTRIBUTES: InnerTags = InnerTags { attribute: 0x1a, dropped: 0x20 };
// `Span.Link`; its trace state has the number of `Span`'s.
const LINK_TRACE_ID: u8 = 0x0a;
const LINK_SPAN_ID: u8 = 0x12;
const LINK_ATTRIBUTES: InnerTags = InnerTags { attribute: 0x22, dropped: 0x28 };
const LINK_FLAGS: u8 = 0x35;
// `Status`
const STATUS_MESSAGE: u8 = 0x12;
const STATUS_CODE: u8 = 0x18;
