//! What a sampler answers, and the decision that follows from it.

use crate::annotating::Annotations;
use crate::parameters::{Parent, SamplingParameters};
use crate::threshold::{Randomness, Threshold};

/// What a sampler wants (specification, *SamplingIntent*): never yes or no, but a threshold.
#[derive(Debug, Clone, Copy)]
pub struct SamplingIntent<'s> {
    /// Traces with this randomness or more are kept; `None` keeps none.
    pub threshold: Option<Threshold>,
    /// The threshold says with which probability the span is kept. If not, chance is drawn anew
    /// instead of taken from the trace, and no `th` is left in the trace state.
    pub reliable: bool,
    /// Record the span even if it is not kept.
    pub record: bool,
    /// What a kept span gets besides.
    pub annotations: Annotations<'s>,
}

/// What is to be done about a span that begins.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct SamplingDecision<'s> {
    /// The span is kept: it is recorded and has the flag "sampled".
    pub sampled: bool,
    /// The span is recorded, kept or not.
    pub recorded: bool,
    /// What becomes of the parent's threshold.
    pub th: TraceStateUpdate,
    /// The parent's `ot` member broke the grammar, or there were two; worth counting. `th` is never
    /// [`TraceStateUpdate::Pass`] then.
    pub malformed: bool,
    /// Chance was taken from an id that nobody says is random: shares may come out wrong. Worth
    /// counting (specification, *ProbabilitySampler*, compatibility warnings).
    pub randomness_assumed: bool,
    /// What a kept span gets besides.
    pub annotations: Annotations<'s>,
}

/// An edit of the `ot` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceStateUpdate {
    /// The trace state is passed on as it is.
    Pass,
    /// `th` is this.
    Write(Threshold),
    /// There is to be no `th`: what is there does not hold for this span, or cannot be read.
    Erase,
}

impl<'s> SamplingIntent<'s> {
    /// Keeps by a threshold that holds.
    #[inline]
    pub fn keep(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), reliable: true, ..Self::DROP }
    }

    /// Keeps for certain, with a probability that nobody knows.
    #[inline]
    pub fn keep_without_threshold() -> Self {
        Self { threshold: Some(Threshold::KEEP_ALL), ..Self::DROP }
    }

    /// Keeps none.
    pub const DROP: Self =
        Self { threshold: None, reliable: false, record: false, annotations: Annotations::NONE };

    /// The decision about `offer`.
    #[inline]
    pub fn decide(self, params: &SamplingParameters<'_>) -> SamplingDecision<'s> {
        let sampled = self.threshold.is_some_and(|threshold| {
            let randomness = if self.reliable {
                params.randomness()
            } else if threshold == Threshold::KEEP_ALL {
                return true;
            } else if params.parent.is_some() {
                // The same for all spans of a trace, and unrelated to what its parents decided by.
                Randomness::of_number(mix(params.trace_id))
            } else {
                Randomness::of_number(params.host.random())
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
            // A root says with which threshold it was kept, if that can be said.
            None if sampled && self.reliable => {
                decision.th =
                    self.threshold.map_or(TraceStateUpdate::Pass, TraceStateUpdate::Write);
            }
            None => {}
        }
        decision
    }

    /// What the parent's trace state has to do with it.
    fn below(&self, parent: &Parent<'_>, decision: &mut SamplingDecision<'s>) {
        let member = parent.member();
        let holds = self.threshold.filter(|_| self.reliable);
        let above = member.and_then(|member| member.th);
        // The parent's own threshold is being followed: it holds for this span as well. Not where
        // the decision is another one, for the threshold contradicted the parent's flag.
        let followed = holds.is_some() && holds == above && decision.sampled == parent.sampled;
        decision.malformed = parent.is_malformed();
        decision.th = match holds {
            _ if followed => TraceStateUpdate::Pass,
            Some(threshold) if decision.sampled => TraceStateUpdate::Write(threshold),
            // Others may find a threshold in what we cannot read.
            _ if above.is_some() || decision.malformed => TraceStateUpdate::Erase,
            _ => TraceStateUpdate::Pass,
        };
        // The decision rests on the end of the trace's id.
        let by_id = holds.is_some_and(|threshold| threshold != Threshold::KEEP_ALL)
            && member.is_none_or(|member| member.rv.is_none());
        decision.randomness_assumed = !parent.random && by_id && !followed;
    }
}

/// SplitMix64's mix of a trace id: a number that no other use of the id knows.
fn mix(trace_id: u128) -> u64 {
    let mut mixed = (trace_id >> 64) as u64 ^ (trace_id as u64).rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl TraceStateUpdate {
    /// The new value of the `ot` member, written to `out`; `true` if there is to be such a member.
    ///
    /// It replaces all members `ot` that there are. `parent` is that of the params. Not for
    /// [`TraceStateUpdate::Pass`], which leaves all as it is.
    pub fn write_member(self, params: &SamplingParameters<'_>, out: &mut String) -> bool {
        let start = out.len();
        let th = match self {
            Self::Write(threshold) => Some(threshold),
            Self::Pass | Self::Erase => None,
        };
        // A malformed member is replaced, as nothing of it is believed.
        let member = params.parent.and_then(|parent| parent.member()).unwrap_or_default();
        member.write(th, out);
        out.len() > start
    }
}
