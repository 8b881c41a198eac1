//! Values that several blocks have.

use super::go_pattern::translated;
use crate::compiled::check_pattern;
use crate::error::RedactError;
use spanwise_config::{Field, Mapping, Scalar};

/// A boolean; false without one.
pub(super) fn flag(mapping: &Mapping<'_>, key: &str) -> bool {
    let field = mapping.get(key);
    field.has_value() && field.boolean().unwrap_or_default()
}

/// The strings of a list; those of another type are reported.
pub(super) fn strings<'d>(field: &Field<'d>) -> Vec<&'d str> {
    elements(field).iter().filter_map(Field::string).collect()
}

/// The elements of a list; none of one that is too long, which is reported, as is an element without a value.
pub(super) fn elements<'d>(field: &Field<'d>) -> Vec<Field<'d>> {
    let elements = field.sequence();
    if elements.len() > MAX_ELEMENTS {
        let found = elements.len();
        field.error(format!("{found} elements: at most {MAX_ELEMENTS} are accepted"));
        return Vec::new();
    }
    let is_value = |element: &Field<'_>| {
        let is_value = element.has_value();
        if !is_value {
            element.error("a value is expected, not nothing");
        }
        is_value
    };
    elements.into_iter().filter(is_value).collect()
}

/// The regular expressions of a list that compile; the others are reported.
pub(super) fn patterns(field: &Field<'_>) -> Vec<String> {
    elements(field).iter().filter_map(|element| pattern(element, str::to_owned)).collect()
}

/// As [`patterns`], in Go's syntax.
pub(super) fn go_patterns(field: &Field<'_>) -> Vec<String> {
    elements(field).iter().filter_map(go_pattern).collect()
}

/// A regular expression in Go's syntax, in ours.
pub(super) fn go_pattern(field: &Field<'_>) -> Option<String> {
    pattern(field, translated)
}

fn pattern(field: &Field<'_>, translate: impl FnOnce(&str) -> String) -> Option<String> {
    let text = field.string()?;
    if text.is_empty() {
        field.error("the pattern is empty: it would match everywhere");
        return None;
    }
    let pattern = translate(text);
    match check_pattern(&pattern) {
        Ok(()) => Some(pattern),
        Err(message) => {
            // The text of the file, in which a variable has its name in place of its value.
            let source: String = field.source().unwrap_or_default().chars().take(80).collect();
            field.error(format!("the pattern {source:?} does not compile: {message}"));
            None
        }
    }
}

/// The expression of a key without patterns.
pub(super) fn exact_key(key: &str) -> String {
    let mut text = String::from("\\A");
    for letter in key.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != '_' {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push_str("\\z");
    text
}

/// A hash key of at least `min` bytes. No message shows it.
pub(super) fn hash_key(field: Field<'_>, min: usize) -> Option<Vec<u8>> {
    let field = field.secret();
    if !field.has_value() {
        return None;
    }
    if let Some(Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Float(_)) = field.any_scalar() {
        field.error("a string is expected; put it in quotes, also around a variable");
        return None;
    }
    let key = field.string()?;
    if key.len() < min {
        let found = key.len();
        field.error(format!("the key has {found} bytes: at least {min} are accepted"));
        return None;
    }
    if !field.is_substituted() {
        field.warning("the key is in the file itself; `${NAME}` reads an environment variable");
    }
    Some(key.as_bytes().to_vec())
}

/// The fewest bytes of a hash key of our own.
pub(super) const MIN_HASH_KEY: usize = RedactError::MIN_HASH_KEY;
/// The most elements of one list: a list of more compiles too slowly for the start of a program.
const MAX_ELEMENTS: usize = 1_000;
