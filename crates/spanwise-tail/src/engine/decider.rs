//! The part of a shard that decides: policies or rules.

use std::time::Duration;

use super::config::TailSamplingConfig;
use super::error::TailSamplingError;
use crate::keys::KeyPool;
use crate::policy::{LimiterPool, Limiters, Outcome, PolicyCounts, PolicySet, Votes};
use crate::rules::{Candidate, RuleDecision, RuleSet, SharedSamplers, build_rules};
use crate::trace_view::{Summary, TraceSpans};

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
        source: &'a dyn TraceSpans<'a>,
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

    /// Takes up the state of the unchanged rules of `previous`; policies share theirs.
    pub(crate) fn take_up(&mut self, previous: &Self) {
        if let (Self::Rules(rules), Self::Rules(previous)) = (self, previous) {
            rules.take_up(previous);
        }
    }

    /// As [`PolicySet::composite_policy`].
    pub(crate) fn composite_policy(&self) -> Option<&str> {
        match self {
            Self::Policies(policies) => policies.composite_policy(),
            Self::Rules(_) => None,
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

/// The same policies or rules for each shard, with the states of their limits, which take up those of `previous`.
pub(crate) fn deciders(
    config: &TailSamplingConfig,
    samplers: &SharedSamplers,
    previous: &Limiters,
) -> Result<(Vec<Decider>, Limiters), TailSamplingError> {
    let limiters = LimiterPool::after(previous);
    // Each set has keys of its own instead of these.
    let keys = KeyPool::default();
    let options = config.policy_options(&limiters, &keys);
    let decider = |_| {
        if !config.rules.is_empty() {
            return Ok(Decider::Rules(build_rules(&config.rules, samplers)?));
        }
        limiters.rewind();
        let asks = (config.sample_on_first_match, config.dry_run);
        Ok(Decider::Policies(PolicySet::new(&config.policies, options, asks)?))
    };
    let deciders: Result<Vec<Decider>, TailSamplingError> =
        (0..config.num_shards).map(decider).collect();
    Ok((deciders?, limiters.into_limiters()))
}
