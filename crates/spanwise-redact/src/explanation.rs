//! The actions of rules on a span.

use crate::rule::Target;
use std::fmt;

/// One action of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Index of the rule, those of presets included, in the order in which they were added. `None`: the bytes could not be read, and no
    /// rule asked for them.
    pub rule: Option<usize>,
    /// Name of the rule; empty without one.
    pub name: String,
    /// The action: `mask`, `delete`; `failed` if the value could not be read, and was deleted.
    pub action: &'static str,
    /// The part of the span; `None` if the bytes that could not be read belong to no known one.
    pub target: Option<Target>,
    /// The key of the attribute before the rule; empty for a name or message.
    pub key: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, name, action, target, key } = self;
        match rule {
            Some(rule) => write!(f, "rule {rule} ({name}): {action}")?,
            None => f.write_str(action)?,
        }
        write!(f, " {}", target.map_or("bytes that are no part of a span", Target::name))?;
        if key.is_empty() { Ok(()) } else { write!(f, "[{key:?}]") }
    }
}
