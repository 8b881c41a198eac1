//! A span that ended, with the facts that tail sampling decides by.

use spanwise_wire::write::SpanHeader;
use spanwise_wire::{SpanFlags, SpanId, SpanKind, TraceFlags, TraceId};

#[derive(Debug, Clone, Copy)]
pub struct EndedSpan {
    pub trace: u128,
    pub id: u64,
    /// 0 for none.
    pub parent: u64,
    pub has_remote_parent: bool,
    pub is_error: bool,
    pub millis: u64,
    /// Bytes of an attribute.
    pub bytes: usize,
    pub name: &'static str,
}

/// A span without a parent.
pub fn root(trace: u128, id: u64) -> EndedSpan {
    child(trace, id, 0)
}

/// A span below one of this process.
pub fn child(trace: u128, id: u64, parent: u64) -> EndedSpan {
    let (has_remote_parent, is_error) = (false, false);
    EndedSpan { trace, id, parent, has_remote_parent, is_error, millis: 1, bytes: 0, name: "span" }
}

impl EndedSpan {
    pub fn error(self) -> Self {
        Self { is_error: true, ..self }
    }

    pub fn remote(self) -> Self {
        Self { has_remote_parent: true, ..self }
    }

    pub fn millis(self, millis: u64) -> Self {
        Self { millis, ..self }
    }

    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    pub fn name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub fn header(&self) -> SpanHeader {
        SpanHeader {
            trace_id: TraceId(self.trace),
            span_id: SpanId(self.id),
            parent_span_id: SpanId(self.parent),
            kind: SpanKind::Internal,
            start_unix_nanos: START,
            end_unix_nanos: START + self.millis * 1_000_000,
            flags: SpanFlags::new(TraceFlags::default(), self.has_remote_parent),
        }
    }
}

const START: u64 = 1_790_000_000_000_000_000;
