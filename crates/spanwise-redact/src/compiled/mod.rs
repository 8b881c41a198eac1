//! Rules as matchers of keys and values.

mod keys;
mod pattern;
mod rules;
mod scanner;

pub(crate) use rules::{CompiledRule, CompiledRules, RuleSet};
