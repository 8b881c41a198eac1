//! Settings that cannot be.

use crate::limits::{RATE, RATE_TEXT, SHOWN_BYTES, URL_BYTES};

/// A setting of a sampler that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{setting}=`{value}`: accepted is {accepted}")]
pub struct SettingError {
    /// The builder's method, or the key of a configuration.
    pub setting: &'static str,
    /// What it was given: the first 400 bytes, control characters escaped.
    pub value: String,
    /// What it takes.
    pub accepted: &'static str,
}

impl SettingError {
    pub(crate) fn new(setting: &'static str, value: impl ToString, accepted: &'static str) -> Self {
        Self { setting, value: shown(&value.to_string()), accepted }
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

/// What follows the scheme of an endpoint.
pub(crate) fn authority(url: &str) -> Result<&str, SettingError> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    let rest = rest.filter(|_| url.len() <= URL_BYTES && !url.contains(char::is_control));
    rest.ok_or_else(|| {
        // Without what stands before an `@`: that may be a password.
        let shown = url.rsplit('@').next().unwrap_or_default();
        SettingError::new("endpoint", shown, "http://host:port or https://…, up to 2048 bytes")
    })
}

/// Fit for a line of text, whatever it is.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars() {
        let len = shown.len();
        if char.is_control() {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
        if shown.len() > SHOWN_BYTES {
            shown.truncate(len);
            shown.push('…');
            break;
        }
    }
    shown
}
