//! Settings that cannot be.

/// A setting of a sampler that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{setting}=`{value}`: accepted is {accepted}")]
pub struct SettingError {
    /// The builder's method, or the key of a configuration.
    pub setting: &'static str,
    /// What it was given.
    pub value: String,
    /// What it takes.
    pub accepted: &'static str,
}

impl SettingError {
    pub(crate) fn new(setting: &'static str, value: impl ToString, accepted: &'static str) -> Self {
        Self { setting, value: value.to_string(), accepted }
    }
}

/// A rate per second that a limiter can keep.
pub(crate) fn rate(setting: &'static str, per_second: f64) -> Result<f64, SettingError> {
    // Written so that NaN fails it.
    if (LEAST_RATE..=MOST_RATE).contains(&per_second) {
        Ok(per_second)
    } else {
        Err(SettingError::new(setting, per_second, "1e-6 to 1e9 per second"))
    }
}

/// What follows the scheme of an endpoint.
pub(crate) fn authority(url: &str) -> Result<&str, SettingError> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')).ok_or_else(|| {
        // Without what stands before an `@`: that may be a password.
        let shown = url.rsplit('@').next().unwrap_or_default();
        SettingError::new("endpoint", shown, "http://host:port or https://…")
    })
}

const LEAST_RATE: f64 = 1e-6;
const MOST_RATE: f64 = 1e9;
