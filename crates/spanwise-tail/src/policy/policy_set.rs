//! All policies of a sampler, and the decision they make together.

use std::time::Duration;

use super::build::{Parent, build};
use super::counts::PolicyCounts;
use super::decision::{Decision, PolicyDecision};
use super::error::PolicyError;
use super::evaluate::{Evaluate, vote};
use super::kind::{Policy, PolicyKind};
use super::options::PolicyOptions;
use super::vote::Votes;
use super::vote_probability::VoteProbability;
use crate::keys::KeyPool;
use crate::outgoing_trace_state::ThresholdUpdate;
use crate::trace_view::{Summary, TraceSpans, TraceView};

/// Evaluates every policy for a trace and combines their decisions in the Collector's order of precedence.
pub(crate) struct PolicySet {
    /// Those of type `drop` first.
    policies: Vec<Named>,
    keys: Vec<Box<str>>,
    sample_on_first_match: bool,
    /// `dry_run`: the policies behind the one that decides are evaluated, too.
    asks_all: bool,
    /// `use_trace_state`: sampled spans leave with a threshold.
    writes_threshold: bool,
    /// The last `composite` policy that sampled the trace decided last, and its sub-policy.
    composite: Option<(usize, usize)>,
}

struct Named {
    counts: PolicyCounts,
    is_drop: bool,
    /// Counts traces: an evaluation that the decision does not need would change later ones.
    accumulates: bool,
    /// The names of the sub-policies of `composite`.
    sub_policies: Vec<String>,
    evaluator: Box<dyn Evaluate>,
    probability: VoteProbability,
    /// The result for the present trace: outside `None` if it was not evaluated, inside if that failed.
    evaluation: Option<Option<PolicyDecision>>,
}

/// The decision about a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) decision: Decision,
    /// The index of the policy that decided.
    pub(crate) policy: Option<u16>,
    /// A `drop` policy did not match: it may match when more spans arrive.
    pub(crate) may_drop_later: bool,
    /// The change of the threshold of a sampled trace's spans.
    pub(crate) update: ThresholdUpdate,
}

impl PolicySet {
    /// Builds all `policies`, with `sample_on_first_match` and whether all of them are asked.
    ///
    /// # Errors
    /// No policy, more than 65,534, an empty or repeated name, or a policy that cannot be built.
    pub(crate) fn new(
        policies: &[Policy],
        options: PolicyOptions<'_>,
        (sample_on_first_match, asks_all): (bool, bool),
    ) -> Result<Self, PolicyError> {
        let keys = KeyPool::default();
        let policies = Self::build_all(policies, PolicyOptions { keys: &keys, ..options })?;
        let writes_threshold = options.use_trace_state;
        let keys = keys.into_keys();
        let composite = None;
        Ok(Self { policies, keys, sample_on_first_match, asks_all, writes_threshold, composite })
    }

    fn build_all(
        policies: &[Policy],
        options: PolicyOptions<'_>,
    ) -> Result<Vec<Named>, PolicyError> {
        if policies.is_empty() {
            return Err(PolicyError::new("at least one policy is required"));
        }
        if policies.len() >= usize::from(u16::MAX) {
            return Err(PolicyError::new("more than 65534 policies"));
        }
        for (index, policy) in policies.iter().enumerate() {
            if policies.iter().take(index).any(|before| before.name == policy.name) {
                return Err(PolicyError::new(format!("duplicate policy name {:?}", policy.name)));
            }
        }
        let is_drop = |policy: &&Policy| matches!(policy.kind, PolicyKind::Drop(_));
        let (drops, others): (Vec<&Policy>, Vec<&Policy>) = policies.iter().partition(is_drop);
        let named = |policy: &Policy| {
            Ok(Named {
                counts: PolicyCounts { name: policy.name.clone(), ..PolicyCounts::default() },
                is_drop: is_drop(&policy),
                accumulates: policy.kind.accumulating().is_some(),
                sub_policies: match &policy.kind {
                    PolicyKind::Composite(composite) => {
                        composite.sub_policies.iter().map(|sub| sub.name.clone()).collect()
                    }
                    _ => Vec::new(),
                },
                evaluator: build(policy, Parent::None, options)?,
                probability: VoteProbability::of(&policy.kind),
                evaluation: None,
            })
        };
        drops.into_iter().chain(others).map(named).collect()
    }

