//! Facts about an encoded span, beside its bytes.

use crate::model::{SpanFlags, SpanId, SpanKind, StatusCode, TraceFlags, TraceId};
use crate::write::SpanHeader;

/// The facts about an encoded span that batching, tail sampling and metrics decide by, so that none
/// of them parses the span. One cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanMeta {
    /// Trace id.
    pub trace_id: TraceId,
    /// Span id.
    pub span_id: SpanId,
    /// Span id of the parent; [`SpanId::INVALID`] for a root.
    pub parent_span_id: SpanId,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_nanos: u64,
    /// End − start in nanoseconds.
    pub duration_nanos: u64,
    /// Where the span's field starts in its chunk's bytes.
    pub offset: u32,
    /// Length of the whole field: tag, length and span message.
    pub len: u32,
    /// Index of the instrumentation scope in the tracer provider's table.
    pub scope: u32,
    /// Status code.
    pub status: StatusCode,
    /// Kind.
    pub kind: SpanKind,
    /// The low 16 bits of OTLP's flags: the W3C trace flags, and whether the parent is remote.
    pub flags: u16,
}

impl SpanMeta {
    /// The facts that a finished span's header has; `offset` and `len` are filled in by
    /// [`Chunk::push`](crate::Chunk::push).
    #[inline(always)]
    pub fn of(header: &SpanHeader, scope: u32, status: StatusCode) -> Self {
        Self {
            trace_id: header.trace_id,
            span_id: header.span_id,
            parent_span_id: header.parent_span_id,
            start_unix_nanos: header.start_unix_nanos,
            duration_nanos: header.end_unix_nanos.saturating_sub(header.start_unix_nanos),
            offset: 0,
            len: 0,
            scope,
            status,
            kind: header.kind,
            // One store of 16 bits, as of the trace flags alone.
            flags: header.flags.0 as u16,
        }
    }

    /// The W3C trace flags.
    #[inline]
    pub fn trace_flags(&self) -> TraceFlags {
        SpanFlags(self.flags.into()).trace_flags()
    }

    /// Whether the span is the first of its trace in this process: it has no parent, or a remote one.
    #[inline]
    pub fn is_local_root(&self) -> bool {
        !self.parent_span_id.is_valid() || self.flags & SpanFlags::IS_REMOTE.0 as u16 != 0
    }
}

const _: () = assert!(size_of::<SpanMeta>() == 64);
