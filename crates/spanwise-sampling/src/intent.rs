//! The intent of a sampler, and the decision that follows from it.

use crate::annotations::Annotations;
use crate::parameters::SamplingParameters;
use crate::parent_span::Parent;
use crate::threshold::{Randomness, Threshold};
use spanwise_worker::__private::mix;

/// The intent of a sampler (specification, *SamplingIntent*): a threshold instead of yes or no.
#[derive(Debug, Clone, Copy)]
pub struct SamplingIntent<'s> {
    /// Traces with this randomness or more are sampled; `None` samples none.
    pub threshold: Option<Threshold>,
    /// The threshold is the probability with which the span is sampled (specification,
    /// *adjusted_count_reliable*). Otherwise the decision draws a random number of its own instead
    /// of the trace's randomness, and removes `th` from the trace state.
    pub adjusted_count_reliable: bool,
    /// Record the span even if it is not sampled.
    pub record: bool,
    /// Attributes and trace state members for the sampled span.
    pub annotations: Annotations<'s>,
}

/// The decision about a span that starts (specification, *SamplingResult*).
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct SamplingDecision<'s> {
    /// The span is recorded and its context has the flag "sampled".
    pub sampled: bool,
    /// The span is recorded, sampled or not.
    pub recorded: bool,
    /// The edit of the `th` that the parent's trace state has.
    pub th: TraceStateUpdate,
    /// The parent's `ot` member broke the grammar, or there were two; worth counting. `th` is never
    /// [`TraceStateUpdate::Pass`] then.
    pub malformed: bool,
    /// The decision took its randomness from a trace id without the "random" flag, so probabilities
    /// may be off. Worth counting (specification, *ProbabilitySampler*, compatibility warnings).
    pub randomness_assumed: bool,
    /// Attributes and trace state members for the sampled span.
    pub annotations: Annotations<'s>,
}

/// An edit of the `ot` member of the trace state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceStateUpdate {
    /// Propagates the trace state unchanged.
    Pass,
    /// Sets `th` to this threshold.
    Write(Threshold),
    /// Removes `th`: the present one does not hold for this span, or is malformed.
    Erase,
}

impl<'s> SamplingIntent<'s> {
    /// Samples by this threshold, which holds as the probability of the span.
    #[inline]
    pub fn keep(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), adjusted_count_reliable: true, ..Self::DROP }
    }

    /// Samples the span in any case; its probability is unknown.
    #[inline]
    pub fn keep_without_threshold() -> Self {
        Self { threshold: Some(Threshold::KEEP_ALL), ..Self::DROP }
    }

    /// Samples no span.
    pub const DROP: Self = Self {
        threshold: None,
        adjusted_count_reliable: false,
        record: false,
        annotations: Annotations::NONE,
    };

    /// The decision about a span with these parameters.
    #[inline]
    pub fn decide(self, params: &SamplingParameters<'_>) -> SamplingDecision<'s> {
        let sampled = self.threshold.is_some_and(|threshold| {
            let randomness = if self.adjusted_count_reliable {
                params.randomness()
            } else if threshold == Threshold::KEEP_ALL {
                return true;
            } else if params.parent.is_some() {
                // The same number for all spans of a trace, independent of the randomness that parents used.
                Randomness::of_number(number_of(params.trace_id))
            } else {
                Randomness::of_number(params.context.random())
            };
            threshold.keeps(randomness)
        });
        let recorded = sampled || self.record;
        let annotations = if sampled { self.annotations } else { Annotations::NONE };
        let mut decision = SamplingDecision {
            sampled,
            recorded,
            th: TraceStateUpdate::Pass,
            malformed: false,
            randomness_assumed: false,
            annotations,
        };
        match &params.parent {
            Some(parent) => self.below(parent, &mut decision),
            // A root writes its threshold, if there is a reliable one.
            None if sampled && self.adjusted_count_reliable => {
                decision.th =
                    self.threshold.map_or(TraceStateUpdate::Pass, TraceStateUpdate::Write);
            }
            None => {}
        }
        decision
    }

    /// Adds the edit of the parent's trace state to the decision.
    fn below(&self, parent: &Parent<'_>, decision: &mut SamplingDecision<'s>) {
        let member = parent.member();
        let holds = self.threshold.filter(|_| self.adjusted_count_reliable);
        let above = member.and_then(|member| member.th);
        // A decision by the parent's own threshold: `th` holds for this span as well. Not where
        // the decision differs, since then the threshold contradicted the parent's flag.
        let followed = holds.is_some() && holds == above && decision.sampled == parent.sampled;
        decision.malformed = parent.is_malformed();
        decision.th = match holds {
            _ if followed => TraceStateUpdate::Pass,
            Some(threshold) if decision.sampled => TraceStateUpdate::Write(threshold),
            // Other readers may find a threshold in a member that is malformed to us.
            _ if above.is_some() || decision.malformed => TraceStateUpdate::Erase,
            _ => TraceStateUpdate::Pass,
        };
        // The decision uses the low bits of the trace id.
        let by_id = holds.is_some_and(|threshold| threshold != Threshold::KEEP_ALL)
            && member.is_none_or(|member| member.rv.is_none());
        decision.randomness_assumed = !parent.random && by_id && !followed;
    }
}

/// A number made of a trace id, independent of other uses of the id.
fn number_of(trace_id: u128) -> u64 {
    mix((trace_id >> 64) as u64 ^ (trace_id as u64).rotate_left(32))
}

impl SamplingDecision<'static> {
    /// Sampled or not, and nothing else: the trace state is passed on.
    #[cfg(all(feature = "dynamic", feature = "opentelemetry"))]
    pub(crate) fn passing(sampled: bool) -> Self {
        Self {
            sampled,
            recorded: sampled,
            th: TraceStateUpdate::Pass,
            malformed: false,
            randomness_assumed: false,
            annotations: Annotations::NONE,
        }
    }
}

impl TraceStateUpdate {
    /// Writes the new value of the `ot` member to `out`; `true` if the member is not empty.
    ///
    /// The value replaces all present members `ot`. Not for [`TraceStateUpdate::Pass`], which
    /// leaves the trace state unchanged.
    pub fn write_member(self, params: &SamplingParameters<'_>, out: &mut String) -> bool {
        let start = out.len();
        let th = match self {
            Self::Write(threshold) => Some(threshold),
            Self::Pass | Self::Erase => None,
        };
        // A malformed member is replaced as a whole.
        let member = params.parent.and_then(|parent| parent.member()).unwrap_or_default();
        member.write(th, out);
        out.len() > start
    }
}
