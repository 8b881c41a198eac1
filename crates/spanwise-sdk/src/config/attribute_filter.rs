//! The choice among detected resource attributes.

use spanwise_sampling::__private::Pattern;

/// Patterns of keys with `*` and `?` (schema, *IncludeExclude*). Default: all keys are accepted.
#[derive(Debug, Clone, Default)]
pub(super) struct AttributeFilter {
    /// `None` includes all.
    pub(super) included: Option<Vec<Pattern>>,
    /// Precedes `included`.
    pub(super) excluded: Vec<Pattern>,
}

impl AttributeFilter {
    pub(super) fn accepts(&self, key: &str) -> bool {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(key));
        self.included.as_deref().is_none_or(matches) && !matches(&self.excluded)
    }
}
