//! The part of the model that decides: policies or rules.

use super::made_span::Facts;
use super::policy_model::{PolicyModel, Predicted};
use super::rule_model::RuleModel;
use crate::random::Random;
use spanwise_tail::{Policy, Rule, ShardedTailSampler, TailSamplingConfig, TailSamplingError};

/// Policies, or rules instead.
#[derive(Debug, Clone)]
pub(crate) enum DeciderModel {
    Policies { all: Vec<PolicyModel>, by_ingest: bool },
    Rules { all: Vec<RuleModel>, has_budget: bool },
}

impl DeciderModel {
    pub(crate) fn draw(random: &mut Random, by_ingest: bool) -> Self {
        if !by_ingest && random.one_in(3) {
            let has_budget = random.one_in(3);
            return Self::Rules { all: RuleModel::draw_all(random, has_budget), has_budget };
        }
        Self::Policies { all: PolicyModel::draw_all(random, by_ingest), by_ingest }
    }

    /// Others of the same kind, or none at all.
    pub(crate) fn draw_others(&self, random: &mut Random, is_valid: bool) -> Self {
        match *self {
            Self::Policies { by_ingest, .. } => {
                let all = PolicyModel::draw_all(random, by_ingest);
                Self::Policies { all: if is_valid { all } else { Vec::new() }, by_ingest }
            }
            Self::Rules { has_budget, .. } => {
                let all = RuleModel::draw_all(random, has_budget);
                Self::Rules { all: if is_valid { all } else { Vec::new() }, has_budget }
            }
        }
    }

    /// The settings with these policies or rules.
    pub(crate) fn configure(&self, mut config: TailSamplingConfig) -> TailSamplingConfig {
        match self {
            Self::Policies { all, .. } => config.policies = policies(all),
            Self::Rules { all, .. } => config.rules = rules(all),
        }
        config
    }

    /// Replaces those of a sampler.
    ///
    /// # Errors
    /// The sampler's, which accepts no empty list.
    pub(crate) fn replace(
        &self,
        sampler: &mut ShardedTailSampler,
    ) -> Result<(), TailSamplingError> {
        match self {
            Self::Policies { all, .. } => sampler.set_policies(&policies(all)),
            Self::Rules { all, .. } => sampler.set_rules(&rules(all)),
        }
    }

    /// The prediction for spans of a trace that has `spans` in all.
    pub(crate) fn predict(&self, id: [u8; 16], facts: &[Facts], spans: usize) -> Predicted {
        match self {
            Self::Policies { all, .. } => Predicted::of(all, facts, spans),
            Self::Rules { all, .. } => RuleModel::predict(all, id, facts),
        }
    }

    pub(crate) fn has_rules(&self) -> bool {
        matches!(self, Self::Rules { .. })
    }
}

/// The policies with their indexes as names.
fn policies(policies: &[PolicyModel]) -> Vec<Policy> {
    let named =
        |(index, policy): (usize, &PolicyModel)| Policy::new(index.to_string(), policy.kind());
    policies.iter().enumerate().map(named).collect()
}

/// The rules with their indexes as names.
fn rules(rules: &[RuleModel]) -> Vec<Rule> {
    rules.iter().enumerate().map(|(index, rule)| rule.rule(index)).collect()
}
