//! `string_attribute`

use std::time::Duration;

use super::attribute::{Matching, Place};
use super::compat::Compat;
use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::keys::{KeyIndex, KeyPool};
use crate::pattern::{Pattern, PatternError};
use crate::trace_view::TraceView;

/// Samples traces in which a resource or a span has a string attribute with one of some values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StringAttributePolicy {
    /// The attribute's key.
    pub key: String,
    /// The values, or regular expressions, which are not anchored. Without expressions, an empty value matches nothing.
    pub values: Vec<String>,
    /// Whether `values` are regular expressions of RE2's syntax.
    pub enabled_regex_matching: bool,
    /// Accepted for the Collector's sake (`cache_max_size`): expressions run in linear time without a cache.
    pub cache_max_size: u32,
    /// Samples the traces without such an attribute instead.
    pub invert_match: bool,
}

impl StringAttributePolicy {
    /// Samples traces in which `key` has one of `values`.
    pub fn new<V: Into<String>>(
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self { key: key.into(), values, ..Self::default() }
    }

    /// Reads the values as regular expressions.
    #[must_use]
    pub fn with_regex(self) -> Self {
        Self { enabled_regex_matching: true, ..self }
    }

    /// Samples the traces without such a value instead.
    #[must_use]
    pub fn inverted(self) -> Self {
        Self { invert_match: true, ..self }
    }
}

pub(crate) struct StringAttribute {
    key: KeyIndex,
    values: Values,
    matching: Matching,
}

enum Values {
    Exact(Vec<Box<str>>),
    Patterns(Vec<Pattern>),
}

impl StringAttribute {
    pub(crate) fn new(
        policy: &StringAttributePolicy,
        compat: Compat,
        keys: &KeyPool,
    ) -> Result<Self, PatternError> {
        let values = &policy.values;
        let values = if policy.enabled_regex_matching {
            Values::Patterns(
                values.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?,
            )
        } else {
            let values = values.iter().filter(|value| !value.is_empty());
            Values::Exact(values.map(|value| value.as_str().into()).collect())
        };
        let matching = Matching::new(policy.invert_match, compat);
        Ok(Self { key: keys.index(&policy.key), values, matching })
    }
}

impl Evaluate for StringAttribute {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        let values = &self.values;
        Ok(self.matching.decide(trace, self.key, |place, value| {
            // The Collector reads a value of another type as an empty string, which only a resource may have.
            let text = value.as_str().unwrap_or_default();
            match values {
                _ if text.is_empty() && place == Place::Span => false,
                Values::Exact(values) => values.iter().any(|value| **value == *text),
                Values::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(text)),
            }
        }))
    }
}
