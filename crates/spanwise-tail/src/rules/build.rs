//! Builds sets of rules.

use std::sync::Arc;
use std::time::Duration;

use spanwise_sampling::Threshold;

use super::adaptive_throughput::{Throughput, ThroughputState};
use super::fingerprint::Fingerprint;
use super::rule::{AdaptiveThroughput, Rule, RuleSampler};
use super::rule_set::{Budget, BuiltRule, BuiltSampler, RuleSet};
use crate::keys::KeyPool;
use crate::ottl::SpanCondition;
use crate::policy::PolicyCounts;

/// A rule is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleError {
    /// The index of the rule; `None` for a mistake of the list.
    pub(crate) rule: Option<usize>,
    /// The key of the rule or of its sampler, and the index of the element if it is a list.
    pub(crate) key: (&'static str, Option<usize>),
    pub(crate) message: String,
}

/// The state of adaptive samplers that all shards share, by the index of their rule.
#[derive(Clone)]
pub(crate) struct SharedSamplers {
    all: Vec<Option<Shared>>,
    shards: u16,
}

#[derive(Clone)]
struct Shared {
    rule: String,
    config: AdaptiveThroughput,
    throughput: Arc<Throughput>,
}

impl SharedSamplers {
    pub(crate) fn new(rules: &[Rule], shards: u16) -> Self {
        Self { all: Vec::new(), shards }.after(rules)
    }

    /// Those of `rules`: a rule with the name and the sampler of a present one takes up its thresholds.
    pub(crate) fn after(&self, rules: &[Rule]) -> Self {
        let shared = |rule: &Rule| {
            let RuleSampler::AdaptiveThroughput(config) = &rule.sampler else { return None };
            let is_same = |known: &&Shared| known.rule == rule.name && known.config == *config;
            let known = self.all.iter().flatten().find(is_same);
            Some(known.cloned().unwrap_or_else(|| Shared {
                rule: rule.name.clone(),
                config: config.clone(),
                throughput: Arc::new(Throughput::new(config)),
            }))
        };
        Self { all: rules.iter().map(shared).collect(), shards: self.shards }
    }

    /// The states, with the names of the rules.
    pub(crate) fn states(&self) -> Vec<ThroughputState> {
        self.all.iter().flatten().map(|shared| shared.throughput.state(&shared.rule)).collect()
    }
}

/// The rules of one shard.
///
/// # Errors
/// An empty or repeated name, a condition that is not valid, or a number that is out of range.
pub(crate) fn build_rules(rules: &[Rule], shared: &SharedSamplers) -> Result<RuleSet, RuleError> {
    let error = |rule, key, message: String| RuleError { rule, key: (key, None), message };
    if rules.len() >= usize::from(u16::MAX) {
        return Err(error(None, "rules", "more than 65534 rules".to_owned()));
    }
    let keys = KeyPool::default();
    let mut built = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let fail = |key, message: String| error(Some(index), key, message);
        if rule.name.is_empty() {
            return Err(fail("name", "rule name cannot be empty".to_owned()));
        }
        if rules.iter().take(index).any(|before| before.name == rule.name) {
            return Err(fail("name", format!("duplicate rule name {:?}", rule.name)));
        }
        let mut conditions = Vec::with_capacity(rule.conditions.len());
        for (place, text) in rule.conditions.iter().enumerate() {
            let condition = SpanCondition::new(text, &keys).map_err(|error| RuleError {
                rule: Some(index),
                key: ("conditions", Some(place)),
                message: error.to_string(),
            })?;
            conditions.push(condition);
        }
        let throughput = shared.all.get(index).and_then(Option::as_ref);
        let throughput = throughput.map(|shared| shared.throughput.clone());
        let sampler = sampler(&rule.sampler, throughput, (shared.shards, &keys))
            .map_err(|(key, message)| fail(key, message))?;
        let counts = PolicyCounts { name: rule.name.clone(), ..PolicyCounts::default() };
        built.push(BuiltRule { counts, conditions, matching: rule.matching, sampler });
    }
    Ok(RuleSet::new(built, keys.into_keys()))
}

fn sampler(
    config: &RuleSampler,
    throughput: Option<Arc<Throughput>>,
    (shards, keys): (u16, &KeyPool),
) -> Result<BuiltSampler, (&'static str, String)> {
    Ok(match (config, throughput) {
        (RuleSampler::AlwaysSample, _) => BuiltSampler::Always,
        (RuleSampler::Drop, _) => BuiltSampler::Drop,
        (RuleSampler::Probabilistic(policy), _) => {
            let percentage = policy.sampling_percentage;
            if !(percentage > 0.0 && percentage <= 100.0) {
                return Err((
                    "sampling_percentage",
                    format!("{percentage:?} is out of range; accepted is above 0 to 100"),
                ));
            }
            BuiltSampler::Threshold(policy.threshold())
        }
        (RuleSampler::AdaptiveThroughput(config), Some(throughput)) => {
            check(config)?;
            let fingerprint = Fingerprint::new(&config.fingerprint_attributes, keys)
                .map_err(|message| ("fingerprint_attributes", message))?;
            BuiltSampler::Throughput(throughput, fingerprint)
        }
        // Shared samplers are built from the same rules.
        (RuleSampler::AdaptiveThroughput(_), None) => BuiltSampler::Threshold(Threshold::KEEP_ALL),
        (RuleSampler::RateLimiting(policy), _) => {
            if policy.spans_per_second <= 0 {
                let rate = policy.spans_per_second;
                return Err((
                    "spans_per_second",
                    format!("{rate} is too small; accepted is 1 or more"),
                ));
            }
            let burst = match policy.burst_capacity {
                burst @ 1.. => burst,
                _ => policy.spans_per_second.saturating_mul(2),
            };
            BuiltSampler::Budget(Budget::new(policy.spans_per_second, burst, shards))
        }
    })
}

fn check(config: &AdaptiveThroughput) -> Result<(), (&'static str, String)> {
    let error = |key, message| Err((key, message));
    if config.goal_throughput == 0 {
        return error("goal_throughput", "0 is too small; accepted is 1 or more".to_owned());
    }
    if !(1..=MAX_KEYS).contains(&config.max_keys) {
        let keys = config.max_keys;
        return error("max_keys", format!("{keys} is out of range; accepted is 1 to {MAX_KEYS}"));
    }
    let interval = config.adjustment_interval;
    if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
        let message = format!("{interval:?} is out of range; accepted is 100 ms to 1 h");
        return error("adjustment_interval", message);
    }
    Ok(())
}

const MAX_KEYS: usize = 10_000;
const MIN_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_secs(3_600);
