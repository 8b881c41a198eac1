//! The rules of a `tail_sampling` block, with the keys of the Collector's processor `adaptive_tail_sampling`.

use spanwise_config::{Field, Mapping};

use super::fields::{integer, strings, text};
use crate::policy::{ProbabilisticPolicy, RateLimitingPolicy};
use crate::rules::{
    AdaptiveThroughput, Rule, RuleError, RuleMatch, RuleSampler, SharedSamplers, build_rules,
};

/// The rules of a sampler; those with an error have been reported.
pub(crate) fn read_rules(field: &Field<'_>) -> Vec<Rule> {
    let elements = field.sequence();
    if elements.is_empty() && field.has_value() {
        field.error("at least one rule is required");
    }
    let mut rules: Vec<Rule> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for element in &elements {
        let mapping = element.mapping(KEYS);
        let name = mapping.get("name").required();
        let known = name.string().unwrap_or_default().to_owned();
        if name.has_value() && known.is_empty() {
            name.error("rule name cannot be empty");
        } else if names.contains(&known) {
            name.error(format!("duplicate rule name {known:?}"));
        }
        names.push(known);
        let Some(rule) = read_rule(&mapping) else { continue };
        report(&rule, &mapping);
        if rule.conditions.is_empty() && elements.len() > names.len() {
            element.warning("the rule has no condition: no trace reaches the rules behind it");
        }
        rules.push(rule);
    }
    rules
}

/// `None` if the sampler has an error, which has been reported.
fn read_rule(mapping: &Mapping<'_>) -> Option<Rule> {
    let matching = mapping.get("match");
    let conditions = strings(&mapping.get("conditions"));
    if matching.has_value() && conditions.is_empty() {
        matching.error("a rule without conditions has no `match`");
    }
    let matching =
        matching.choice(&[("any_span", RuleMatch::AnySpan), ("same_span", RuleMatch::SameSpan)]);
    let sampler = read_sampler(&mapping.get("sampler").required())?;
    let rule = Rule::new(text(&mapping.get("name")), sampler);
    Some(Rule { conditions, matching: matching.unwrap_or_default(), ..rule })
}

fn read_sampler(field: &Field<'_>) -> Option<RuleSampler> {
    if !field.has_value() {
        return None;
    }
    let mapping = field.mapping(SAMPLER_KEYS);
    let kind = mapping.get("type").required().choice(TYPES)?;
    let used: &[&str] = match kind {
        Type::Always | Type::Drop => &[],
        Type::Probabilistic => &["sampling_percentage"],
        Type::Throughput => {
            &["goal_throughput", "fingerprint_attributes", "max_keys", "adjustment_interval"]
        }
        Type::RateLimiting => &["spans_per_second", "burst_capacity"],
    };
    for key in SAMPLER_KEYS.iter().filter(|key| **key != "type" && !used.contains(key)) {
        let field = mapping.get(key);
        if field.exists() {
            field.error("the type of the sampler has no such setting");
        }
    }
    let number = |key: &str| {
        let field = mapping.get(key);
        if field.has_value() { integer(&field, 0..=i64::MAX) } else { None }
    };
    Some(match kind {
        Type::Always => RuleSampler::AlwaysSample,
        Type::Drop => RuleSampler::Drop,
        Type::Probabilistic => {
            let percentage = mapping.get("sampling_percentage").required();
            ProbabilisticPolicy::new(percentage.number(f64::NEG_INFINITY..=f64::INFINITY)?).into()
        }
        Type::Throughput => {
            let goal = integer(&mapping.get("goal_throughput").required(), 0..=i64::MAX)?;
            let mut sampler = AdaptiveThroughput::new(goal as u64);
            sampler.fingerprint_attributes = strings(&mapping.get("fingerprint_attributes"));
            if let Some(keys) = number("max_keys") {
                sampler.max_keys = usize::try_from(keys).unwrap_or(usize::MAX);
            }
            if let Some(interval) = mapping.get("adjustment_interval").go_duration() {
                sampler.adjustment_interval = interval;
            }
            sampler.into()
        }
        Type::RateLimiting => {
            let rate = integer(&mapping.get("spans_per_second").required(), 0..=i64::MAX)?;
            let burst = number("burst_capacity").unwrap_or_default();
            RateLimitingPolicy::new(rate).with_burst_capacity(burst).into()
        }
    })
}

/// Reports the mistake of a rule at its key.
fn report(rule: &Rule, mapping: &Mapping<'_>) {
    // Names have been checked with those of the other rules.
    let rules = [Rule { name: "rule".to_owned(), ..rule.clone() }];
    let Err(RuleError { key: (key, element), message, .. }) =
        build_rules(&rules, &SharedSamplers::new(&rules, 1)).map(drop)
    else {
        return;
    };
    let field = match key {
        "conditions" => {
            let conditions = mapping.get(key);
            let found = element.and_then(|element| conditions.sequence().into_iter().nth(element));
            found.unwrap_or(conditions)
        }
        key => mapping.get("sampler").mapping(SAMPLER_KEYS).get(key),
    };
    field.error(message);
}

#[derive(Debug, Clone, Copy)]
enum Type {
    Always,
    Drop,
    Probabilistic,
    Throughput,
    RateLimiting,
}

const TYPES: &[(&str, Type)] = &[
    ("always_sample", Type::Always),
    ("probabilistic", Type::Probabilistic),
    ("adaptive_throughput", Type::Throughput),
    ("rate_limiting", Type::RateLimiting),
    ("drop", Type::Drop),
];
const KEYS: &[&str] = &["name", "conditions", "match", "sampler"];
const SAMPLER_KEYS: &[&str] = &[
    "type",
    "sampling_percentage",
    "goal_throughput",
    "fingerprint_attributes",
    "max_keys",
    "adjustment_interval",
    "spans_per_second",
    "burst_capacity",
];
