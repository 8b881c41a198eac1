//! A span, read in place.

use super::fields::{Field, FieldValue, Fields, WireError};
use super::point::{EventView, LinkView};
use super::value::{self, Attributes, ValueView};

/// A `Span` message: its fields, found in one pass and borrowed from its bytes.
///
/// Of a field that occurs twice the last occurrence counts, as in protobuf. Attributes, events and
/// links are parsed by the methods that return them.
#[derive(Clone, Copy, Default)]
pub struct SpanView<'a> {
    bytes: &'a [u8],
    /// From the first attribute to the last.
    attributes: &'a [u8],
    resource: &'a [u8],
    scope: &'a [u8],
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    trace_state: &'a [u8],
    name: &'a [u8],
    status_message: &'a [u8],
    start: u64,
    end: u64,
    kind: i32,
    status_code: i32,
    flags: u32,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

impl<'a> SpanView<'a> {
    /// Reads the bytes of a `Span` that comes without resource and scope.
    ///
    /// # Errors
    /// [`WireError`] if the span's own fields or its status are malformed. Strings, attributes,
    /// events and links are checked by the methods that return them.
    pub fn parse(span: &'a [u8]) -> Result<Self, WireError> {
        Self::of(span, &[], &[])
    }

    /// Reads the bytes of a `Span` with those of its `Resource` and `InstrumentationScope`.
    ///
    /// # Errors
    /// As [`SpanView::parse`]; resource and scope are not parsed.
    pub fn of(span: &'a [u8], resource: &'a [u8], scope: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self {
            bytes: span,
            attributes: &[],
            resource,
            scope,
            trace_id: &[],
            span_id: &[],
            parent_span_id: &[],
            trace_state: &[],
            name: &[],
            status_message: &[],
            start: 0,
            end: 0,
            kind: 0,
            status_code: 0,
            flags: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        };
        let (mut rest, mut attributes) = (span, None);
        while let [key, behind @ ..] = rest {
            let before = rest.len();
            // Neighbouring attributes are skipped together.
            if let [ATTRIBUTES_KEY, len @ ..0x80, behind @ ..] = rest
                && let Some((_, behind)) = behind.split_at_checked(usize::from(*len))
            {
                rest = skip_attributes(behind);
                let first = attributes.map_or(before, |(first, _)| first);
                attributes = Some((first, rest.len()));
                continue;
            }
            rest = match (*key, behind) {
                // Most fields are strings or messages below 128 bytes.
                (8..0x80, [len @ ..0x80, behind @ ..]) if key & 7 == 2 => {
                    let (bytes, behind) =
                        behind.split_at_checked(usize::from(*len)).ok_or(WireError::Truncated)?;
                    let number = u32::from(key >> 3);
                    view.put(Field { number, value: FieldValue::Bytes(bytes) })?;
                    behind
                }
                (START, [a, b, c, d, e, f, g, h, behind @ ..]) => {
                    view.start = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                    behind
                }
                (END, [a, b, c, d, e, f, g, h, behind @ ..]) => {
                    view.end = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                    behind
                }
                (KIND, [kind @ ..0x80, behind @ ..]) => {
                    view.kind = (*kind).into();
                    behind
                }
                (FLAGS, [FLAGS_HIGH, a, b, c, d, behind @ ..]) => {
                    view.flags = u32::from_le_bytes([*a, *b, *c, *d]);
                    behind
                }
                _ => view.put_next(rest)?,
            };
            // Also of a key with more bytes than it needs; a range with other fields does no harm.
            if *key & 0x7f == ATTRIBUTES_KEY {
                let first = attributes.map_or(before, |(first, _)| first);
                attributes = Some((first, rest.len()));
            }
        }
        if let Some((first, last)) = attributes {
            view.attributes = span.get(span.len() - first..span.len() - last).unwrap_or_default();
        }
        Ok(view)
    }

