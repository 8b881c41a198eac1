//! Rules as matchers of keys and values.

mod keys;
mod pattern;
mod rule_set;
mod rules;
mod scanner;

pub(crate) use rule_set::RuleSet;
pub(crate) use rules::{CompiledRule, CompiledRules};
