//! One rule.

use super::action::Action;
use super::target::Targets;
use crate::rewrite::Masking;
use std::borrow::Cow;

/// A rule: an action for the attributes, names and messages that it matches.
///
/// Rules apply in their order, each to the result of those before. Keys are patterns with `*` for any characters and `?` for one:
/// `http.request.header.*`. A rule without keys matches all attributes, and names and messages.
///
/// ```
/// use spanwise_redact::{Action, Rule, Target, Targets};
///
/// let rule = Rule::new(Action::Mask)
///     .with_keys(["user.*", "enduser.id"])
///     .with_value_pattern(r"\d{4,}")
///     .with_targets(Targets::of([Target::SpanAttribute]));
/// # drop(rule);
/// ```
#[derive(Debug, Clone)]
pub struct Rule {
    pub(crate) name: Cow<'static, str>,
    pub(crate) targets: Targets,
    /// Empty: every key.
    pub(crate) keys: Vec<KeyPattern>,
    pub(crate) value: Option<ValuePattern>,
    pub(crate) action: Action,
    /// Bytes of a hash.
    pub(crate) hash_bytes: usize,
    /// Whether the value pattern is for strings alone.
    pub(crate) is_for_strings: bool,
}

/// A pattern of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyPattern {
    /// `*` for any characters and `?` for one.
    Glob(Cow<'static, str>),
    /// The same in lower case, for keys in any case.
    GlobOfAnyCase(&'static str),
    /// A regular expression, which may match a part of the key.
    Regex(Cow<'static, str>),
}

/// A pattern of values, and the replacement of a match.
#[derive(Debug, Clone)]
pub(crate) struct ValuePattern {
    pub(crate) text: Cow<'static, str>,
    /// The whole value is the match; the pattern has a match in every value that the replacement changes.
    pub(crate) is_whole: bool,
    /// Replaces the secret parts of a match. `None`: the whole match.
    pub(crate) replace: Option<Replace>,
}

impl KeyPattern {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Glob(text) | Self::Regex(text) => text,
            Self::GlobOfAnyCase(text) => text,
        }
    }
}

/// Appends `matched` with its secret parts replaced; false if there are none.
pub(crate) type Replace = fn(matched: &str, out: &mut Masking<'_>) -> bool;

impl Rule {
    /// A rule for all values of all attributes, names and messages.
    pub fn new(action: Action) -> Self {
        let targets = match action {
            // Names and messages have no key.
            Action::Allow | Action::Rename(_) => Targets::SPAN_ATTRIBUTES,
            _ => Targets::ALL,
        };
        Self {
            name: Cow::Borrowed(""),
            targets,
            keys: Vec::new(),
            value: None,
            action,
            hash_bytes: DEFAULT_HASH_BYTES,
            is_for_strings: false,
        }
    }

    /// Retains attributes of spans, events and links with these keys, and deletes the others.
    pub fn allow<K: Into<Cow<'static, str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::new(Action::Allow).with_keys(keys)
    }

    /// Deletes attributes with these keys.
    pub fn delete<K: Into<Cow<'static, str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::new(Action::Delete).with_keys(keys)
    }

    /// Masks the values of attributes with these keys.
    pub fn mask<K: Into<Cow<'static, str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::new(Action::Mask).with_keys(keys)
    }

    /// Hashes the values of attributes with these keys.
    pub fn hash<K: Into<Cow<'static, str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::new(Action::Hash).with_keys(keys)
    }

    /// Leaves attributes with these keys as they are: no rule behind this one applies to them.
    pub fn ignore<K: Into<Cow<'static, str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::new(Action::Ignore).with_keys(keys)
    }

    /// Renames the attribute `from` to `to`, in spans, events and links.
    pub fn rename(from: impl Into<Cow<'static, str>>, to: impl Into<String>) -> Self {
        Self::new(Action::Rename(to.into())).with_keys([from])
    }

    /// Masks all matches of `pattern` in all values, names and messages.
    pub fn mask_values(pattern: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Action::Mask).with_value_pattern(pattern)
    }

    /// The rule's name in counts, explanations and errors; without one, its action.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds patterns of keys: `*` is any characters, `?` one. Entries of maps match by their own key, and by the keys of the attribute and
    /// of the maps around them, joined by dots; rules that allow, ignore or rename are for attributes alone.
    #[must_use]
    pub fn with_keys<K: Into<Cow<'static, str>>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        self.keys.extend(keys.into_iter().map(|key| KeyPattern::Glob(key.into())));
        self
    }

    /// Adds globs in lower case without `?`, which match keys in any case.
    pub(crate) fn with_keys_of_any_case(mut self, keys: &[&'static str]) -> Self {
        self.keys.extend(keys.iter().copied().map(KeyPattern::GlobOfAnyCase));
        self
    }

    /// Adds a regular expression of keys, which may match a part of the key.
    #[must_use]
    pub fn with_key_regex(mut self, pattern: impl Into<Cow<'static, str>>) -> Self {
        self.keys.push(KeyPattern::Regex(pattern.into()));
        self
    }

    /// Restricts the rule to values with a match of this regular expression. It is matched in linear time; its classes, such as `\d`
    /// and `\w`, and `(?i)` are those of ASCII. Numbers match in decimal digits, and elements of arrays and maps one by one.
    #[must_use]
    pub fn with_value_pattern(mut self, pattern: impl Into<Cow<'static, str>>) -> Self {
        self.value = Some(ValuePattern { text: pattern.into(), is_whole: false, replace: None });
        self
    }

    /// Has matches replaced by a function.
    pub(crate) fn with_replacement(mut self, pattern: &'static str, replace: Replace) -> Self {
        let text = Cow::Borrowed(pattern);
        self.value = Some(ValuePattern { text, is_whole: false, replace: Some(replace) });
        self
    }

    /// Has whole values replaced by a function. It leaves values without a match of `sieve` as they are.
    pub(crate) fn with_function(mut self, sieve: &'static str, replace: Replace) -> Self {
        let text = Cow::Borrowed(sieve);
        self.value = Some(ValuePattern { text, is_whole: true, replace: Some(replace) });
        self
    }

    /// Restricts the value pattern to attributes that are strings: numbers, bytes, arrays and maps do not match, as in the Collector's
    /// processor `redaction`. Default: all values.
    #[must_use]
    pub fn with_strings_only(mut self, is_for_strings: bool) -> Self {
        self.is_for_strings = is_for_strings;
        self
    }

    /// Bytes of the digest that a hash retains, 8 to 32: default 16. All 32 are equal to the Collector's `hmac-sha256` of the same key.
    #[must_use]
    pub fn with_hash_bytes(mut self, bytes: usize) -> Self {
        self.hash_bytes = bytes;
        self
    }

    /// Replaces the targets.
    #[must_use]
    pub fn with_targets(mut self, targets: Targets) -> Self {
        self.targets = targets;
        self
    }

    /// The regular expression of values, if the rule has one.
    pub fn value_pattern(&self) -> Option<&str> {
        self.value.as_ref().filter(|value| !value.is_whole).map(|value| &*value.text)
    }

    /// The name in counts and explanations.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { self.action.name() } else { &self.name }
    }
}

/// Bytes of a hash: no two of 2³² values have the same, but for one in 2⁶⁴.
const DEFAULT_HASH_BYTES: usize = 16;
