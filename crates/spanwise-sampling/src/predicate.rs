//! The predicate of a rule.

use crate::parameters::SamplingParameters;
use crate::pattern::Pattern;
use spanwise_wire::{SpanKind, Value};

/// A predicate over spans (specification, *Predicate* of *ComposableRuleBased*): every condition
/// that is set must hold. Without conditions it matches every span.
///
/// In patterns `*` matches any number of characters, also none, and `?` exactly one.
#[derive(Debug, Clone, Default)]
pub struct SpanPredicate {
    name: Option<Pattern>,
    scope: Option<Pattern>,
    kinds: Option<Vec<SpanKind>>,
    parents: Option<Vec<ParentKind>>,
    attributes: Vec<(String, AttributeCondition)>,
}

/// The parent that a span has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParentKind {
    /// No parent: the span is a root.
    None,
    /// A span of another process.
    Remote,
    /// A span of this process.
    Local,
}

/// A condition for the value of an attribute.
#[derive(Debug, Clone)]
enum AttributeCondition {
    Pattern(Pattern),
    OneOf(Vec<String>),
    Patterns { included: Option<Vec<Pattern>>, excluded: Vec<Pattern> },
}

impl SpanPredicate {
    /// Matches every span.
    pub fn any() -> Self {
        Self::default()
    }

    /// The name of the span matches `pattern`.
    #[must_use]
    pub fn name(mut self, pattern: &str) -> Self {
        self.name = Some(Pattern::new(pattern));
        self
    }

    /// The name of the instrumentation scope matches `pattern`.
    #[must_use]
    pub fn scope(mut self, pattern: &str) -> Self {
        self.scope = Some(Pattern::new(pattern));
        self
    }

    /// The kind of the span is `kind`.
    #[must_use]
    pub fn kind(self, kind: SpanKind) -> Self {
        self.kinds([kind])
    }

    /// The kind of the span is one of `kinds`.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = SpanKind>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// The span has no parent (`true`), or has one (`false`).
    #[must_use]
    pub fn root(self, root: bool) -> Self {
        match root {
            true => self.parents([ParentKind::None]),
            false => self.parents([ParentKind::Remote, ParentKind::Local]),
        }
    }

    /// The parent of the span is one of `parents`.
    #[must_use]
    pub fn parents(mut self, parents: impl IntoIterator<Item = ParentKind>) -> Self {
        self.parents = Some(parents.into_iter().collect());
        self
    }

    /// The initial attributes of the span include `key`, and its value matches `pattern`: a string,
    /// or the text of a number or boolean. Lists match no pattern.
    #[must_use]
    pub fn attribute(self, key: impl Into<String>, pattern: &str) -> Self {
        self.with(key, AttributeCondition::Pattern(Pattern::new(pattern)))
    }

    /// The initial attributes of the span include `key`, and its value, as text, is one of `values`.
    #[must_use]
    pub fn attribute_values<V: Into<String>>(
        self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(key, AttributeCondition::OneOf(values.into_iter().map(V::into).collect()))
    }

    /// The initial attributes of the span include `key`; its value, as text, matches a pattern of `included`,
    /// which `None` does not limit, and none of `excluded`.
    #[must_use]
    pub fn attribute_patterns(
        self,
        key: impl Into<String>,
        included: Option<&[&str]>,
        excluded: &[&str],
    ) -> Self {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
        let (included, excluded) = (included.map(patterns), patterns(excluded));
        self.with(key, AttributeCondition::Patterns { included, excluded })
    }

    fn with(mut self, key: impl Into<String>, condition: AttributeCondition) -> Self {
        self.attributes.push((key.into(), condition));
        self
    }

    /// Whether every condition holds for `params`.
    pub fn matches(&self, params: &SamplingParameters<'_>) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&params.kind))
            && self.parents.as_ref().is_none_or(|parents| parents.contains(&ParentKind::of(params)))
            && self.name.as_ref().is_none_or(|pattern| pattern.matches(params.name))
            && self.scope.as_ref().is_none_or(|pattern| pattern.matches(params.scope))
            && self.attributes.iter().all(|(key, condition)| {
                params.attributes.get(key).is_some_and(|value| condition.holds(value))
            })
    }
}

impl ParentKind {
    fn of(params: &SamplingParameters<'_>) -> Self {
        match &params.parent {
            None => Self::None,
            Some(parent) if parent.remote => Self::Remote,
            Some(_) => Self::Local,
        }
    }
}

impl AttributeCondition {
    fn holds(&self, value: Value<'_>) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|it| it.matches_value(value));
        match self {
            Self::Pattern(pattern) => pattern.matches_value(value),
            Self::OneOf(values) => values.iter().any(|expected| is_text(value, expected)),
            Self::Patterns { included, excluded } => {
                included.as_deref().is_none_or(any) && !any(excluded)
            }
        }
    }
}

/// Whether the text of a string, number or boolean is `expected`.
fn is_text(value: Value<'_>, expected: &str) -> bool {
    match value {
        Value::Str(text) => text == expected,
        Value::Bool(bool) => expected == if bool { "true" } else { "false" },
        Value::I64(number) => number.to_string() == expected,
        Value::F64(number) => number.to_string() == expected,
        _ => false,
    }
}
