//! The votes of policies about a trace that is explained.

use std::cell::RefCell;
use std::fmt;

use super::decision::PolicyDecision;

/// The vote of a policy, or of a sub-policy, about one trace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyVote {
    /// The policy was evaluated.
    Decided(PolicyDecision),
    /// The evaluation failed with this message; the other policies decided.
    Failed(String),
    /// The decision was final before this policy, or the sub-policy before it decided for the policy around both.
    NotEvaluated,
}

impl fmt::Display for PolicyVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decided(PolicyDecision::Sampled) => "sampled",
            Self::Decided(PolicyDecision::NotSampled) => "not sampled",
            Self::Decided(PolicyDecision::Dropped) => "dropped",
            Self::Decided(PolicyDecision::InvertSampled) => "sampled by inversion",
            Self::Decided(PolicyDecision::InvertNotSampled) => "not sampled by inversion",
            Self::Failed(message) => return write!(f, "failed: {message}"),
            Self::NotEvaluated => "not evaluated",
        })
    }
}

/// The votes of a trace's policies in the order of their evaluation.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    votes: RefCell<Vec<Vote>>,
}

/// The vote of a policy, and those of the sub-policies that it asked.
#[derive(Debug)]
pub(crate) struct Vote {
    pub(crate) vote: PolicyVote,
    pub(crate) sub_votes: Vec<Vote>,
}

impl Votes {
    /// Evaluates a policy and notes its vote. The votes that are noted meanwhile are those of its sub-policies.
    pub(crate) fn record<E: fmt::Display>(
        &self,
        evaluate: impl FnOnce() -> Result<PolicyDecision, E>,
    ) -> Result<PolicyDecision, E> {
        let before = self.votes.borrow().len();
        let result = evaluate();
        let votes = &mut *self.votes.borrow_mut();
        let sub_votes = votes.split_off(before.min(votes.len()));
        let vote = match &result {
            Ok(decision) => PolicyVote::Decided(*decision),
            Err(error) => PolicyVote::Failed(error.to_string()),
        };
        votes.push(Vote { vote, sub_votes });
        result
    }

    /// Notes that a policy was left out.
    pub(crate) fn skip(&self) {
        let vote = Vote { vote: PolicyVote::NotEvaluated, sub_votes: Vec::new() };
        self.votes.borrow_mut().push(vote);
    }

    pub(crate) fn into_votes(self) -> Vec<Vote> {
        self.votes.into_inner()
    }
}
