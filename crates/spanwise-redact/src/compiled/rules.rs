//! The rules of a redactor, compiled.

use super::filter::Filter;
use super::keys::{KeyMatcher, KeyTest};
use super::needs::Needs;
use super::pattern::{compile, parse};
use super::rule_set::RuleSet;
use crate::error::RedactError;
use crate::rule::{Action, KeyPattern, Rule, Target, Targets};
use regex_automata::meta;
use std::collections::HashMap;

/// A rule with its compiled value pattern.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Rule,
    pub(crate) pattern: Option<meta::Regex>,
}

/// The rules of one target.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TargetRules {
    all: RuleSet,
    /// The rules that retain keys.
    allow: RuleSet,
    /// The rules with keys that reach entries of maps.
    nested: RuleSet,
}

/// All rules, with the tables that find those that apply.
#[derive(Debug)]
pub(crate) struct CompiledRules {
    rules: Vec<CompiledRule>,
    keys: KeyMatcher,
    of_target: [TargetRules; Target::ALL.len()],
    targets: Targets,
    /// The rules that retain keys.
    allow: RuleSet,
    /// The rules that leave values to no rule behind them.
    ignore: RuleSet,
    /// The rules with keys that reach entries of maps.
    nested: RuleSet,
    filter: Filter,
    /// The rules that rename to a key.
    renames: HashMap<Box<[u8]>, RuleSet>,
}