    /// Reads the first of the fields `rest`, whatever its form, and returns those behind it.
    #[inline(never)]
    fn put_next(&mut self, rest: &'a [u8]) -> Result<&'a [u8], WireError> {
        let mut fields = Fields::new(rest);
        if let Some(field) = fields.next() {
            self.put(field?)?;
        }
        Ok(fields.rest())
    }

    #[inline(always)]
    fn put(&mut self, field: Field<'a>) -> Result<(), WireError> {
        match field.number {
            1 => self.trace_id = field.bytes()?,
            2 => self.span_id = field.bytes()?,
            3 => self.trace_state = field.bytes()?,
            4 => self.parent_span_id = field.bytes()?,
            5 => self.name = field.bytes()?,
            6 => self.kind = field.varint()? as i32,
            7 => self.start = field.fixed64()?,
            8 => self.end = field.fixed64()?,
            ATTRIBUTES | EVENTS | LINKS => _ = field.bytes()?,
            10 => self.dropped_attributes = field.varint()? as u32,
            12 => self.dropped_events = field.varint()? as u32,
            14 => self.dropped_links = field.varint()? as u32,
            15 => self.status(field.bytes()?)?,
            16 => self.flags = field.fixed32()?,
            _ => {}
        }
        Ok(())
    }

    /// A status in several pieces is merged, as protobuf merges messages.
    fn status(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                2 => self.status_message = field.bytes()?,
                3 => self.status_code = field.varint()? as i32,
                _ => {}
            }
        }
        Ok(())
    }

    /// The bytes of the `Span` message, without key and length.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of the `Resource` message; empty if there is none.
    pub fn resource(&self) -> &'a [u8] {
        self.resource
    }

    /// The bytes of the `InstrumentationScope` message; empty if there is none.
    pub fn scope(&self) -> &'a [u8] {
        self.scope
    }

    /// The trace id, if it has its 16 bytes. An id of zeros is returned unchanged.
    pub fn trace_id(&self) -> Option<[u8; 16]> {
        self.trace_id.try_into().ok()
    }

    /// The span id, if it has its 8 bytes. An id of zeros is returned unchanged.
    pub fn span_id(&self) -> Option<[u8; 8]> {
        self.span_id.try_into().ok()
    }

    /// The parent's span id, if it has its 8 bytes; a root span has none.
    pub fn parent_span_id(&self) -> Option<[u8; 8]> {
        self.parent_span_id.try_into().ok()
    }

    /// Whether no parent id was sent. Not the same as an unusable
    /// [`parent_span_id`](Self::parent_span_id).
    pub fn is_root(&self) -> bool {
        self.parent_span_id.is_empty()
    }

    /// The W3C `tracestate`; empty if there is none.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn trace_state(&self) -> Result<&'a str, WireError> {
        value::text(self.trace_state)
    }

    /// The name.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn name(&self) -> Result<&'a str, WireError> {
        value::text(self.name)
    }

    /// The kind as OTLP numbers it: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub fn kind(&self) -> i32 {
        self.kind
    }

    /// The start in nanoseconds since the Unix epoch; 0 if unknown.
    pub fn start_unix_nanos(&self) -> u64 {
        self.start
    }

    /// The end in nanoseconds since the Unix epoch; 0 if unknown. Not checked against the start.
    pub fn end_unix_nanos(&self) -> u64 {
        self.end
    }

    /// The status as OTLP numbers it: 0 unset, 1 ok, 2 error.
    pub fn status_code(&self) -> i32 {
        self.status_code
    }

    /// The description of the status; empty if there is none.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn status_message(&self) -> Result<&'a str, WireError> {
        value::text(self.status_message)
    }

    /// W3C trace flags in bits 0 to 7; bits 8 and 9 are set as in [`SpanFlags`](crate::SpanFlags).
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Number of attributes that the sender dropped.
    pub fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes
    }

    /// Number of events that the sender dropped.
    pub fn dropped_events_count(&self) -> u32 {
        self.dropped_events
    }

    /// Number of links that the sender dropped.
    pub fn dropped_links_count(&self) -> u32 {
        self.dropped_links
    }

    /// The attributes, in wire order, duplicates included.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes, ATTRIBUTES)
    }

    /// The value for `key`, if there is a readable one. The last entry of the key counts.
    ///
    /// # Cost
    /// One pass over the span. To look up many keys, iterate [`attributes`](Self::attributes).
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.attributes().last_of(key)
    }

    /// The values for `keys`, each at the place of its key in `values`; `None` for a key without a readable value.
    /// The last entry of a key counts.
    ///
    /// # Cost
    /// One pass over the span for all keys. Keys are compared one after the other: use it for tens of them.
    pub fn select_attributes<K: AsRef<str>>(
        &self,
        keys: &[K],
        values: &mut [Option<ValueView<'a>>],
    ) {
        self.attributes().select(keys, values);
    }

    /// The value the span's resource has for `key`; rules as for [`attribute`](Self::attribute).
    pub fn resource_attribute(&self, key: &str) -> Option<ValueView<'a>> {
        Attributes::new(self.resource, value::RESOURCE_ATTRIBUTES).last_of(key)
    }

    /// The attributes of the span's resource, in wire order.
    pub fn resource_attributes(&self) -> Attributes<'a> {
        Attributes::new(self.resource, value::RESOURCE_ATTRIBUTES)
    }

    /// The attributes of the instrumentation scope, in wire order.
    pub fn scope_attributes(&self) -> Attributes<'a> {
        Attributes::new(self.scope, value::SCOPE_ATTRIBUTES)
    }

    /// The value the instrumentation scope has for `key`; rules as for [`attribute`](Self::attribute).
    pub fn scope_attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.scope_attributes().last_of(key)
    }

    /// The version of the instrumentation scope; empty if it has none.
    ///
    /// # Errors
    /// [`WireError`] if the scope is malformed or its version is not UTF-8.
    pub fn scope_version(&self) -> Result<&'a str, WireError> {
        value::text_field(self.scope, value::SCOPE_VERSION)
    }

    /// The name of the instrumentation scope; empty if there is none.
    ///
    /// # Errors
    /// [`WireError`] if the scope is malformed or its name is not UTF-8.
    pub fn scope_name(&self) -> Result<&'a str, WireError> {
        value::text_field(self.scope, value::SCOPE_NAME)
    }

    /// The events, in wire order. A malformed one is an error in its place.
    pub fn events(&self) -> impl Iterator<Item = Result<EventView<'a>, WireError>> + use<'a> {
        self.messages(EVENTS).map(|event| EventView::parse(event?))
    }

    /// The links, in wire order. A malformed one is an error in its place.
    pub fn links(&self) -> impl Iterator<Item = Result<LinkView<'a>, WireError>> + use<'a> {
        self.messages(LINKS).map(|link| LinkView::parse(link?))
    }

    fn messages(&self, number: u32) -> impl Iterator<Item = Result<&'a [u8], WireError>> + use<'a> {
        Fields::new(self.bytes).filter_map(move |field| match field {
            Ok(field) if field.number == number => Some(field.bytes()),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

/// The bytes behind the attributes of the usual form at the start of `rest`.
#[inline]
fn skip_attributes(mut rest: &[u8]) -> &[u8] {
    while let [ATTRIBUTES_KEY, len @ ..0x80, behind @ ..] = rest
        && let Some((_, behind)) = behind.split_at_checked(usize::from(*len))
    {
        rest = behind;
    }
    rest
}

// opentelemetry/proto/trace/v1/trace.proto
const ATTRIBUTES: u32 = 9;
/// The same as a key of wire type 2.
const ATTRIBUTES_KEY: u8 = 0x4a;
/// `start_time_unix_nano` and `end_time_unix_nano` as keys of wire type 1.
const START: u8 = 0x39;
const END: u8 = 0x41;
/// `kind` as a key of wire type 0, and the two bytes of `flags` as a key of wire type 5.
const KIND: u8 = 0x30;
const FLAGS: u8 = 0x85;
const FLAGS_HIGH: u8 = 0x01;
const EVENTS: u32 = 11;
const LINKS: u32 = 13;
