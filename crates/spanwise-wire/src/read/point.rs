//! Events and links of a span.

use super::fields::{Fields, WireError};
use super::value::{self, Attributes};

/// A span event, borrowed from its bytes.
#[derive(Clone, Copy)]
pub struct EventView<'a> {
    bytes: &'a [u8],
    name: &'a [u8],
    time: u64,
    dropped_attributes: u32,
}

impl<'a> EventView<'a> {
    /// Reads the bytes of a `Span.Event`.
    ///
    /// # Errors
    /// [`WireError`] if its own fields are malformed; attributes are not parsed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self { bytes, name: &[], time: 0, dropped_attributes: 0 };
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => view.time = field.fixed64()?,
                2 => view.name = field.bytes()?,
                EVENT_ATTRIBUTES => _ = field.bytes()?,
                4 => view.dropped_attributes = field.varint()? as u32,
                _ => {}
            }
        }
        Ok(view)
    }

    /// The bytes of the event.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The name.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn name(&self) -> Result<&'a str, WireError> {
        value::text(self.name)
    }

    /// The time of the event, in nanoseconds since the Unix epoch.
    pub fn time_unix_nanos(&self) -> u64 {
        self.time
    }

    /// The attributes, in wire order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, EVENT_ATTRIBUTES)
    }

    /// Number of attributes that the sender dropped.
    pub fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes
    }
}

/// A link to another span, borrowed from its bytes.
#[derive(Clone, Copy)]
pub struct LinkView<'a> {
    bytes: &'a [u8],
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    flags: u32,
    dropped_attributes: u32,
}

impl<'a> LinkView<'a> {
    /// Reads the bytes of a `Span.Link`.
    ///
    /// # Errors
    /// [`WireError`] if its own fields are malformed; attributes are not parsed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self {
            bytes,
            trace_id: &[],
            span_id: &[],
            trace_state: &[],
            flags: 0,
            dropped_attributes: 0,
        };
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => view.trace_id = field.bytes()?,
                2 => view.span_id = field.bytes()?,
                3 => view.trace_state = field.bytes()?,
                LINK_ATTRIBUTES => _ = field.bytes()?,
                5 => view.dropped_attributes = field.varint()? as u32,
                6 => view.flags = field.fixed32()?,
                _ => {}
            }
        }
        Ok(view)
    }

    /// The bytes of the link.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The linked trace's id, if it has its 16 bytes.
    pub fn trace_id(&self) -> Option<[u8; 16]> {
        self.trace_id.try_into().ok()
    }

    /// The linked span's id, if it has its 8 bytes.
    pub fn span_id(&self) -> Option<[u8; 8]> {
        self.span_id.try_into().ok()
    }

    /// The W3C `tracestate` of the linked span.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn trace_state(&self) -> Result<&'a str, WireError> {
        value::text(self.trace_state)
    }

    /// W3C trace flags in bits 0 to 7; bits 8 and 9 are set as in [`SpanFlags`](crate::SpanFlags).
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// The attributes, in wire order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, LINK_ATTRIBUTES)
    }

    /// Number of attributes that the sender dropped.
    pub fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes
    }
}

// opentelemetry/proto/trace/v1/trace.proto
const EVENT_ATTRIBUTES: u32 = 3;
const LINK_ATTRIBUTES: u32 = 4;
