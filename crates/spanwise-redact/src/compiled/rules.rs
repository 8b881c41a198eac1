//! The rules of a redactor, compiled.

use super::keys::KeyMatcher;
use super::pattern::{compile, of_key};
use super::rule_set::RuleSet;
use super::scanner::Scanner;
use crate::error::RedactError;
use crate::rule::{Action, KeyPattern, Rule, Target, Targets, ValuePattern};
use regex_automata::meta;
use std::collections::HashSet;

/// A rule with its compiled value pattern.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Rule,
    pub(crate) pattern: Option<meta::Regex>,
}

/// All rules, with what decides quickly which of them apply.
#[derive(Debug)]
pub(crate) struct CompiledRules {
    rules: Vec<CompiledRule>,
    keys: KeyMatcher,
    /// The rules of each target.
    of_target: [RuleSet; Target::ALL.len()],
    /// The rules that retain keys.
    allow: RuleSet,
    /// The rules that leave values to no rule behind them.
    ignore: RuleSet,
    /// The rules with a value pattern and without keys, which `scanner` knows.
    scanned: RuleSet,
    scanner: Scanner,
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
        let mut compiled = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            check(index, rule)?;
            let pattern = rule.value.as_ref().map(|value| {
                compile(&value.text).map_err(|it| pattern_error(index, rule, &value.text, it))
            });
            compiled.push(CompiledRule { rule: rule.clone(), pattern: pattern.transpose()? });
        }
        let whole = |message: String| RedactError::Rule {
            index: rules.len().saturating_sub(1),
            name: "all".to_owned(),
            message,
        };
        let keys = KeyMatcher::new(&rules).map_err(whole)?;
        let set = |holds: &dyn Fn(&Rule) -> bool| RuleSet::of(&rules, holds);
        let ignore = set(&|rule| rule.action == Action::Ignore);
        let scanned = set(&|rule| rule.value.is_some() && rule.keys.is_empty()).without(ignore);
        let texts: Vec<&str> = scanned
            .iter()
            .filter_map(|it| rules.get(it)?.value.as_ref())
            .map(|it| &*it.text)
            .collect();
        let scanner = Scanner::new(&texts).map_err(whole)?;
        Ok(Self {
            keys,
            of_target: Target::ALL.map(|target| set(&|rule| rule.targets.contains(target))),
            allow: set(&|rule| rule.action == Action::Allow),
            ignore,
            scanned,
            scanner,
            rules: compiled,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&CompiledRule> {
        self.rules.get(index)
    }

    /// Whether no rule has this target.
    #[inline]
    pub(crate) fn is_free(&self, target: Target) -> bool {
        self.target(target).is_empty()
    }

    /// The rules for an attribute with this key, but for those that retain keys.
    #[inline]
    pub(crate) fn of_attribute(&self, target: Target, key: &[u8]) -> RuleSet {
        self.keys.rules(key).and(self.target(target))
    }

    /// The rules for a name or message: those without keys.
    #[inline]
    pub(crate) fn of_text(&self, target: Target) -> RuleSet {
        self.keys.always().and(self.target(target))
    }

    /// The first rule that deletes the attribute with these rules because none of those that retain keys of its target has its key.
    #[inline]
    pub(crate) fn not_allowed(&self, target: Target, rules: RuleSet) -> Option<usize> {
        let allow = self.target(target).and(self.allow);
        if allow.is_empty() || !rules.and(allow).is_empty() { None } else { allow.iter().next() }
    }

    /// Of these rules, those that may change a value. `values` returns whether a pattern that the scanner knows may match in it.
    #[inline]
    pub(crate) fn that_may_change(
        &self,
        rules: RuleSet,
        is_match: impl FnOnce(&dyn Fn(&[u8]) -> bool) -> bool,
    ) -> RuleSet {
        let rules = rules.without(self.allow);
        let scanned = rules.and(self.scanned);
        let rules = match scanned.is_empty() || is_match(&|bytes| self.scanner.is_match(bytes)) {
            true => rules,
            false => rules.without(scanned),
        };
        // Rules that ignore change nothing by themselves.
        if rules.without(self.ignore).is_empty() { RuleSet::default() } else { rules }
    }

    #[inline]
    fn target(&self, target: Target) -> RuleSet {
        self.of_target.get(target as usize).copied().unwrap_or_default()
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
        _ => {}
    }
    let mut seen = HashSet::new();
    for key in &rule.keys {
        let (KeyPattern::Glob(text) | KeyPattern::Regex(text)) = key;
        if text.is_empty() {
            return error("it has an empty key pattern");
        }
        if seen.insert(text)
            && let Err(message) = compile(&of_key(key))
        {
            return Err(pattern_error(index, rule, text, message));
        }
    }
    match &rule.value {
        Some(ValuePattern { text, .. }) if text.is_empty() => error("its value pattern is empty"),
        _ => Ok(()),
    }
}

fn pattern_error(index: usize, rule: &Rule, pattern: &str, message: String) -> RedactError {
    let pattern = pattern.chars().take(80).collect();
    RedactError::Pattern { index, name: rule.name().to_owned(), pattern, message }
}
