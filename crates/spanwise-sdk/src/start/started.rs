//! Starts of spans by the state of the provider, after the sampler's decision: each type counts a span, and makes its record or none.

use super::decide::StartSpan;
use super::refusal::without_sampling;
use super::shedding::{Admission, Shedding};
use crate::core::Core;
use crate::record::{Span, SpanStart};
use std::sync::Arc;

/// Counts spans and makes the records of those that are sampled.
pub(super) struct Recorder<'a>(pub(super) &'a Arc<Core>);

impl StartSpan for Recorder<'_> {
    type Started = Span;

    #[inline(always)]
    fn start(self, start: SpanStart<'_>) -> Span {
        let Self(core) = self;
        if !start.flags.is_sampled() {
            core.ledger.sampled_out_from(start.parent_origin());
            return Span::non_recording(start);
        }
        core.ledger.started_from(start.parent_origin());
        Span::start(core, start)
    }
}

/// Counts spans and makes the records of all of them, for tail sampling.
pub(super) struct LocalSpans<'a>(pub(super) &'a Arc<Core>);

impl StartSpan for LocalSpans<'_> {
    type Started = Span;

    #[inline(always)]
    fn start(self, start: SpanStart<'_>) -> Span {
        let Self(core) = self;
        match start.flags.is_sampled() {
            true => core.ledger.started_from(start.parent_origin()),
            false => core.ledger.started_record_only(start.parent_origin()),
        }
        Span::start(core, start.recorded_locally())
    }
}

/// Counts spans while the queue is full, and makes non-recording ones: those that are sampled are
/// dropped at their start.
pub(super) struct RefusedSpans<'a>(pub(super) &'a Core);

impl StartSpan for RefusedSpans<'_> {
    type Started = Span;

    #[inline(always)]
    fn start(self, start: SpanStart<'_>) -> Span {
        let Self(core) = self;
        if !start.flags.is_sampled() {
            core.ledger.sampled_out_from(start.parent_origin());
            return Span::non_recording(start);
        }
        core.queue.count_refused_from(start.parent_origin());
        Span::non_recording(without_sampling(start))
    }
}

/// Counts the spans that the queue sheds, and makes non-recording ones of them. `target` starts the others.
pub(super) struct AdmittedSpans<'a, T> {
    pub(super) core: &'a Core,
    pub(super) shedding: Shedding,
    pub(super) target: T,
}

impl<T: StartSpan<Started = Span>> StartSpan for AdmittedSpans<'_, T> {
    type Started = Span;

    #[inline(always)]
    fn start(self, start: SpanStart<'_>) -> Span {
        let Self { core, shedding, target } = self;
        if !start.flags.is_sampled() {
            let is_shed = core.records_all && !start.recorded && !shedding.admits_unsampled(&start);
            if is_shed {
                core.ledger.sampled_out_from(start.parent_origin());
                return Span::non_recording(start);
            }
            return target.start(start);
        }
        match shedding.admit(start) {
            Admission::Recorded(start) => target.start(start),
            Admission::Shed(start) => {
                core.queue.count_refused_from(start.parent_origin());
                Span::non_recording(start)
            }
        }
    }
}

/// Makes non-recording spans that the ledger does not count.
pub(super) struct Propagator;

impl StartSpan for Propagator {
    type Started = Span;

    fn start(self, start: SpanStart<'_>) -> Span {
        Span::non_recording(start)
    }
}
