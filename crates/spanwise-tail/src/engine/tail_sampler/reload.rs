//! New settings for running samplers.

use super::{ShardedTailSampler, TailSampler};
use crate::engine::config::TailSamplingConfig;
use crate::engine::error::TailSamplingError;
use crate::policy::Policy;
use crate::rules::Rule;

impl TailSampler {
    /// Replaces the settings while traces wait: waits, limits, caches, memory, policies or rules.
    ///
    /// No span is lost. A trace that waits is decided by the new policies when the new `decision_wait` from its arrival is over; if its root
    /// span has set an earlier time, at that time. Traces beyond lower limits are decided by the next call, those that are due first, or
    /// wait for their time with `block_on_overflow`; memory may exceed a new bound until then. A limit of a rate with the same name and the
    /// same numbers as before goes on from its state, also as a sub-policy, and so do the budget and the thresholds of a rule; others start
    /// anew. Late spans follow the decisions that were made before.
    ///
    /// # Errors
    /// A setting is out of range, a policy or rule is not valid, or `sampling_strategy` differs: the present settings stay. `num_shards` is
    /// ignored, as by [`new`](Self::new).
    ///
    /// # Cost
    /// Tables and caches whose size changes are copied, and some 10 ns a waiting span if `decision_wait` or `num_traces` changes.
    pub fn set_config(&mut self, config: &TailSamplingConfig) -> Result<(), TailSamplingError> {
        self.inner.set_config(&config.clone().with_num_shards(1))
    }

    /// Replaces the policies for all traces that are not decided yet, as [`set_config`](Self::set_config) does.
    ///
    /// # Errors
    /// A policy is not valid, or the sampler has rules: the present ones stay.
    pub fn set_policies(&mut self, policies: &[Policy]) -> Result<(), TailSamplingError> {
        self.inner.set_policies(policies)
    }

    /// Replaces the rules for all traces that are not decided yet, as [`set_config`](Self::set_config) does.
    ///
    /// # Errors
    /// A rule is not valid, or the sampler has policies: the present rules stay.
    pub fn set_rules(&mut self, rules: &[Rule]) -> Result<(), TailSamplingError> {
        self.inner.set_rules(rules)
    }
}

impl ShardedTailSampler {
    /// As [`TailSampler::set_config`].
    ///
    /// # Errors
    /// As [`TailSampler::set_config`], and if `num_shards` differs: traces stay in their shards.
    pub fn set_config(&mut self, config: &TailSamplingConfig) -> Result<(), TailSamplingError> {
        let updates = self.settings.set_config(config.clone())?;
        self.update(updates);
        Ok(())
    }

    /// As [`TailSampler::set_policies`].
    ///
    /// # Errors
    /// As [`TailSampler::set_policies`].
    pub fn set_policies(&mut self, policies: &[Policy]) -> Result<(), TailSamplingError> {
        let updates = self.settings.set_policies(policies)?;
        self.update(updates);
        Ok(())
    }

    /// As [`TailSampler::set_rules`].
    ///
    /// # Errors
    /// As [`TailSampler::set_rules`].
    pub fn set_rules(&mut self, rules: &[Rule]) -> Result<(), TailSamplingError> {
        let updates = self.settings.set_rules(rules)?;
        self.update(updates);
        Ok(())
    }
}
