//! `${NAME}`, `${env:NAME}`, `${NAME:-default}` and `$$` in scalars.
//!
//! Specification: [configuration data model, environment variable substitution][spec].
//!
//! [spec]: https://opentelemetry.io/docs/specs/otel/configuration/data-model/#environment-variable-substitution

use std::borrow::Cow;

/// Reads the value of an environment variable; `None` when it is not set or not UTF-8.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A text after substitution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Substituted<'t> {
    pub text: Cow<'t, str>,
    /// The variables without a value whose references have no default.
    pub unset: Vec<&'t str>,
}

/// A reason why a text cannot be replaced. It never has the text: that may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SubstitutionError {
    /// A `${…}` is no reference.
    NoReference,
    /// The result has more bytes than are accepted.
    TooLarge,
}

/// The text with its references replaced, from left to right and once: a value is never looked at again. The result has at
/// most `max_bytes`; of a larger one, no more than one value is in memory.
pub(crate) fn substitute<'t>(
    text: &'t str,
    environment: &Environment<'_>,
    max_bytes: usize,
) -> Result<Substituted<'t>, SubstitutionError> {
    if !text.contains('$') {
        return Ok(Substituted { text: Cow::Borrowed(text), unset: Vec::new() });
    }
    let mut output = Output { text: String::new(), max_bytes, unset: Vec::new() };
    // The text between two `$$` is replaced on its own: a reference never reaches over an escape.
    for (index, part) in text.split("$$").enumerate() {
        if index > 0 {
            output.push("$")?;
        }
        output.replace_references(part, environment)?;
    }
    Ok(Substituted { text: Cow::Owned(output.text), unset: output.unset })
}

struct Output<'t> {
    text: String,
    max_bytes: usize,
    unset: Vec<&'t str>,
}

impl<'t> Output<'t> {
    fn replace_references(
        &mut self,
        mut text: &'t str,
        environment: &Environment<'_>,
    ) -> Result<(), SubstitutionError> {
        while let Some((before, rest)) = text.split_once("${") {
            let Some((content, after)) = content_of(rest) else {
                let seen = text.len() - after_text(rest).len();
                self.push(text.get(..seen).unwrap_or_default())?;
                text = after_text(rest);
                continue;
            };
            self.push(before)?;
            let reference = Reference::parse(content).ok_or(SubstitutionError::NoReference)?;
            // An empty variable counts as one that is not set.
            match environment(reference.name).filter(|value| !value.is_empty()) {
                Some(value) => self.push(&value)?,
                None => {
                    self.push(reference.default.unwrap_or_default())?;
                    if reference.default.is_none() && self.unset.len() < MAX_NAMES {
                        self.unset.push(reference.name);
                    }
                }
            }
            text = after;
        }
        self.push(text)
    }

