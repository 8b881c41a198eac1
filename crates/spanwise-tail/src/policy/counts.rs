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
}

impl PolicyCounts {
    pub(crate) fn add_evaluation(&mut self, evaluation: Option<PolicyDecision>, outcome: Decision) {
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
    }

    /// Adds the counts of the same policy of another shard.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sampled += other.sampled;
        self.not_sampled += other.not_sampled;
        self.dropped += other.dropped;
        self.errors += other.errors;
        self.decided += other.decided;
        self.agreed += other.agreed;
    }
}
