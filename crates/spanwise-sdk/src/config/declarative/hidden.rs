//! Values of variables, which no message shows.

use super::super::redaction::{REDACTED, shown, shown_path};
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

    /// `message` without the values.
    pub(super) fn hide(&self, message: &str) -> String {
        self.0
            .iter()
            .fold(message.to_owned(), |message, (value, instead)| message.replace(value, instead))
    }
}

/// Reports `message` at `field`, or, if its value came from a variable, `problem`, which does not have the value.
pub(super) fn error(field: &Field<'_>, message: &str, problem: &str) {
    match field.is_substituted() {
        true => field.error(format!("{}: {problem}", name_of(field))),
        false => field.error(message),
    }
}

fn name_of(field: &Field<'_>) -> String {
    format!("[the value of {}]", field.variables().join(" and "))
}
