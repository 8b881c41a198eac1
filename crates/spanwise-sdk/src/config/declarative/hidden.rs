//! Values of variables, which no message shows.

use super::super::redaction::{REDACTED, shown, shown_path};
use crate::diagnostics::sanitize;
use spanwise_config::{Field, Scalar};

/// Replaces the values of variables in messages of other crates.
#[derive(Clone, Default)]
pub(super) struct Hidden(Vec<(String, String)>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
}

impl Hidden {
    /// Hides the value of `field` if it came from a variable.
    pub(super) fn add(&mut self, field: &Field<'_>) {
        if field.is_substituted()
            && let Some(Scalar::String(value)) = field.any_scalar()
        {
            let instead = name_of(field);
            // As the message may have it.
            let path = value.strip_prefix("file://").unwrap_or(value);
            for value in [value.to_string(), shown(value), shown_path(value), path.to_owned()] {
                if !value.is_empty() {
                    self.0.push((value, instead.clone()));
                }
            }
        }
    }

    /// Hides `text`, a part of a value.
    pub(super) fn add_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.push((text.to_owned(), REDACTED.to_owned()));
        }
    }

    /// `message` without the values, from left to right and once: the replacement of a value is not looked at again.
    pub(super) fn hide(&self, message: &str) -> String {
        let mut shown = String::with_capacity(message.len());
        let mut rest = message;
        while let Some(letter) = rest.chars().next() {
            let is_here = |(value, _): &&(String, String)| {
                rest.starts_with(&**value)
                    && (value.len() >= MIN_BYTES || stands_alone(&shown, rest, value))
            };
            match self.0.iter().filter(is_here).max_by_key(|(value, _)| value.len()) {
                Some((value, instead)) => {
                    rest = rest.get(value.len()..).unwrap_or_default();
                    shown.push_str(instead);
                }
                None => {
                    rest = rest.get(letter.len_utf8()..).unwrap_or_default();
                    shown.push(letter);
                }
            }
        }
        shown
    }
}

/// Whether `value`, with which `rest` begins, is no part of a word.
fn stands_alone(before: &str, rest: &str, value: &str) -> bool {
    let after = rest.get(value.len()..).and_then(|after| after.chars().next());
    ![before.chars().next_back(), after].into_iter().flatten().any(char::is_alphanumeric)
}

/// Reports `message` at `field`, or, if its value came from a variable, `problem`, which does not have the value.
pub(super) fn error(field: &Field<'_>, message: &str, problem: &str) {
    match field.is_substituted() {
        true => field.error(format!("{}: {problem}", name_of(field))),
        false => field.error(message),
    }
}

fn name_of(field: &Field<'_>) -> String {
    let names: Vec<&str> = field.variables().into_iter().take(4).collect();
    format!("[the value of {}]", sanitize(&names.join(" and ")))
}

/// A shorter value is a part of many words.
const MIN_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::Hidden;

    #[test]
    fn each_value_is_replaced_once_and_the_longest_first() {
        let mut hidden = Hidden::default();
        for (value, instead) in
            [("/tls", "[A]"), ("/tls/ca.pem", "[/tls/ca.pem]"), ("e", "[the e]")]
        {
            hidden.0.push((value.to_owned(), instead.to_owned()));
        }
        let message = "the file /tls/ca.pem in /tls: `e` is no element, é";
        let expected = "the file [/tls/ca.pem] in [A]: `[the e]` is no element, é";
        assert_eq!(hidden.hide(message), expected);
        // A replacement that contains values does not multiply them.
        for _ in 0..64 {
            hidden.0.push(("eeeeeeee".to_owned(), "[eeeeeeee eeeeeeee]".to_owned()));
        }
        assert_eq!(hidden.hide("eeeeeeee"), "[eeeeeeee eeeeeeee]");
    }
}
