//! The start of a span while the queue sheds whole traces.

use super::refusal::{without_sampling, write_threshold};
use crate::core::Core;
use crate::record::{SpanStart, SpanTraceState};
use opentelemetry::trace::SpanContext;
use spanwise_export::ShedThreshold;
use spanwise_sampling::trace_state::{OT, OtMember};
use spanwise_sampling::{FastDecision, Randomness, Threshold};

/// The admission of one span, after the sampler.
pub(super) struct Shedding {
    threshold: ShedThreshold,
    /// The span is below a sampled span of this process: it follows.
    is_inherited: bool,
    /// The sampler decides by itself, or follows a service that may have: without a threshold, the
    /// probability is unknown.
    is_probability_unknown: bool,
}

/// A sampled span that starts while the queue sheds.
pub(super) enum Admission<'a> {
    Recorded(SpanStart<'a>),
    /// The start is not sampled, so that children and other services follow.
    Shed(SpanStart<'a>),
}

impl Shedding {
    /// For a span below `parent`, or for a root.
    pub(super) fn new(core: &Core, parent: Option<&SpanContext>) -> Self {
        let parent = parent.filter(|parent| parent.is_valid());
        let decision = core.sampler.fast_decision(parent.map(SpanContext::is_sampled));
        Self {
            threshold: core.queue.shed_threshold(),
            is_inherited: parent.is_some_and(|it| it.is_sampled() && !it.is_remote()),
            is_probability_unknown: decision == FastDecision::Evaluate
                || parent.is_some_and(SpanContext::is_sampled),
        }
    }

    /// Admits a span that the sampler samples, by the randomness of its trace.
    #[inline]
    pub(super) fn admit<'a>(&self, start: SpanStart<'a>) -> Admission<'a> {
        if self.is_inherited || self.threshold == ShedThreshold::NONE {
            return Admission::Recorded(start);
        }
        let present = Present::of(&start);
        // All traces are shed if the value is no threshold.
        match Threshold::new(self.threshold.value()).filter(|it| it.keeps(present.randomness)) {
            Some(threshold) => Admission::Recorded(self.with_threshold(start, present, threshold)),
            None => Admission::Shed(without_sampling(start)),
        }
    }

    /// Whether a span that the sampler does not sample is recorded for tail sampling, by the randomness of its
    /// trace. It has no threshold, and gets none.
    pub(super) fn admits_unsampled(&self, start: &SpanStart<'_>) -> bool {
        let randomness = || Present::of(start).randomness;
        self.threshold == ShedThreshold::NONE
            || Threshold::new(self.threshold.value()).is_some_and(|it| it.keeps(randomness()))
    }

    /// Writes `threshold`, unless that of the sampler is higher or the probability unknown.
    fn with_threshold<'a>(
        &self,
        start: SpanStart<'a>,
        present: Present,
        threshold: Threshold,
    ) -> SpanStart<'a> {
        let is_written = match present.threshold {
            Some(present) => threshold > present,
            None => !self.is_probability_unknown,
        };
        if !is_written {
            return start;
        }
        let trace_state = match start.trace_state {
            SpanTraceState::Other(trace_state) => {
                write_threshold(trace_state, Some(threshold));
                SpanTraceState::Other(trace_state)
            }
            SpanTraceState::None | SpanTraceState::Threshold(_) => {
                SpanTraceState::Threshold(threshold)
            }
        };
        SpanStart { trace_state, ..start }
    }
}

/// The sampler's threshold and the randomness of a span that starts.
struct Present {
    threshold: Option<Threshold>,
    randomness: Randomness,
}

impl Present {
    fn of(start: &SpanStart<'_>) -> Self {
        let of_trace = Randomness::of_trace(start.ids.trace_id.0);
        match &start.trace_state {
            SpanTraceState::None => Self { threshold: None, randomness: of_trace },
            SpanTraceState::Threshold(threshold) => {
                Self { threshold: Some(*threshold), randomness: of_trace }
            }
            SpanTraceState::Other(trace_state) => {
                let member = trace_state.get(OT).and_then(|text| OtMember::parse(text).ok());
                let member = member.unwrap_or_default();
                Self { threshold: member.th, randomness: member.rv.unwrap_or(of_trace) }
            }
        }
    }
}
