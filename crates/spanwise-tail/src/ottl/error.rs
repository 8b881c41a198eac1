//! Errors of conditions.

use std::fmt;

/// A place in a condition: line and column in characters, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A condition is not valid, or uses a part of OTTL that is not supported.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OttlError {
    condition: String,
    pub(crate) place: Place,
    message: String,
}

impl OttlError {
    pub(crate) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { condition: String::new(), place, message: message.into() }
    }

    pub(crate) fn of(self, condition: &str) -> Self {
        Self { condition: condition.chars().take(200).collect(), ..self }
    }
}

/// `condition "…": 1:5: message`.
impl fmt::Display for OttlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, place, message } = self;
        write!(f, "condition {condition:?}: {}:{}: {message}", place.line, place.column)
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for OttlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for OttlError {}
