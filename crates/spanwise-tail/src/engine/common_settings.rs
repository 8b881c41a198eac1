//! The settings that the shards of a sampler have in common.

use super::config::TailSamplingConfig;
use super::decider::deciders;
use super::error::TailSamplingError;
use super::shard::{Shard, ShardUpdate};
use super::validated::ShardSettings;
use crate::explain::{ExplainFilter, Explainer};
use crate::policy::{Limiters, Policy};
use crate::rules::{Rule, SharedSamplers, ThroughputState};

/// Builds the shards, and the updates of all of them when a setting changes. Shards share the tokens of rates and the thresholds of rules.
pub(crate) struct CommonSettings {
    config: TailSamplingConfig,
    explain: Option<ExplainFilter>,
    samplers: SharedSamplers,
    limiters: Limiters,
    remembers_updates: bool,
}

impl CommonSettings {
    pub(crate) fn new(
        config: &TailSamplingConfig,
    ) -> Result<(Self, Vec<Shard>), TailSamplingError> {
        let settings = ShardSettings::new(config)?;
        let samplers = SharedSamplers::new(&config.rules, config.num_shards);
        let (deciders, limiters) = deciders(config, &samplers, &Limiters::default())?;
        let shards = deciders.into_iter().map(|decider| Shard::new(settings, decider)).collect();
        let remembers_updates = settings.remembers_updates;
        let config = config.clone();
        Ok((Self { config, explain: None, samplers, limiters, remembers_updates }, shards))
    }

    pub(crate) fn set_policies(
        &mut self,
        policies: &[Policy],
    ) -> Result<Vec<ShardUpdate>, TailSamplingError> {
        if !self.config.rules.is_empty() {
            return Err(setting("policies", "the sampler has rules instead"));
        }
        self.set_config(TailSamplingConfig { policies: policies.to_vec(), ..self.config.clone() })
    }

    pub(crate) fn set_rules(
        &mut self,
        rules: &[Rule],
    ) -> Result<Vec<ShardUpdate>, TailSamplingError> {
        if !self.config.policies.is_empty() {
            return Err(setting("rules", "the sampler has policies instead"));
        }
        self.set_config(TailSamplingConfig { rules: rules.to_vec(), ..self.config.clone() })
    }

    pub(crate) fn set_explain(&mut self, filter: Option<ExplainFilter>) -> Vec<ShardUpdate> {
        self.explain = filter;
        let update = |_| ShardUpdate { settings: None, explainer: self.explainer() };
        (0..self.config.num_shards).map(update).collect()
    }

    pub(crate) fn throughput_states(&self) -> Vec<ThroughputState> {
        self.samplers.states()
    }

    pub(crate) fn set_config(
        &mut self,
        config: TailSamplingConfig,
    ) -> Result<Vec<ShardUpdate>, TailSamplingError> {
        let (shards, wanted) = (self.config.num_shards, config.num_shards);
        if wanted != shards {
            let message = format!("{wanted} differs; accepted is {shards} until a restart");
            return Err(setting("num_shards", message));
        }
        let (strategy, wanted) = (self.config.sampling_strategy, config.sampling_strategy);
        if wanted != strategy {
            let message = format!(
                "`{}` differs; accepted is `{}` until a restart",
                wanted.name(),
                strategy.name()
            );
            return Err(setting("sampling_strategy", message));
        }
        let settings = ShardSettings::after(&config, self.remembers_updates)?;
        let samplers = self.samplers.after(&config.rules);
        let (deciders, limiters) = deciders(&config, &samplers, &self.limiters)?;
        (self.config, self.samplers, self.limiters) = (config, samplers, limiters);
        self.remembers_updates = settings.remembers_updates;
        let update = |decider| ShardUpdate {
            settings: Some((settings, decider)),
            explainer: self.explainer(),
        };
        Ok(deciders.into_iter().map(update).collect())
    }

    fn explainer(&self) -> Option<Explainer> {
        let filter = self.explain.clone();
        filter.map(|filter| Explainer::new(&self.config, filter))
    }
}

fn setting(name: &'static str, message: impl Into<String>) -> TailSamplingError {
    TailSamplingError::Setting { name, message: message.into() }
}
