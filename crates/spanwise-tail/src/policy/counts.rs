//! How often each policy decided.

use super::decision::{Decision, PolicyDecision};

/// The decisions of one policy. Its evaluations (`sampling_policy_execution_count`) are the sum of `sampled`, `not_sampled`, `dropped`
/// and `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PolicyCounts {
    /// The name of the policy.
    pub name: String,
    /// Traces that it sampled (`count_traces_sampled`); another policy may have been the first, or have dropped them.
    pub sampled: u64,
    /// Traces that it did not sample.
    pub not_sampled: u64,
    /// Traces that it dropped.
    pub dropped: u64,
    /// Evaluations that failed (`sampling_policy_evaluation_error`).
    pub errors: u64,
    /// Traces whose decision names this policy: it was the first with this outcome.
    pub decided: u64,
    /// Traces for which its decision was the final one.
    pub agreed: u64,
    /// Spans of the traces that it sampled, did not sample and dropped (`count_spans_sampled`).
    pub spans: DecisionSums,
    /// Their encoded bytes (`count_bytes_sampled`).
    pub bytes: DecisionSums,
}

/// A sum for each decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DecisionSums {
    /// Of sampled traces.
    pub sampled: u64,
    /// Of traces that were not sampled.
    pub not_sampled: u64,
    /// Of dropped traces.
    pub dropped: u64,
}

impl DecisionSums {
    #[inline]
    fn add(&mut self, decision: Decision, value: u64) {
        *match decision {
            Decision::Sampled => &mut self.sampled,
            Decision::NotSampled => &mut self.not_sampled,
            Decision::Dropped => &mut self.dropped,
        } += value;
    }

    fn add_all(&mut self, other: &Self) {
        self.sampled += other.sampled;
        self.not_sampled += other.not_sampled;
        self.dropped += other.dropped;
    }
}

impl PolicyCounts {
    /// The traces by decision.
    pub(crate) fn traces(&self) -> DecisionSums {
        let Self { sampled, not_sampled, dropped, .. } = *self;
        DecisionSums { sampled, not_sampled, dropped }
    }

    pub(crate) fn evaluations(&self) -> u64 {
        self.sampled + self.not_sampled + self.dropped + self.errors
    }

    /// Counts the spans and the encoded bytes of a trace that it decided.
    #[inline]
    pub(crate) fn add_size(&mut self, decision: Decision, spans: u64, bytes: u64) {
        self.spans.add(decision, spans);
        self.bytes.add(decision, bytes);
    }

    /// Counts an evaluation for a trace of `size`, spans and bytes, whose decision is `outcome`.
    pub(crate) fn add_evaluation(
        &mut self,
        evaluation: Option<PolicyDecision>,
        outcome: Decision,
        size: (u64, u64),
    ) {
        let own = match evaluation {
            None => {
                self.errors += 1;
                return;
            }
            Some(PolicyDecision::Sampled | PolicyDecision::InvertSampled) => {
                self.sampled += 1;
                Decision::Sampled
            }
            Some(PolicyDecision::NotSampled | PolicyDecision::InvertNotSampled) => {
                self.not_sampled += 1;
                Decision::NotSampled
            }
            Some(PolicyDecision::Dropped) => {
                self.dropped += 1;
                Decision::Dropped
            }
        };
        self.agreed += u64::from(own == outcome);
        self.add_size(own, size.0, size.1);
    }

    /// Takes over the counts of the same policy, without its name.
    pub(crate) fn set(&mut self, other: &Self) {
        *self = Self { name: std::mem::take(&mut self.name), ..*other };
    }

    /// Adds the counts of the same policy of another shard.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sampled += other.sampled;
        self.not_sampled += other.not_sampled;
        self.dropped += other.dropped;
        self.errors += other.errors;
        self.decided += other.decided;
        self.agreed += other.agreed;
        self.spans.add_all(&other.spans);
        self.bytes.add_all(&other.bytes);
    }
}
