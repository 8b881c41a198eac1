//! A rule that a world broke.

use std::fmt;

/// A broken rule, with what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, in a few words.
    pub rule: &'static str,
    /// The numbers.
    pub details: String,
}

/// The result of a step that the judge has checked.
pub type Checked<T = ()> = Result<T, Violation>;

/// Checks one rule; `details` is called only when it is broken.
///
/// # Errors
/// The violation, unless `holds`.
pub fn require(holds: bool, rule: &'static str, details: impl FnOnce() -> String) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(Violation { rule, details: details() }),
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.details)
    }
}