    fn push(&mut self, text: &str) -> Result<(), SubstitutionError> {
        // The check precedes the copy: a variable may have 128 KiB, and a file 200,000 references to it.
        if self.text.len() + text.len() > self.max_bytes {
            return Err(SubstitutionError::TooLarge);
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// The names of the variables in the references of a text whose references are well formed: each once, the first
/// [`MAX_NAMES`] of them.
pub fn referenced(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for mut part in text.split("$$") {
        while let Some((_, rest)) = part.split_once("${") {
            let Some((content, after)) = content_of(rest) else {
                part = after_text(rest);
                continue;
            };
            part = after;
            if let Some(Reference { name, .. }) = Reference::parse(content)
                && names.len() < MAX_NAMES
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
    }
    names
}

/// The content of a `${…}` that `rest` goes on after its `${`, and the text after it; `None` if the `${` is text like any other.
fn content_of(rest: &str) -> Option<(&str, &str)> {
    let end = rest.find(|letter| letter == '}' || !is_printable(letter))?;
    Some((rest.get(..end)?, rest.get(end..)?.strip_prefix('}')?))
}

/// The text after the character that makes the `${` in front of `rest` no reference. Each `${` up to there is text too: to
/// examine them one by one would take the square of the length.
fn after_text(rest: &str) -> &str {
    let end = rest.find(|letter| !is_printable(letter)).unwrap_or(rest.len());
    rest.get(end..)
        .and_then(|rest| rest.strip_prefix(|letter| !is_printable(letter)))
        .unwrap_or_default()
}

/// The grammar's characters of a reference.
fn is_printable(letter: char) -> bool {
    matches!(letter, ' '..='~' | '\t')
}

/// The content of `${…}`.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'t> {
    name: &'t str,
    /// `None` without `:-`.
    default: Option<&'t str>,
}

impl<'t> Reference<'t> {
    fn parse(content: &'t str) -> Option<Self> {
        let named = content.strip_prefix("env:").unwrap_or(content);
        let (name, default) = match named.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (named, None),
        };
        let starts = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        let goes_on = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        (starts && goes_on).then_some(Self { name, default })
    }
}

/// The most variables that are named for one text.
const MAX_NAMES: usize = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::{SubstitutionError, substitute};
    use proptest::prelude::*;

    fn replaced_within(text: &str, max_bytes: usize) -> Result<String, SubstitutionError> {
        let environment = |name: &str| (name == "A").then(|| "${B}$$".to_owned());
        substitute(text, &environment, max_bytes).map(|substituted| substituted.text.into_owned())
    }

    fn replaced(text: &str) -> Result<String, SubstitutionError> {
        replaced_within(text, usize::MAX)
    }

    #[test]
    fn the_result_has_a_bound() {
        let text = "-${A}-$$";
        assert_eq!(replaced_within(text, 9), Ok("-${B}$$-$".to_owned()));
        for max_bytes in 0..9 {
            assert_eq!(replaced_within(text, max_bytes), Err(SubstitutionError::TooLarge));
        }
    }

    #[test]
    fn a_variable_without_a_value_and_a_default_is_named() {
        let environment = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let text = "${A} ${B} ${C:-} ${D:-x} ${env:EMPTY} $${E} ${B";
        let substituted = substitute(text, &environment, usize::MAX).unwrap();
        assert_eq!(substituted.unset, ["B", "EMPTY"]);
        assert_eq!(substituted.text, "a   x  ${E} ${B");
    }

    #[test]
    fn references_have_names() {
        // A default is no reference.
        let text = "${A}$${B} ${env:C:-${D}} ${\u{e4}${E}";
        assert_eq!(super::referenced(text), ["A", "C", "E"]);
        assert_eq!(super::referenced("${A} ${B} ${A}"), ["A", "B"]);
        assert!(super::referenced("$A {B}").is_empty());
        let many: String = (0..1_000).map(|number| format!("${{A{number}}}")).collect();
        assert_eq!(super::referenced(&many).len(), super::MAX_NAMES);
    }

    #[test]
    fn a_value_is_not_looked_at_again() {
        assert_eq!(replaced("-${A}-"), Ok("-${B}$$-".to_owned()));
    }

    #[test]
    fn what_is_not_closed_or_not_printable_is_text() {
        for text in ["${A", "$", "$A", "{A}", "${A\u{7f}}", "${ä}", "a\n${A\n}"] {
            assert_eq!(replaced(text), Ok(text.to_owned()));
        }
        assert_eq!(replaced("${ä${A}"), Ok("${ä${B}$$".to_owned()));
    }

    #[test]
    fn an_open_reference_takes_no_time_of_the_square_of_the_text() {
        let started = std::time::Instant::now();
        for part in ["${\u{e4}", "${", "$${"] {
            for end in ["}", "\u{e4}}", ""] {
                let text = format!("{}{end}", part.repeat(250_000));
                let _answered = (replaced(&text), super::referenced(&text));
            }
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for content in ["", "1A", "A:?error", "env:", "env:1", "A B", "file:/x", "A:", "A-x"] {
            let replaced = replaced(&format!("x${{{content}}}y"));
            assert_eq!(replaced, Err(SubstitutionError::NoReference), "{content}");
        }
    }

    proptest! {
        #[test]
        fn a_text_of_escaped_dollars_comes_back(text in "[ -~]*") {
            let escaped = text.replace('$', "$$");
            prop_assert_eq!(replaced(&escaped), Ok(text));
        }
    }
}
