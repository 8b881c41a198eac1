//! `${NAME}`, `${env:NAME}`, `${NAME:-default}` and `$$` in scalars.
//!
//! Specification: [configuration data model, environment variable substitution][spec].
//!
//! [spec]: https://opentelemetry.io/docs/specs/otel/configuration/data-model/#environment-variable-substitution

use std::borrow::Cow;

/// Reads the value of an environment variable; `None` when it is not set or not UTF-8.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The text with its references replaced, from left to right and once: a value is never looked at again.
///
/// # Errors
/// The content of a `${…}` that is no reference.
pub fn substitute<'t>(
    text: &'t str,
    environment: &Environment<'_>,
) -> Result<Cow<'t, str>, &'t str> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut output = String::with_capacity(text.len());
    // The text between two `$$` is replaced on its own: a reference never reaches over an escape.
    for (index, part) in text.split("$$").enumerate() {
        if index > 0 {
            output.push('$');
        }
        replace_references(part, environment, &mut output)?;
    }
    Ok(Cow::Owned(output))
}

fn replace_references<'t>(
    mut text: &'t str,
    environment: &Environment<'_>,
    output: &mut String,
) -> Result<(), &'t str> {
    while let Some((before, rest)) = text.split_once("${") {
        let Some((content, after)) = rest.split_once('}') else { break };
        // The grammar's characters; a `${` with others is text like any other.
        if !content.chars().all(|letter| matches!(letter, ' '..='~' | '\t')) {
            let seen = before.len() + "${".len();
            output.push_str(text.get(..seen).unwrap_or_default());
            text = rest;
            continue;
        }
        output.push_str(before);
        output.push_str(&Reference::parse(content)?.resolve(environment));
        text = after;
    }
    output.push_str(text);
    Ok(())
}

/// The names of the variables in the references of a text whose references are well formed.
pub fn referenced(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for mut part in text.split("$$") {
        while let Some((_, rest)) = part.split_once("${") {
            let reference = rest
                .split_once('}')
                .and_then(|(content, after)| Some((Reference::parse(content).ok()?, after)));
            // A `${` that opens no reference is text, as in the replacement.
            part = reference.as_ref().map_or(rest, |(_, after)| after);
            names.extend(reference.map(|(reference, _)| reference.name));
        }
    }
    names
}

/// The content of `${…}`.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'t> {
    name: &'t str,
    default: &'t str,
}

impl<'t> Reference<'t> {
    fn parse(content: &'t str) -> Result<Self, &'t str> {
        let named = content.strip_prefix("env:").unwrap_or(content);
        let (name, default) = named.split_once(":-").unwrap_or((named, ""));
        let starts = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        let goes_on = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if starts && goes_on { Ok(Self { name, default }) } else { Err(content) }
    }

    /// An empty variable counts as one that is not set.
    fn resolve(&self, environment: &Environment<'_>) -> Cow<'t, str> {
        match environment(self.name) {
            Some(value) if !value.is_empty() => Cow::Owned(value),
            _ => Cow::Borrowed(self.default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::substitute;
    use proptest::prelude::*;

    fn replaced(text: &str) -> Result<String, String> {
        let environment = |name: &str| (name == "A").then(|| "${B}$$".to_owned());
        substitute(text, &environment).map(Into::into).map_err(str::to_owned)
    }

    #[test]
    fn references_have_names() {
        // A default is no reference.
        let text = "${A}$${B} ${env:C:-${D}} ${\u{e4}${E}";
        assert_eq!(super::referenced(text), ["A", "C", "E"]);
        assert!(super::referenced("$A {B}").is_empty());
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
    fn what_is_no_reference_is_refused() {
        for content in ["", "1A", "A:?error", "env:", "env:1", "A B", "file:/x", "A:", "A-x"] {
            assert_eq!(replaced(&format!("x${{{content}}}y")), Err(content.to_owned()));
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
