//! [`SpanStart`]: the decided start of a span, before its record exists.

use opentelemetry::trace::{TraceFlags, TraceState};
use spanwise_ledger::ParentOrigin;
use spanwise_sampling::{Annotations, Threshold};
use spanwise_wire::{SpanId, SpanKind, TraceId};
use std::time::SystemTime;

/// The start of a span: ids, flags, trace state, name, kind and annotations.
/// [`Span::start`](super::Span::start) makes the record of it.
pub(crate) struct SpanStart<'a> {
    pub(crate) ids: SpanIds,
    /// The W3C trace flags, "sampled" included.
    pub(crate) flags: TraceFlags,
    /// The sampler decided to record the span, sampled or not (specification, *Decision*).
    pub(crate) recorded: bool,
    pub(crate) trace_state: SpanTraceState<'a>,
    pub(crate) parent_is_remote: bool,
    pub(crate) name: &'a str,
    pub(crate) kind: SpanKind,
    /// Index of the instrumentation scope.
    pub(crate) scope: u32,
    /// The start time; `None` is now.
    pub(crate) start_time: Option<SystemTime>,
    /// Attributes that the sampler adds to a sampled span. A reference, as the trace state.
    pub(crate) annotations: Option<&'a Annotations<'a>>,
}

impl SpanStart<'_> {
    /// The origin of the parent, which the ledger counts.
    #[inline(always)]
    pub(crate) fn parent_origin(&self) -> ParentOrigin {
        ParentOrigin::new(self.ids.parent_span_id.is_valid(), self.parent_is_remote)
    }

    /// The start of a span that tail sampling has recorded: the sampler's annotations are those of spans that
    /// it samples or records.
    #[inline(always)]
    pub(crate) fn recorded_locally(self) -> Self {
        let is_annotated = self.flags.is_sampled() || self.recorded;
        Self { annotations: self.annotations.filter(|_| is_annotated), ..self }
    }
}

/// The trace state of a span that starts.
pub(crate) enum SpanTraceState<'a> {
    None,
    /// The member `ot` with this threshold alone, which most records have retained.
    Threshold(Threshold),
    /// Any other, which the record takes. A reference, because a value with a drop would force the compiler
    /// to hold the whole start in memory.
    Other(&'a mut TraceState),
}

/// The ids of a span and of its parent. The record converts them to the API's types in place.
#[derive(Clone, Copy)]
pub(crate) struct SpanIds {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// The parent's id; invalid for a root.
    pub(crate) parent_span_id: SpanId,
}
