//! The part of a shard that decides: policies or rules.

use std::time::Duration;

use crate::policy::{Outcome, PolicyCounts, PolicySet, Votes};
use crate::rules::{Candidate, RuleDecision, RuleSet};
use crate::trace_view::{SpanSource, Summary};

/// Decides by all policies together, or by the first rule that matches.
pub(crate) enum Decider {
    Policies(PolicySet),
    Rules(RuleSet),
}

impl Decider {
    /// Decides about a trace, or returns a candidate for [`decide_all`](Self::decide_all). Policies note their votes in `votes`.
    pub(crate) fn decide<'a>(
        &'a mut self,
        trace_id: [u8; 16],
        summary: Summary,
        source: &'a dyn SpanSource<'a>,
        (now, votes): (Duration, Option<&'a Votes>),
    ) -> RuleDecision {
        match self {
            Self::Policies(policies) => {
                RuleDecision::Decided(policies.decide(trace_id, summary, source, (now, votes)))
            }
            Self::Rules(rules) => rules.decide(trace_id, summary, source, now),
        }
    }

    /// As [`RuleSet::decide_all`].
    pub(crate) fn decide_all<T>(
        &mut self,
        traces: &mut [T],
        candidate: impl Fn(&T) -> Candidate,
        now: Duration,
        decided: impl FnMut(&T, Outcome),
    ) {
        if let Self::Rules(rules) = self {
            rules.decide_all(traces, candidate, now, decided);
        }
    }

    /// As [`RuleSet::decide_alone`].
    pub(crate) fn decide_alone(&mut self, candidate: Candidate) -> Option<Outcome> {
        match self {
            Self::Policies(_) => None,
            Self::Rules(rules) => Some(rules.decide_alone(candidate)),
        }
    }

    /// The name of the policy or rule at `index`.
    pub(crate) fn name(&self, index: u16) -> Option<&str> {
        match self {
            Self::Policies(policies) => policies.name(index),
            Self::Rules(rules) => rules.name(index),
        }
    }

    /// Number of evaluations that failed.
    pub(crate) fn errors(&self) -> u64 {
        match self {
            Self::Policies(policies) => policies.errors(),
            Self::Rules(rules) => rules.errors(),
        }
    }

    /// The counts of each policy or rule.
    pub(crate) fn counts(&self) -> impl Iterator<Item = &PolicyCounts> {
        let (policies, rules) = match self {
            Self::Policies(policies) => (Some(policies.counts()), None),
            Self::Rules(rules) => (None, Some(rules.counts())),
        };
        policies.into_iter().flatten().chain(rules.into_iter().flatten())
    }
}
