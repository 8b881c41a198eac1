//! The settings of the `xray` sampler: `OTEL_TRACES_SAMPLER_ARG`.

use crate::limits::POLLING;
use crate::setting::SettingError;
use crate::url::{Url, authority, redacted_key};
use std::time::Duration;

/// The settings of X-Ray's remote sampling. `Debug` redacts user info and query of the endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct XraySettings {
    endpoint: Url,
    interval: Duration,
}

impl XraySettings {
    /// Parses `endpoint=http://127.0.0.1:2000,polling_interval=300`. Absent keys have their defaults.
    ///
    /// # Errors
    /// An unknown key, or a value out of range.
    pub fn parse(argument: &str) -> Result<Self, SettingError> {
        let mut settings = Self::default();
        for pair in argument.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.trim();
            settings = match key.trim() {
                "endpoint" => settings.with_endpoint(value)?,
                "polling_interval" => {
                    let seconds = value.parse().map_err(|_| {
                        SettingError::not_a_number("polling_interval", value, POLLING_SECONDS)
                    })?;
                    settings.with_interval(Duration::from_secs(seconds))?
                }
                other => {
                    return Err(SettingError::new(
                        "OTEL_TRACES_SAMPLER_ARG",
                        redacted_key(other, argument),
                        "endpoint=…,polling_interval=…",
                    ));
                }
            };
        }
        Ok(settings)
    }

    /// Sets the URL of the proxy: an X-Ray daemon, or a collector's `awsproxy`. The proxy signs the
    /// requests; the poller does not. Default `http://127.0.0.1:2000`.
    ///
    /// # Errors
    /// Not `http://` or `https://` with a host, longer than 2,048 bytes, or with control
    /// characters.
    pub fn with_endpoint(mut self, url: &str) -> Result<Self, SettingError> {
        authority(url)?;
        self.endpoint = Url::new(url.trim_end_matches('/'));
        Ok(self)
    }

    /// Sets the polling interval of rules. Default 300 s, 1 ms to 30 days.
    ///
    /// # Errors
    /// Out of this range.
    pub fn with_interval(mut self, interval: Duration) -> Result<Self, SettingError> {
        if !POLLING.contains(&interval) {
            let seconds = interval.as_secs_f64();
            return Err(SettingError::new("polling_interval", seconds, POLLING_SECONDS));
        }
        self.interval = interval;
        Ok(self)
    }

    /// The proxy's URL.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The polling interval of rules.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

impl Default for XraySettings {
    fn default() -> Self {
        Self { endpoint: Url::new("http://127.0.0.1:2000"), interval: Duration::from_secs(300) }
    }
}

const POLLING_SECONDS: &str = "seconds, 1 or more, to 2592000 (30 days)";
