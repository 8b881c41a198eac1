//! A span before its record exists.

use opentelemetry::trace::{TraceFlags, TraceState};
use spanwise_sampling::Annotations;
use spanwise_wire::{SpanId, SpanKind, TraceId};
use std::time::SystemTime;

/// All that is decided of a span at its start. [`Span::start`](super::Span::start) makes the record
/// of it.
pub(crate) struct SpanStart<'a> {
    pub(crate) ids: SpanIds,
    /// The W3C trace flags, "sampled" included.
    pub(crate) flags: TraceFlags,
    /// Taken by the record, if there is one. A reference, because a value that has to be dropped
    /// would keep the whole start in memory.
    pub(crate) trace_state: Option<&'a mut TraceState>,
    pub(crate) parent_is_remote: bool,
    pub(crate) name: &'a str,
    pub(crate) kind: SpanKind,
    /// Index of the instrumentation scope.
    pub(crate) scope: u32,
    /// `None` is now.
    pub(crate) start_time: Option<SystemTime>,
    /// Attributes that the sampler adds to a sampled span.
    pub(crate) annotations: Annotations<'a>,
}

/// The ids of a span and of its parent. The API's types are made of them where they stay.
#[derive(Clone, Copy)]
pub(crate) struct SpanIds {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// Invalid for a root.
    pub(crate) parent_span_id: SpanId,
}

impl SpanIds {
    /// No ids: the context is invalid.
    pub(crate) const INVALID: Self =
        Self { trace_id: TraceId(0), span_id: SpanId(0), parent_span_id: SpanId(0) };
}
