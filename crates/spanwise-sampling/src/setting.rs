//! Settings that cannot be.

use crate::limits::{RATE, RATE_TEXT, SHOWN_BYTES};
use spanwise_worker::sanitize;
use std::fmt;

/// A setting of a sampler that cannot be used.
#[derive(Clone, PartialEq)]
pub struct SettingError {
    /// The builder's method, or the key of a configuration.
    pub setting: &'static str,
    /// What it was given: a number, a URL without user-info and query, or `[redacted]` for text that
    /// is neither; at most 400 bytes.
    pub value: String,
    /// What it takes.
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
    /// As `Display`: it is what a `main` that returns an error prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SettingError {
    #[cfg(any(feature = "jaeger", feature = "xray"))]
    /// Of a text that should have been a number: another may be a secret, and is not shown.
    pub(crate) fn not_a_number(setting: &'static str, value: &str, accepted: &'static str) -> Self {
        let is_number = value.len() <= 32 && value.trim().parse::<f64>().is_ok();
        Self::new(setting, if is_number { value } else { "[redacted]" }, accepted)
    }

    pub(crate) fn new(setting: &'static str, value: impl ToString, accepted: &'static str) -> Self {
        Self { setting, value: sanitize(&value.to_string(), SHOWN_BYTES), accepted }
    }
}

/// A rate per second that a limiter can keep.
pub(crate) fn rate(setting: &'static str, per_second: f64) -> Result<f64, SettingError> {
    // Written so that NaN fails it.
    if RATE.contains(&per_second) {
        Ok(per_second)
    } else {
        Err(SettingError::new(setting, per_second, RATE_TEXT))
    }
}
