//! The start of a span that the queue refuses or sheds.

use crate::record::{SpanStart, SpanTraceState};
use opentelemetry::trace::TraceState;
use spanwise_sampling::Threshold;
use spanwise_sampling::trace_state::{OT, OtMember};

/// Turns a sampled start into that of a refused span: not sampled and without a threshold, so that
/// children and other services follow it.
#[inline(always)]
pub(super) fn without_sampling(start: SpanStart<'_>) -> SpanStart<'_> {
    let trace_state = match start.trace_state {
        SpanTraceState::Other(trace_state) => {
            erase_threshold(trace_state);
            SpanTraceState::Other(trace_state)
        }
        // A trace state that is only a threshold becomes empty.
        SpanTraceState::None | SpanTraceState::Threshold(_) => SpanTraceState::None,
    };
    SpanStart { flags: start.flags.with_sampled(false), trace_state, ..start }
}

/// Erases the sampler's threshold, which would contradict the flag. All other members stay, and so does
/// the explicit randomness.
#[cold]
#[inline(never)]
fn erase_threshold(trace_state: &mut TraceState) {
    let Some(text) = trace_state.get(OT) else { return };
    // A malformed member is removed, as samplers do.
    if OtMember::parse(text).is_ok_and(|member| member.th.is_none()) {
        return;
    }
    write_threshold(trace_state, None);
}

/// Replaces the threshold of a trace state. All other members stay, and so does the explicit randomness.
pub(super) fn write_threshold(trace_state: &mut TraceState, threshold: Option<Threshold>) {
    let mut member = String::new();
    let present = trace_state.get(OT).and_then(|text| OtMember::parse(text).ok());
    present.unwrap_or_default().write(threshold, &mut member);
    let mut edited = std::mem::take(trace_state);
    // The API edits only the first of several members with one key.
    while edited.get(OT).is_some() {
        edited = edited.delete(OT).unwrap_or_default();
    }
    *trace_state = match member.is_empty() {
        true => edited,
        false => edited.insert(OT, member).unwrap_or(edited),
    };
}
