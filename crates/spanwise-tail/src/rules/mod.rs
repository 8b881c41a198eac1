//! Rules: the first one that matches a trace decides, by a sampler whose probability is known.
//!
//! `rule` the settings, `rule_set` the decision, `fingerprint` the keys and `adaptive_throughput` the thresholds of traffic by key,
//! `bottom_k` a budget for the traces that are decided together.

mod adaptive_throughput;
mod bottom_k;
mod build;
mod fingerprint;
mod max_min_rates;
mod rule;
mod rule_set;

pub use adaptive_throughput::ThroughputState;
pub(crate) use build::{RuleError, SharedSamplers, build_rules};
pub use rule::{AdaptiveThroughput, Rule, RuleMatch, RuleSampler};
pub(crate) use rule_set::{Candidate, RuleDecision, RuleSet};
