//! The Collector's processor `attributes`, version 0.161: the actions that delete and hash.

use super::fields::{MIN_HASH_KEY, exact_key, go_pattern, hash_key};
use crate::builder::RedactorBuilder;
use crate::error::RedactError;
use crate::rule::{Action, Rule, Target, Targets};
use spanwise_config::Field;

/// Reads the block.
pub(super) fn read(field: &Field<'_>) -> RedactorBuilder {
    let mapping = field.mapping(KEYS);
    for key in ["include", "exclude"] {
        let field = mapping.get(key);
        if field.has_value() {
            field.error("it is not supported: the actions apply to all spans");
        }
    }
    let actions = mapping.get("actions").required();
    let found = actions.sequence();
    if actions.has_value() && actions.is_sequence() && found.is_empty() {
        actions.error("at least one action is required");
    }
    if found.len() > RedactError::MAX_RULES {
        let (found, most) = (found.len(), RedactError::MAX_RULES);
        actions.error(format!("{found} actions: at most {most} are accepted"));
        return RedactorBuilder::default();
    }
    let rules = found.iter().enumerate().filter_map(|(index, action)| rule(index, action));
    let builder = rules.fold(RedactorBuilder::default(), RedactorBuilder::with_rule);
    match hash_key(mapping.get("hash_key"), MIN_HASH_KEY) {
        Some(key) => builder.with_hash_key(key),
        None => builder,
    }
}

/// The rule of an action, unless it has a mistake, which is reported.
fn rule(index: usize, field: &Field<'_>) -> Option<Rule> {
    let mapping = field.mapping(ACTION_KEYS);
    let name = mapping.get("action").required();
    let action = match name.string()?.to_ascii_lowercase().as_str() {
        "delete" => Action::Delete,
        "hash" => {
            name.warning("the hashes are HMAC-SHA-256 with the key `hash_key` of the block, or with_hash_key in code, not SHA-256");
            Action::Hash
        }
        other if OTHERS.contains(&other) => {
            name.error(format!("`{other}` is not supported: rules add and convert no values; accepted is `delete` or `hash`"));
            return None;
        }
        _ => {
            return name
                .choice(
                    &[("delete", Action::Delete), ("hash", Action::Hash)]
                        .map(|(name, _)| (name, ())),
                )
                .and(None);
        }
    };
    for key in VALUE_KEYS {
        let value = mapping.get(key);
        if value.has_value() {
            value.error("actions that delete and hash do not use it");
        }
    }
    let (key, pattern) = (mapping.get("key"), mapping.get("pattern"));
    if !key.has_value() && !pattern.has_value() {
        field.error("it has neither `key` nor `pattern`");
        return None;
    }
    let mut rule = Rule::new(action)
        .with_targets(Targets::of([Target::SpanAttribute]))
        .with_hash_bytes(HASH_BYTES)
        .with_name(format!("actions[{index}]"));
    if let Some(key) = key.string() {
        rule = rule.with_key_regex(exact_key(key));
    }
    if pattern.has_value() {
        rule = rule.with_key_regex(go_pattern(&pattern)?);
    }
    Some(rule)
}

const KEYS: &[&str] = &["actions", "include", "exclude", "hash_key"];
const ACTION_KEYS: &[&str] = &[
    "key",
    "pattern",
    "action",
    "value",
    "default_value",
    "from_attribute",
    "from_context",
    "converted_type",
];
/// The keys of actions that set values.
const VALUE_KEYS: &[&str] =
    &["value", "default_value", "from_attribute", "from_context", "converted_type"];
/// The actions that are not supported.
const OTHERS: &[&str] = &["insert", "update", "upsert", "extract", "convert"];
/// The whole digest.
const HASH_BYTES: usize = 32;