impl CompiledRules {
    /// Compiles the rules.
    ///
    /// # Errors
    /// The first rule that is wrong.
    pub(crate) fn new(rules: Vec<Rule>) -> Result<Self, RedactError> {
        if rules.len() > RedactError::MAX_RULES {
            return Err(RedactError::TooManyRules { rules: rules.len() });
        }
        let (mut compiled, mut needs) = (Vec::with_capacity(rules.len()), Vec::new());
        let (mut tests, mut renames) = (Vec::new(), HashMap::<_, RuleSet>::new());
        for (index, rule) in rules.into_iter().enumerate() {
            check(index, &rule)?;
            if tests.len() + rule.keys.len() > RedactError::MAX_KEY_PATTERNS {
                let name = rule.name().to_owned();
                return Err(RedactError::TooManyKeyPatterns { index, name });
            }
            for key in &rule.keys {
                let wrong = |it| pattern_error(index, &rule, key.text(), it);
                let test = KeyTest::new(key).map_err(wrong)?;
                tests.push((test, index));
            }
            let mut pattern = None;
            if let Some(value) = &rule.value {
                let wrong = |message| pattern_error(index, &rule, &value.text, message);
                let expression = parse(&value.text).map_err(wrong)?;
                needs.push((index, Needs::of(&expression)));
                if !value.is_whole {
                    pattern = Some(compile(&expression).map_err(wrong)?);
                }
            }
            if let Action::Rename(to) = &rule.action {
                renames.entry(to.as_bytes().into()).or_default().insert(index);
            }
            compiled.push(CompiledRule { rule, pattern });
        }
        let set = |holds: &dyn Fn(&Rule) -> bool| RuleSet::of(&compiled, |it| holds(&it.rule));
        let allow = set(&|rule| rule.action == Action::Allow);
        let keyed = set(&|rule| !rule.keys.is_empty());
        let renaming = set(&|rule| matches!(rule.action, Action::Rename(_)));
        let ignore = set(&|rule| rule.action == Action::Ignore);
        let of_attributes = set(&|rule| rule.is_for_strings && rule.value.is_some());
        let nested = keyed.without(allow).without(renaming).without(ignore).without(of_attributes);
        let of_target = Target::ALL.map(|target| {
            let is_text = Targets::TEXTS.contains(target);
            // Names and messages have no key.
            let all =
                set(&|rule| rule.targets.contains(target) && (rule.keys.is_empty() || !is_text));
            TargetRules { all, allow: all.and(allow), nested: all.and(nested) }
        });
        let used = Target::ALL.into_iter().zip(&of_target).filter(|(_, it)| !it.all.is_empty());
        Ok(Self {
            keys: KeyMatcher::new(set(&|rule| rule.keys.is_empty()), tests),
            targets: Targets::of(used.map(|(target, _)| target)),
            of_target,
            allow,
            ignore,
            nested,
            filter: Filter::new(&needs, keyed),
            renames,
            rules: compiled,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&CompiledRule> {
        self.rules.get(index)
    }

    /// The targets that have a rule.
    #[inline]
    pub(crate) fn targets(&self) -> Targets {
        self.targets
    }

    /// The rules for an attribute with this key.
    #[inline]
    pub(crate) fn of_attribute(&self, target: Target, key: &[u8]) -> RuleSet {
        self.keys.rules(key).and(self.of_target(target).all)
    }

    /// Whether a quick look shows that no rule changes an attribute: its key was seen before, and its value is a string, a number or a
    /// bool.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, of_target: &TargetRules, key: &[u8], value: &[u8]) -> bool {
        let Some(rules) = self.keys.known(key) else { return false };
        let mut matched = rules.and(of_target.all);
        if !of_target.allow.is_empty() {
            if matched.and(of_target.allow).is_empty() {
                return false;
            }
            matched = matched.without(self.allow);
        }
        if matched.is_empty() {
            // Arrays and maps may have entries with keys of rules.
            return match value {
                [STRING, len @ ..0x80, text @ ..] => text.len() == usize::from(*len),
                [INT, ..0x80] | [INT, _, ..0x80] | [BOOL, _] => true,
                _ => false,
            };
        }
        if !matched.without(self.filter.rules()).without(self.ignore).is_empty() {
            return false;
        }
        let is_free = |number| self.filter.of_number(number).and(matched).is_empty();
        match value {
            [STRING, len @ ..0x80, text @ ..] if text.len() == usize::from(*len) => {
                self.filter.candidates(text, matched).is_empty()
            }
            [INT, low @ ..0x80] => is_free(i64::from(*low)),
            [INT, low, high @ ..0x80] => is_free(i64::from(low & 0x7f) | i64::from(*high) << 7),
            [BOOL, _] => true,
            _ => false,
        }
    }

    /// Whether no rule changes a name or message.
    #[inline]
    pub(crate) fn is_text_unchanged(&self, target: Target, text: &[u8]) -> bool {
        let matched = self.of_text(target);
        matched.without(self.filter.rules()).without(self.ignore).is_empty()
            && self.filter.candidates(text, matched).is_empty()
    }

    /// The rules whose keys have the key of an entry of a map.
    pub(crate) fn of_entry(&self, key: &[u8]) -> RuleSet {
        self.keys.rules(key).and(self.nested)
    }

    /// The rules for a name or message: those without keys.
    #[inline]
    pub(crate) fn of_text(&self, target: Target) -> RuleSet {
        self.keys.always().and(self.of_target(target).all)
    }

    /// The rules whose keys reach entries of maps in attributes.
    #[inline]
    pub(crate) fn nested(&self, target: Target) -> RuleSet {
        self.of_target(target).nested
    }

    /// Those of `rules` that change values, without those that retain keys.
    #[inline]
    pub(crate) fn without_allow(&self, rules: RuleSet) -> RuleSet {
        rules.without(self.allow)
    }

    /// These rules, or none if all of them ignore: they change nothing by themselves.
    #[inline]
    pub(crate) fn unless_ignoring(&self, rules: RuleSet) -> RuleSet {
        if rules.without(self.ignore).is_empty() { RuleSet::default() } else { rules }
    }

    /// The first rule that deletes the attribute with these rules because none of those that retain keys of its target has its key.
    #[inline]
    pub(crate) fn not_allowed(&self, target: Target, rules: RuleSet) -> Option<usize> {
        let allow = self.of_target(target).allow;
        if rules.and(allow).is_empty() { allow.next(0) } else { None }
    }

    /// The filter of value patterns.
    #[inline]
    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The rules that rename to this key.
    pub(crate) fn renaming_to(&self, key: &[u8]) -> RuleSet {
        self.renames.get(key).copied().unwrap_or_default()
    }

    /// The rules of a target.
    #[inline]
    pub(crate) fn of_target(&self, target: Target) -> &TargetRules {
        &self.of_target[target as usize]
    }
}

/// Checks that the parts of a rule fit together.
pub(crate) fn check(index: usize, rule: &Rule) -> Result<(), RedactError> {
    let error = |message: &str| {
        let (name, message) = (rule.name().to_owned(), message.to_owned());
        Err(RedactError::Rule { index, name, message })
    };
    if rule.targets.is_empty() {
        return error("it has no target: name at least one");
    }
    let has_texts = Targets::TEXTS.overlaps(rule.targets);
    match &rule.action {
        Action::Allow | Action::Rename(_) if rule.keys.is_empty() => {
            return error("it has no keys: allow and rename need them");
        }
        Action::Ignore if rule.keys.is_empty() && rule.value.is_none() => {
            return error("it ignores everything: name keys or a value pattern");
        }
        Action::Hash if !(8..=32).contains(&rule.hash_bytes) => {
            return error("its hashes have another length: 8 to 32 bytes are accepted");
        }
        Action::Allow | Action::Rename(_) if has_texts => {
            return error("its targets are not attributes alone: names and messages have no key");
        }
        Action::Allow | Action::Rename(_) | Action::Truncate(_) if rule.value.is_some() => {
            return error("it has a value pattern: ignore, delete, mask and hash accept one");
        }
        Action::Rename(to) if to.is_empty() => return error("its new key is empty"),
        _ if !rule.keys.is_empty() && !Targets::ATTRIBUTES.overlaps(rule.targets) => {
            return error("it has keys and no target with a key: names and messages have none");
        }
        _ => {}
    }
    let len = |key: &KeyPattern| key.text().len();
    if rule.keys.iter().any(|key| len(key) == 0) {
        return error("it has an empty key pattern");
    }
    if let Some(long) = rule.keys.iter().map(len).find(|len| *len > MAX_KEY_PATTERN) {
        let most = MAX_KEY_PATTERN;
        return error(&format!("its key pattern has {long} bytes: at most {most} are accepted"));
    }
    match rule.value_pattern() {
        Some("") => error("its value pattern is empty"),
        _ => Ok(()),
    }
}

fn pattern_error(index: usize, rule: &Rule, pattern: &str, message: String) -> RedactError {
    let pattern = pattern.chars().take(80).collect();
    RedactError::Pattern { index, name: rule.name().to_owned(), pattern, message }
}

/// The longest key pattern, in bytes.
const MAX_KEY_PATTERN: usize = 1_000;
const STRING: u8 = 1 << 3 | 2;
const BOOL: u8 = 2 << 3;
const INT: u8 = 3 << 3;
