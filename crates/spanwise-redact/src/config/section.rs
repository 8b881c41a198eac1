//! The section `redaction` of our own.

use super::fields::{MIN_HASH_KEY, elements, hash_key, patterns, strings};
use crate::builder::RedactorBuilder;
use crate::compiled::{check_pattern, check_rule};
use crate::error::RedactError;
use crate::preset::Preset;
use crate::rule::{Action, Rule, Target, Targets};
use spanwise_config::{Field, Mapping};

/// Reads the section: its rules, and behind them those of the presets.
pub(super) fn read(field: &Field<'_>) -> RedactorBuilder {
    let mapping = field.mapping(KEYS);
    let mut builder = RedactorBuilder::default();
    if let Some(key) = hash_key(mapping.get("hash_key"), MIN_HASH_KEY) {
        builder = builder.with_hash_key(key);
    }
    let rules = mapping.get("rules");
    let found = rules.sequence();
    if found.len() > RedactError::MAX_RULES {
        let (found, most) = (found.len(), RedactError::MAX_RULES);
        rules.error(format!("{found} rules: at most {most} are accepted"));
        return builder;
    }
    builder = found.iter().filter_map(rule).fold(builder, RedactorBuilder::with_rule);
    let presets = presets(&mapping.get("presets"));
    if has_none(&rules) && has_none(&mapping.get("presets")) {
        field.error("it has neither rules nor presets: nothing would be redacted");
    }
    let builder = presets.into_iter().fold(builder, RedactorBuilder::with_preset);
    if builder.rules.len() > RedactError::MAX_RULES {
        let (found, most) = (builder.rules.len(), RedactError::MAX_RULES);
        rules.error(format!(
            "{found} rules, those of presets included: at most {most} are accepted"
        ));
    }
    let hashing = builder.rules.iter().position(|rule| rule.action == Action::Hash);
    if let (Some(index), None, false) =
        (hashing, &builder.hash_key, mapping.get("hash_key").exists())
    {
        let hashing = found.get(index).unwrap_or(field);
        hashing.error(
            "it hashes without a key: set `hash_key` beside `rules`, such as `\"${HASH_KEY}\"`",
        );
    }
    builder
}

/// The presets of a list, or all.
fn presets(field: &Field<'_>) -> Vec<Preset> {
    if field.has_value() && !field.is_sequence() {
        let all = field.choice(&[("all", ())]);
        return if all.is_some() { Preset::ALL.into() } else { Vec::new() };
    }
    // `[all]` is the first attempt of many.
    let mut known = Preset::ALL.map(|preset| (preset.name(), Some(preset))).to_vec();
    known.push(("all", None));
    let mut presets = Vec::new();
    for element in elements(field) {
        let Some(preset) = element.choice(&known) else { continue };
        let chosen = preset.as_slice();
        for preset in if chosen.is_empty() { &Preset::ALL[..] } else { chosen } {
            match presets.contains(preset) {
                true => element.error("the preset is in the list already"),
                false => presets.push(*preset),
            }
        }
    }
    presets
}

/// A rule, unless it has a mistake, which is reported.
fn rule(field: &Field<'_>) -> Option<Rule> {
    let mapping = field.mapping(RULE_KEYS);
    let action = action(&mapping);
    let mut rule = Rule::new(action.clone()?);
    if let Some(name) = mapping.get("name").string() {
        if name.chars().any(char::is_control) {
            mapping.get("name").error("a name on one line is expected, without control characters");
        }
        rule = rule.with_name(name.to_owned());
    }
    rule = rule.with_keys(strings(&mapping.get("keys")).into_iter().map(str::to_owned));
    rule = patterns(&mapping.get("key_patterns")).into_iter().fold(rule, Rule::with_key_regex);
    if let Some(pattern) = values(&mapping.get("values")) {
        rule = rule.with_value_pattern(pattern);
    }
    if let Some(targets) = targets(&mapping.get("targets")) {
        rule = rule.with_targets(targets);
    }
    let only = mapping.get("strings_only");
    if only.has_value() {
        rule = rule.with_strings_only(only.boolean()?);
    }
    let bytes = mapping.get("hash_bytes");
    if bytes.has_value() {
        rule = rule.with_hash_bytes(bytes.integer(8..=32)? as usize);
    }
    if LISTS.iter().any(|list| is_empty(&mapping.get(list))) {
        return None;
    }
    match check_rule(0, &rule) {
        Ok(()) => Some(rule),
        Err(RedactError::Rule { message, .. } | RedactError::Pattern { message, .. }) => {
            field.error(message);
            None
        }
        Err(error) => {
            field.error(error.to_string());
            None
        }
    }
}

