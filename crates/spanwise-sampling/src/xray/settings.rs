//! Where to ask and how often: `OTEL_TRACES_SAMPLER_ARG` of `xray`.

use crate::limits::POLLING;
use crate::setting::SettingError;
use crate::url::authority;
use crate::url::{Url, redacted_key};
use std::time::Duration;

/// Settings of X-Ray's sampling. `Debug` shows the endpoint without user-info and query.
#[derive(Debug, Clone, PartialEq)]
pub struct XraySettings {
    endpoint: Url,
    interval: Duration,
}

impl XraySettings {
    /// Reads `endpoint=http://127.0.0.1:2000,polling_interval=300`. What is not given has its
    /// default.
    ///
    /// # Errors
    /// A key nobody knows, or a value that cannot be used.
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

    /// The proxy that knows the rules: an X-Ray daemon, or a collector's `awsproxy`. It signs what
    /// is asked; here nothing is signed. Default `http://127.0.0.1:2000`.
    ///
    /// # Errors
    /// Not `http://` or `https://` with a host, longer than 2,048 bytes, or with control
    /// characters.
    pub fn with_endpoint(mut self, url: &str) -> Result<Self, SettingError> {
        authority(url)?;
        self.endpoint = Url::new(url.trim_end_matches('/'));
        Ok(self)
    }

    /// How often to ask for rules. Default 300 s, 1 ms to 30 days.
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

    /// How often to ask for rules.
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
