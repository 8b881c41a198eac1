//! Spans as plain data that a pool reuses.

mod lists;
mod pool;

pub use lists::{Event, Link};
pub use pool::{SpanPool, TieredSpanPool};
pub use spanwise_wire::{
    Attribute, LinkedContext, OwnedValue, SpanId, SpanKind, StatusCode, StringValue, TraceFlags,
    TraceId, Value,
};

use crate::{Reset, TierObject, limits};
use lists::{Events, Links};

/// A span as plain data: [`reset`](Self::reset) clears it and retains its capacity.
///
/// It has every field of OTLP's `Span`. Resource and scope belong to the exporter: see
/// `Tracer::finish_pooled` of `spanwise-sdk`. One list has the attributes of all events, another those
/// of all links, so that clearing an event frees no memory.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PooledSpan {
    /// Trace id; [`TraceId::INVALID`] until it is set.
    pub trace_id: TraceId,
    /// Span id; [`SpanId::INVALID`] until it is set.
    pub span_id: SpanId,
    /// Span id of the parent; [`SpanId::INVALID`] for a root.
    pub parent_span_id: SpanId,
    /// Whether the parent's context came from another process.
    pub parent_is_remote: bool,
    /// W3C trace flags.
    pub trace_flags: TraceFlags,
    /// W3C `tracestate` header.
    pub trace_state: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: SpanKind,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// End, nanoseconds since the Unix epoch; 0 if not set.
    pub end_unix_nanos: u64,
    /// Clock reading at the start, as set by the tracer that started the span: counter ticks, then
    /// nanoseconds since 1970. Both 0 if none. Leave it unchanged.
    #[doc(hidden)]
    pub clock_start: [u64; 2],
    /// A full queue refused the span at its start, as set by the tracer that started it. Leave it
    /// unchanged.
    #[doc(hidden)]
    pub is_refused: bool,
    /// The tracer records the span for tail sampling though it is not sampled. Leave it unchanged.
    #[doc(hidden)]
    pub is_recorded: bool,
    /// Attributes. Keys should be unique: [`set_attribute`](Self::set_attribute) replaces a value.
    pub attributes: Vec<Attribute>,
    /// Attributes that were dropped.
    pub dropped_attributes: u32,
    events: Events,
    /// Events that were dropped.
    pub dropped_events: u32,
    links: Links,
    /// Links that were dropped.
    pub dropped_links: u32,
    /// Status code.
    pub status: StatusCode,
    /// Description of an error.
    pub status_message: String,
}

impl PooledSpan {
    /// A span with capacity for this number of attributes, events and links; 64 MiB of each at most.
    pub fn with_capacity(attributes: usize, events: usize, links: usize) -> Self {
        PooledSpan {
            attributes: Vec::with_capacity(limits::max_reserved(
                attributes,
                size_of::<Attribute>(),
            )),
            events: Events::with_capacity(events),
            links: Links::with_capacity(links),
            ..Self::default()
        }
    }

    /// Frees the capacity beyond this number of attributes, events and links, and beyond 64 bytes of
    /// each string.
    pub fn shrink_to(&mut self, attributes: usize, events: usize, links: usize) {
        self.attributes.shrink_to(attributes);
        self.events.shrink_to(events);
        self.links.shrink_to(links);
        for string in [&mut self.name, &mut self.trace_state, &mut self.status_message] {
            string.shrink_to(STRING);
        }
    }

    /// Sets an attribute; an existing key gets the new value. `None` sets nothing, and leaves an existing
    /// value unchanged.
    ///
    /// # Cost
    /// A comparison with each existing key. If keys are known to be unique, push to `attributes`.
    pub fn set_attribute(
        &mut self,
        key: impl Into<StringValue>,
        value: impl Into<OwnedValue>,
    ) -> &mut Self {
        let attribute = Attribute::new(key, value);
        if attribute.value == OwnedValue::Absent {
            return self;
        }
        match self.attributes.iter_mut().find(|known| known.key == attribute.key) {
            Some(known) => known.value = attribute.value,
            None => self.attributes.push(attribute),
        }
        self
    }

    /// Adds an event.
    pub fn add_event(
        &mut self,
        name: impl Into<StringValue>,
        unix_nanos: u64,
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> &mut Self {
        self.events.push(name.into(), unix_nanos, attributes);
        self
    }

    /// Adds a link to another span.
    pub fn add_link(
        &mut self,
        to: LinkedContext,
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> &mut Self {
        self.links.push(to, attributes);
        self
    }

    /// Sets the status code, and for an error its description; other codes have none.
    pub fn set_status(&mut self, status: StatusCode, description: &str) -> &mut Self {
        self.status = status;
        self.status_message.clear();
        if status == StatusCode::Error {
            self.status_message.push_str(description);
        }
        self
    }

    /// The events, in the order they were added.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.events.iter()
    }

    /// The links, in the order they were added.
    pub fn links(&self) -> impl ExactSizeIterator<Item = Link<'_>> {
        self.links.iter()
    }

    /// Clears all fields, and retains the memory.
    pub fn reset(&mut self) {
        // The pattern names each field, so that a new one cannot be omitted here.
        let PooledSpan {
            trace_id,
            span_id,
            parent_span_id,
            parent_is_remote,
            trace_flags,
            trace_state,
            name,
            kind,
            start_unix_nanos,
            end_unix_nanos,
            clock_start,
            is_refused,
            is_recorded,
            attributes,
            dropped_attributes,
            events,
            dropped_events,
            links,
            dropped_links,
            status,
            status_message,
        } = self;
        *trace_id = TraceId::INVALID;
        (*span_id, *parent_span_id) = (SpanId::INVALID, SpanId::INVALID);
        (*parent_is_remote, *is_refused, *is_recorded) = (false, false, false);
        *trace_flags = TraceFlags::NOT_SAMPLED;
        (*kind, *status) = (SpanKind::Internal, StatusCode::Unset);
        (*start_unix_nanos, *end_unix_nanos) = (0, 0);
        *clock_start = [0; 2];
        (*dropped_attributes, *dropped_events, *dropped_links) = (0, 0, 0);
        trace_state.clear();
        name.clear();
        status_message.clear();
        attributes.clear();
        events.clear();
        links.clear();
    }
}

impl Reset for PooledSpan {
    /// Retained with any capacity: a byte limit, or a [`TieredPool`](crate::TieredPool), bounds it.
    fn reset(&mut self) -> bool {
        self.reset();
        true
    }

    fn retained_bytes(&self) -> usize {
        self.trace_state.capacity()
            + self.name.capacity()
            + self.status_message.capacity()
            + self.attributes.capacity() * size_of::<Attribute>()
            + self.events.bytes()
            + self.links.bytes()
    }
}

/// Tiers by attributes. Spans of a tier of 8 have capacity for 4 events, of 32 for 8, of more for 16.
impl TierObject for PooledSpan {
    fn with_capacity(attributes: usize) -> Self {
        PooledSpan::with_capacity(attributes, events_beside(attributes), LINKS)
    }

    fn capacity(&self) -> usize {
        self.attributes.capacity()
    }

    fn shrink_to(&mut self, attributes: usize) {
        self.shrink_to(attributes, events_beside(attributes), LINKS);
    }
}

fn events_beside(attributes: usize) -> usize {
    match attributes {
        0..=8 => 4,
        9..=32 => 8,
        _ => 16,
    }
}

/// Bytes of capacity that a string retains when the span shrinks.
const STRING: usize = 64;
/// Capacity for links, in all tiers.
const LINKS: usize = 4;