/// Whether a list has no element, which is reported: a rule without the list is another one.
fn is_empty(field: &Field<'_>) -> bool {
    let is_empty = field.exists() && has_none(field);
    if is_empty {
        field.error("the list is empty: leave out the key, or name at least one");
    }
    is_empty
}

fn has_none(list: &Field<'_>) -> bool {
    !list.has_value() || list.is_sequence() && list.sequence().is_empty()
}

/// The action, with the keys that it alone has.
fn action(mapping: &Mapping<'_>) -> Option<Action> {
    let name = mapping.get("action").required().choice(ACTIONS);
    for (key, of) in
        [("to", Kind::Rename), ("characters", Kind::Truncate), ("hash_bytes", Kind::Hash)]
    {
        let field = mapping.get(key);
        if field.exists() && name.is_some_and(|name| name != of) {
            let of = ACTIONS.iter().find(|(_, kind)| *kind == of).map_or("", |(name, _)| name);
            field.error(format!("only the action `{of}` has it"));
        }
    }
    Some(match name? {
        Kind::Allow => Action::Allow,
        Kind::Ignore => Action::Ignore,
        Kind::Delete => Action::Delete,
        Kind::Mask => Action::Mask,
        Kind::Hash => Action::Hash,
        Kind::Truncate => {
            let characters = mapping.get("characters").required();
            if !characters.has_value() {
                return None;
            }
            Action::Truncate(characters.integer(0..=i64::from(u32::MAX))? as usize)
        }
        Kind::Rename => Action::Rename(mapping.get("to").required().string()?.to_owned()),
    })
}

/// The patterns of a list as one.
fn values(field: &Field<'_>) -> Option<String> {
    let mut patterns = patterns(field);
    if patterns.len() < 2 {
        return patterns.pop();
    }
    let all: Vec<String> = patterns.iter().map(|pattern| format!("(?:{pattern})")).collect();
    let joined = all.join("|");
    match check_pattern(&joined) {
        Ok(()) => Some(joined),
        Err(message) => {
            field.error(format!("the patterns together: {message}"));
            None
        }
    }
}

/// The targets of a list; `None` without one.
fn targets(field: &Field<'_>) -> Option<Targets> {
    let known = Target::ALL.map(|target| (target.name(), target));
    let targets: Vec<Option<Target>> =
        elements(field).iter().map(|element| element.choice(&known)).collect();
    // One with a mistake has been reported.
    let targets: Vec<Target> = targets.into_iter().collect::<Option<_>>()?;
    (!targets.is_empty()).then(|| Targets::of(targets))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Allow,
    Ignore,
    Delete,
    Mask,
    Hash,
    Truncate,
    Rename,
}

const ACTIONS: &[(&str, Kind)] = &[
    ("allow", Kind::Allow),
    ("ignore", Kind::Ignore),
    ("delete", Kind::Delete),
    ("mask", Kind::Mask),
    ("hash", Kind::Hash),
    ("truncate", Kind::Truncate),
    ("rename", Kind::Rename),
];

pub(super) const KEYS: &[&str] = &["rules", "presets", "hash_key"];
const RULE_KEYS: &[&str] = &[
    "name",
    "action",
    "keys",
    "key_patterns",
    "values",
    "targets",
    "strings_only",
    "hash_bytes",
    "characters",
    "to",
];
const LISTS: &[&str] = &["keys", "key_patterns", "values", "targets"];