    /// Decides about a trace. A policy whose evaluation fails is counted and left out. The votes are noted in `votes`.
    pub(crate) fn decide<'a>(
        &'a mut self,
        trace_id: [u8; 16],
        summary: Summary,
        source: &'a dyn TraceSpans<'a>,
        (now, votes): (Duration, Option<&'a Votes>),
    ) -> Outcome {
        let trace = TraceView::new(trace_id, summary, source, &self.keys);
        let trace = &trace.with_votes(votes);
        let mut found = Found::default();
        let mut may_drop_later = false;
        let mut update = ThresholdUpdate::None;
        let mut is_final = false;
        self.composite = None;
        for (index, policy) in self.policies.iter_mut().enumerate() {
            if is_final && policy.accumulates {
                votes.inspect(|votes| votes.skip());
                continue;
            }
            let evaluation = vote(policy.evaluator.as_mut(), trace, now).ok();
            policy.evaluation = Some(evaluation);
            if is_final {
                continue;
            }
            let Some(decision) = evaluation else { continue };
            // Fewer than 65,535, checked when the set was built.
            let index = index as u16;
            may_drop_later |= policy.is_drop && decision != PolicyDecision::Dropped;
            found.add(decision, index);
            if decision == PolicyDecision::Sampled && !policy.sub_policies.is_empty() {
                let sub_policy = policy.evaluator.sampled_sub_policy();
                self.composite = sub_policy.map(|sub| (usize::from(index), sub));
            }
            if self.writes_threshold && decision == PolicyDecision::Sampled {
                update = policy.probability.with(update);
            }
            is_final = decision == PolicyDecision::Dropped
                || (self.sample_on_first_match && decision == PolicyDecision::Sampled);
            if is_final && !self.asks_all {
                break;
            }
        }
        let (decision, policy) = found.combine();
        for (index, named) in self.policies.iter_mut().enumerate() {
            let Some(evaluation) = named.evaluation.take() else { continue };
            let size = (summary.spans(), summary.bytes());
            named.counts.add_evaluation(evaluation, decision, size);
            named.counts.decided += u64::from(policy.map(usize::from) == Some(index));
        }
        Outcome { decision, policy, may_drop_later, update }
    }

    /// The name of the sub-policy by which a `composite` policy sampled the trace that was decided last.
    pub(crate) fn composite_policy(&self) -> Option<&str> {
        let (policy, sub_policy) = self.composite?;
        self.policies.get(policy)?.sub_policies.get(sub_policy).map(String::as_str)
    }

    /// The name of the policy at `index`.
    pub(crate) fn name(&self, index: u16) -> Option<&str> {
        self.policies.get(usize::from(index)).map(|policy| policy.counts.name.as_str())
    }

    /// Number of evaluations that failed.
    pub(crate) fn errors(&self) -> u64 {
        self.policies.iter().map(|policy| policy.counts.errors).sum()
    }

    /// The counts of each policy, those of type `drop` first.
    pub(crate) fn counts(&self) -> impl Iterator<Item = &PolicyCounts> {
        self.policies.iter().map(|policy| &policy.counts)
    }
}

/// The first policy of each decision.
#[derive(Default)]
struct Found {
    dropped: Option<u16>,
    sampled: Option<u16>,
    not_sampled: Option<u16>,
    invert_sampled: Option<u16>,
    invert_not_sampled: Option<u16>,
}

impl Found {
    fn add(&mut self, decision: PolicyDecision, index: u16) {
        let first = match decision {
            PolicyDecision::Dropped => &mut self.dropped,
            PolicyDecision::Sampled => &mut self.sampled,
            PolicyDecision::NotSampled => &mut self.not_sampled,
            PolicyDecision::InvertSampled => &mut self.invert_sampled,
            PolicyDecision::InvertNotSampled => &mut self.invert_not_sampled,
        };
        first.get_or_insert(index);
    }

    /// Dropped, then the veto of an inverted match, then Sampled, then an inverted match that no policy opposes.
    fn combine(&self) -> (Decision, Option<u16>) {
        match self {
            Self { dropped: Some(index), .. } => (Decision::Dropped, Some(*index)),
            Self { invert_not_sampled: Some(index), .. } => (Decision::NotSampled, Some(*index)),
            Self { sampled: Some(index), .. } => (Decision::Sampled, Some(*index)),
            Self { invert_sampled: Some(index), not_sampled: None, .. } => {
                (Decision::Sampled, Some(*index))
            }
            _ => (Decision::NotSampled, None),
        }
    }
}
