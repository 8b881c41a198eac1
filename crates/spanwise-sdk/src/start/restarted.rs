//! A second decision about a span that has just started, below a parent that came later.

use super::decide::{StartSpan, decide};
use super::refusal::without_sampling;
use super::shedding::{Admission, Shedding};
use super::started::Propagator;
use super::tracer::Tracer;
use crate::core::Core;
use crate::record::{Span, SpanStart};
use opentelemetry::trace::SpanContext;
use spanwise_ledger::DropReason;

impl Tracer {
    /// Decides again about a span of this tracer whose context no other code has, below `parent` or as a root: its trace id,
    /// flags, trace state and parent change, and what was recorded stays. Returns false and changes nothing if processors have seen
    /// the start.
    ///
    /// The ledger counts a span that stays recorded once, with the result and the origin of its first decision. A recorded span that is
    /// not sampled any more is sampled out. A span that was sampled out (or refused) and is sampled now is counted twice as created:
    /// once as sampled out, which no reader should see taken back, and once as recorded.
    #[cold]
    #[inline(never)]
    pub(crate) fn restart(
        &self,
        span: &mut Span,
        name: &str,
        parent: Option<&SpanContext>,
    ) -> bool {
        let core = &self.core;
        if span.is_observed() {
            return false;
        }
        let parameters = self.parameters(name, span.kind(), parent);
        if span.is_recording() {
            let sheds = core.queue.sheds_by_trace() && core.is_running();
            let shedding = sheds.then(|| Shedding::new(core, parent));
            decide(core, parameters, Restarted { core, span, shedding });
            return true;
        }
        let decided = decide(core, parameters, Propagator);
        let is_recorded = decided.context().is_sampled() || core.records_all;
        if is_recorded || !core.generates_ids() {
            span.discard();
            *span = self.start(parameters);
        } else {
            span.take_context(decided);
        }
        true
    }
}

/// Changes a recording span to the second decision, and counts the difference to the first.
struct Restarted<'a> {
    core: &'a Core,
    span: &'a mut Span,
    shedding: Option<Shedding>,
}

impl StartSpan for Restarted<'_> {
    type Started = ();

    fn start(self, start: SpanStart<'_>) {
        let Self { core, span, shedding } = self;
        let start = match shedding {
            Some(shedding) if start.flags.is_sampled() => match shedding.admit(start) {
                Admission::Recorded(start) => start,
                Admission::Shed(start) => return shed(core, span, start),
            },
            _ => start,
        };
        let (was_sampled, is_sampled) = (span.context().is_sampled(), start.flags.is_sampled());
        if span.is_recorded_for_metrics_alone() {
            return match is_sampled {
                true => record_too(core, span, start),
                false => span.restart(start),
            };
        }
        match (is_sampled, core.records_all) {
            // The end of a sampled span does not count it as recorded only.
            (true, true) if !was_sampled => core.ledger.record_only_ended(1),
            (false, true) if was_sampled => core.ledger.record_only_late(1),
            (false, false) => {
                core.ledger.sampled_out_late(1);
                span.restart(start);
                return span.stop_recording(core);
            }
            _ => {}
        }
        span.restart(start.recorded_locally());
    }
}

/// The queue sheds the trace that the span belongs to now.
fn shed(core: &Core, span: &mut Span, start: SpanStart<'_>) {
    if span.is_recorded_for_metrics_alone() {
        return span.restart(start);
    }
    if core.records_all && !span.context().is_sampled() {
        core.ledger.record_only_ended(1);
    }
    core.ledger.dropped(DropReason::Shed, 1);
    span.restart(start);
    span.stop_recording(core);
}

/// The first decision recorded the span for metrics alone, and the second samples it.
fn record_too(core: &Core, span: &mut Span, start: SpanStart<'_>) {
    if core.queue.is_refusing() {
        core.queue.count_refused_from(start.parent_origin());
        return span.restart(without_sampling(start));
    }
    core.ledger.started_from(start.parent_origin());
    span.restart(start);
    span.export_too();
}
