//! The start of a span that processors see.

use super::decide::StartSpan;
use super::suppression::current_context;
use crate::core::Core;
use crate::record::{Span, SpanStart};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use std::sync::Arc;

/// The context in which processors see the start of a span without a context of its own: the current one,
/// with the given parent as its span.
#[cold]
pub(super) fn context_below(parent: Option<&SpanContext>) -> Context {
    current_context().with_remote_span_context(parent.cloned().unwrap_or(SpanContext::NONE))
}

/// Counts spans, and makes the records of those that are sampled, that tail sampling decides about, or that
/// the sampler or metrics record. The queue refuses none of them: processors see also those that it drops at their end.
pub(super) struct ObservedSpans<'a>(pub(super) &'a Arc<Core>);

impl StartSpan for ObservedSpans<'_> {
    type Started = Span;

    fn start(self, start: SpanStart<'_>) -> Span {
        let Self(core) = self;
        let is_exported = start.flags.is_sampled() || core.records_all;
        let is_recorded = start.recorded || core.records_for_metrics();
        if core.exports {
            let origin = start.parent_origin();
            match (is_exported, start.flags.is_sampled()) {
                (true, true) => core.ledger.started_from(origin),
                (true, false) => core.ledger.started_record_only(origin),
                (false, _) if is_recorded => core.ledger.record_only(origin),
                (false, _) => core.ledger.sampled_out_from(origin),
            }
        }
        match is_exported || is_recorded {
            true => Span::start_observed(core, start.recorded_locally()),
            false => Span::non_recording(start),
        }
    }
}
