//! Rules as matchers of keys and values.

mod byte_set;
mod filter;
mod glob;
mod key_sieve;
mod keys;
mod needs;
mod pattern;
mod rule_set;
mod rules;
mod seen;

#[cfg(feature = "config")]
pub(crate) use pattern::check as check_pattern;
pub(crate) use rule_set::RuleSet;
#[cfg(feature = "config")]
pub(crate) use rules::check as check_rule;
pub(crate) use rules::{CompiledRule, CompiledRules};
