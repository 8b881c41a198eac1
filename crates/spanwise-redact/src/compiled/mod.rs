//! Rules as matchers of keys and values.

mod keys;
mod pattern;
mod rule_set;
mod rules;
mod scanner;

#[cfg(feature = "config")]
pub(crate) use pattern::check as check_pattern;
pub(crate) use rule_set::RuleSet;
#[cfg(feature = "config")]
pub(crate) use rules::check as check_rule;
pub(crate) use rules::{CompiledRule, CompiledRules};
