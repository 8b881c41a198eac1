//! The error of a setting out of range.

use crate::limits::{RATE, RATE_TEXT, SHOWN_BYTES};
use spanwise_worker::sanitize;
use std::fmt;

/// A setting of a sampler is out of range or malformed.
#[derive(Clone, PartialEq)]
pub struct SettingError {
    /// The builder's method, or the key in a configuration.
    pub setting: &'static str,
    /// The rejected value: a number, a URL without user info and query, or `[redacted]` for other
    /// text; at most 400 bytes.
    pub value: String,
    /// The accepted range.
    pub accepted: &'static str,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value, accepted } = self;
        write!(f, "{setting}=`{value}`: accepted is {accepted}")
    }
}

impl std::error::Error for SettingError {}

impl fmt::Debug for SettingError {
    /// Equals `Display`: a `main` that returns an error prints its `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SettingError {
    #[cfg(any(feature = "jaeger", feature = "xray"))]
    /// The error of a text that is not an accepted number. Text that is no number at all may be a
    /// secret and is redacted.
    pub(crate) fn not_a_number(setting: &'static str, value: &str, accepted: &'static str) -> Self {
        let is_number = value.len() <= 32 && value.trim().parse::<f64>().is_ok();
        Self::new(setting, if is_number { value } else { "[redacted]" }, accepted)
    }

    pub(crate) fn new(setting: &'static str, value: impl ToString, accepted: &'static str) -> Self {
        Self { setting, value: sanitize(&value.to_string(), SHOWN_BYTES), accepted }
    }
}

/// Checks a rate per second against the range of limiters.
pub(crate) fn rate(setting: &'static str, per_second: f64) -> Result<f64, SettingError> {
    // NaN fails this form of the test.
    if RATE.contains(&per_second) {
        Ok(per_second)
    } else {
        Err(SettingError::new(setting, per_second, RATE_TEXT))
    }
}
