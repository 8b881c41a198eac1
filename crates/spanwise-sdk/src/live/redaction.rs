//! The counts of redaction.

/// The counts of redaction since the provider was built, without keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveRedaction {
    /// The rules in their order; those with equal names are one.
    pub rules: Vec<LiveRule>,
    /// Number of values that no rule could read, which were deleted.
    pub failures: u64,
}

/// The count of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveRule {
    /// Its name.
    pub name: String,
    /// Number of values, names and messages that it changed or deleted.
    pub values: u64,
}
