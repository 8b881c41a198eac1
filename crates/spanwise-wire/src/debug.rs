//! `Debug` of types with encoded spans: sizes and ids, never the bytes, which may contain secrets from
//! attributes.

use crate::chunk::Chunk;
use crate::frame::{Framer, Plan};
use crate::read::{
    ArrayView, Attributes, EventView, ExportResponse, FieldValue, Fields, KvListView, LinkView,
    ResourceSpans, ScopeSpans, SpanView, Spans, TraceRequest,
};
use crate::write::{FinishedSpan, SpanWriter, truncate};
use std::fmt::{Debug, Formatter, Result};

/// A length that prints its unit.
struct Bytes(usize);

impl Debug for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} bytes", self.0)
    }
}

/// An id, printed in hexadecimal digits.
struct Id<'a>(&'a [u8]);

impl Debug for Id<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Implements `Debug` with the length of the contents.
macro_rules! sizes {
    ($($type:ident<'_>, $self:ident => $len:expr;)*) => {$(
        impl Debug for $type<'_> {
            fn fmt(&$self, f: &mut Formatter<'_>) -> Result {
                f.debug_tuple(stringify!($type)).field(&Bytes($len)).finish()
            }
        }
    )*};
}

sizes! {
    TraceRequest<'_>, self => self.bytes().len();
    ResourceSpans<'_>, self => self.bytes().len();
    ScopeSpans<'_>, self => self.bytes().len();
    Spans<'_>, self => self.bytes_left();
    Attributes<'_>, self => self.bytes_left();
    ArrayView<'_>, self => self.bytes.len();
    KvListView<'_>, self => self.bytes.len();
    Fields<'_>, self => self.rest().len();
    FinishedSpan<'_>, self => self.encoded_len();
}

impl Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Varint(value) => f.debug_tuple("Varint").field(value).finish(),
            Self::Fixed64(value) => f.debug_tuple("Fixed64").field(value).finish(),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&Bytes(bytes.len())).finish(),
            Self::Fixed32(value) => f.debug_tuple("Fixed32").field(value).finish(),
        }
    }
}

impl Debug for SpanView<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SpanView")
            .field("trace_id", &Id(&self.trace_id().unwrap_or_default()))
            .field("span_id", &Id(&self.span_id().unwrap_or_default()))
            .field("len", &Bytes(self.bytes().len()))
            .finish_non_exhaustive()
    }
}

impl Debug for EventView<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("EventView").field("len", &Bytes(self.bytes().len())).finish_non_exhaustive()
    }
}

impl Debug for LinkView<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("LinkView").field("len", &Bytes(self.bytes().len())).finish_non_exhaustive()
    }
}

impl Debug for ExportResponse<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        // A server may send a long message; `Debug` of a string escapes control characters.
        f.debug_struct("ExportResponse")
            .field("rejected_spans", &self.rejected_spans)
            .field("error_message", &truncate(self.error_message, MAX_SHOWN))
            .finish()
    }
}

impl Debug for SpanWriter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SpanWriter")
            .field("capacity", &Bytes(self.capacity()))
            .field("status", &self.status_code())
            .field("dropped_counts", &self.dropped_counts())
            .finish_non_exhaustive()
    }
}

impl Debug for Chunk {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Chunk")
            .field("spans", &self.len())
            .field("len", &Bytes(self.bytes().len()))
            .field("capacity", &Bytes(self.capacity_bytes()))
            .finish_non_exhaustive()
    }
}

impl<S> Debug for Framer<'_, S> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Framer").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<B> Debug for Plan<B> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Plan")
            .field("spans", &self.spans())
            .field("len", &Bytes(self.encoded_len()))
            .field("next", &self.next())
            .finish_non_exhaustive()
    }
}

/// Characters of a server's message to print.
const MAX_SHOWN: usize = 256;
