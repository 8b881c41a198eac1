//! [`SpanMetricsError`].

use crate::diagnostics::sanitize;
use std::fmt;

/// The error of [`SpanMetricsBuilder::build`](crate::SpanMetricsBuilder::build): it names the setting, the value and what is accepted.
/// `Debug` prints as `Display`, for a `main` that returns it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanMetricsError {
    /// The builder's method.
    pub setting: &'static str,
    /// The value.
    pub value: String,
    /// The accepted values.
    pub accepted: String,
}

impl SpanMetricsError {
    pub(super) fn new(
        setting: &'static str,
        value: impl fmt::Display,
        accepted: impl Into<String>,
    ) -> Self {
        Self { setting, value: sanitize(&value.to_string()), accepted: accepted.into() }
    }
}

impl fmt::Display for SpanMetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=`{}`: accepted is {}", self.setting, self.value, self.accepted)
    }
}

impl fmt::Debug for SpanMetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SpanMetricsError {}
