//! Explains the decisions of a sampler.

use super::explanation::{Explanation, PolicyExplanation};
use super::filter::ExplainFilter;
use super::finder::{ExplainedTrace, Finder, shortened};
use crate::engine::{DecidedTrace, TailSamplingConfig};
use crate::keys::KeyPool;
use crate::policy::{LimiterPool, Policy, PolicyKind, PolicyOptions, PolicyVote, Vote, Votes};

/// The policies of a sampler, ready to explain their votes.
pub(crate) struct Explainer {
    filter: ExplainFilter,
    /// Those of type `drop` first, as they are evaluated.
    policies: Vec<Explained>,
    keys: Vec<Box<str>>,
    /// The votes about the trace that is being decided.
    ready: Option<([u8; 16], Vec<PolicyExplanation>)>,
}

struct Explained {
    name: String,
    type_name: &'static str,
    finder: Option<Finder>,
    sub_policies: Vec<Explained>,
}

impl Explainer {
    /// Explains the traces that `filter` chooses by the policies of `config`, which a sampler has accepted.
    pub(crate) fn new(config: &TailSamplingConfig, filter: ExplainFilter) -> Self {
        let (keys, limiters) = (KeyPool::default(), LimiterPool::default());
        let options = config.policy_options(&limiters, &keys);
        let is_drop = |policy: &&Policy| matches!(policy.kind, PolicyKind::Drop(_));
        let (drops, others): (Vec<&Policy>, Vec<&Policy>) =
            config.policies.iter().partition(is_drop);
        let all = drops.into_iter().chain(others);
        let policies = all.map(|policy| Explained::new(policy, options)).collect();
        Self { filter, policies, keys: keys.into_keys(), ready: None }
    }

    /// A place for the votes about a trace, if it may be explained.
    pub(crate) fn votes(&mut self, trace_id: [u8; 16]) -> Option<Votes> {
        self.ready = None;
        self.filter.wants(trace_id).then(Votes::default)
    }

    /// Looks for the values behind the votes, before the spans leave.
    pub(crate) fn note<'a>(&'a mut self, trace: ExplainedTrace<'a>, votes: Votes) {
        let explanations = explain(&mut self.policies, votes.into_votes(), trace, &self.keys);
        self.ready = Some((trace.trace_id, explanations));
    }

    /// Forgets the votes: they did not decide the trace.
    pub(crate) fn discard(&mut self) {
        self.ready = None;
    }

    /// The explanation of a decision, if the filter accepts it.
    pub(crate) fn finish(&mut self, trace: &DecidedTrace<'_>) -> Option<Explanation> {
        let ready = self.ready.take();
        if !self.filter.accepts(trace) {
            return None;
        }
        let of_trace = |(id, _): &([u8; 16], _)| *id == trace.trace_id.to_bytes();
        let policies = ready.filter(of_trace).map(|(_, policies)| policies).unwrap_or_default();
        Some(Explanation {
            trace_id: trace.trace_id,
            decision: trace.decision,
            policy: trace.policy.map(shortened),
            cause: trace.cause,
            spans: trace.spans,
            policies,
        })
    }
}

impl Explained {
    fn new(policy: &Policy, options: PolicyOptions<'_>) -> Self {
        let sub_policies: &[Policy] = match &policy.kind {
            PolicyKind::And(policies) | PolicyKind::Drop(policies) => policies,
            PolicyKind::Not(policy) => std::slice::from_ref(policy),
            PolicyKind::Composite(policy) => &policy.sub_policies,
            _ => &[],
        };
        Self {
            name: shortened(&policy.name),
            type_name: policy.kind.type_name(),
            finder: Finder::new(&policy.kind, options),
            sub_policies: sub_policies.iter().map(|sub| Self::new(sub, options)).collect(),
        }
    }
}

/// The policies with their votes; those behind the last vote were not evaluated.
fn explain<'a>(
    policies: &mut [Explained],
    votes: Vec<Vote>,
    trace: ExplainedTrace<'a>,
    keys: &'a [Box<str>],
) -> Vec<PolicyExplanation> {
    let mut votes = votes.into_iter();
    let explained = policies.iter_mut().map(|policy| {
        let (vote, sub_votes) = votes
            .next()
            .map_or((PolicyVote::NotEvaluated, Vec::new()), |it| (it.vote, it.sub_votes));
        let finder = policy.finder.as_mut().filter(|_| vote != PolicyVote::NotEvaluated);
        PolicyExplanation {
            name: policy.name.clone(),
            type_name: policy.type_name,
            evidence: finder.map(|finder| finder.find(trace, keys)),
            sub_policies: explain(&mut policy.sub_policies, sub_votes, trace, keys),
            vote,
        }
    });
    explained.collect()
}
