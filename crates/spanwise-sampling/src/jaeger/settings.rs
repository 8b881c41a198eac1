//! The settings of the `jaeger_remote` sampler: `OTEL_TRACES_SAMPLER_ARG`.

use crate::limits::POLLING;
use crate::setting::SettingError;
use crate::threshold::Threshold;
use crate::url::{Url, authority, redacted_key};
use std::time::Duration;

/// The settings of remote sampling (specification, *JaegerRemoteSampler*). `Debug` redacts user info
/// and query of the endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct JaegerSettings {
    endpoint: Url,
    interval: Duration,
    initial_probability: f64,
}

impl JaegerSettings {
    /// Parses `endpoint=http://localhost:5778/sampling,pollingIntervalMs=5000,initialSamplingRate=0.25`
    /// (specification, *Environment variables*). Absent keys have their defaults.
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
                "pollingIntervalMs" => {
                    let millis = value.parse().map_err(|_| {
                        SettingError::not_a_number("pollingIntervalMs", value, POLLING_MILLIS)
                    })?;
                    settings.with_interval(Duration::from_millis(millis))?
                }
                "initialSamplingRate" => {
                    let rate = value.parse().map_err(|_| {
                        SettingError::not_a_number("initialSamplingRate", value, "a number, 0 to 1")
                    })?;
                    settings.with_initial_probability(rate)?
                }
                other => {
                    return Err(SettingError::new(
                        "OTEL_TRACES_SAMPLER_ARG",
                        redacted_key(other, argument),
                        "endpoint=…,pollingIntervalMs=…,initialSamplingRate=…",
                    ));
                }
            };
        }
        Ok(settings)
    }

    /// Sets the URL from which strategies are fetched by HTTP `GET`. Default
    /// `http://localhost:5778/sampling`; a URL without a path gets `/sampling`.
    ///
    /// # Errors
    /// Not `http://` or `https://` with a host, longer than 2,048 bytes, or with control
    /// characters.
    pub fn with_endpoint(mut self, url: &str) -> Result<Self, SettingError> {
        let bare = authority(url)?.trim_end_matches('/');
        self.endpoint = if bare.contains(['/', '?']) {
            Url::new(url)
        } else {
            Url::new(format!("{}/sampling", url.trim_end_matches('/')))
        };
        Ok(self)
    }

    /// Sets the polling interval. Default 60 s, 1 ms to 30 days.
    ///
    /// # Errors
    /// Out of this range.
    pub fn with_interval(mut self, interval: Duration) -> Result<Self, SettingError> {
        if !POLLING.contains(&interval) {
            let millis = interval.as_secs_f64() * 1e3;
            return Err(SettingError::new("pollingIntervalMs", millis, POLLING_MILLIS));
        }
        self.interval = interval;
        Ok(self)
    }

    /// Sets the probability until the first strategy is applied. Default 0.001, as in Jaeger's clients.
    ///
    /// # Errors
    /// As [`Sampler::probability`](crate::Sampler::probability).
    pub fn with_initial_probability(mut self, probability: f64) -> Result<Self, SettingError> {
        Threshold::from_probability(probability).map_err(|_| {
            SettingError::new("initialSamplingRate", probability, "0, or 2^-56 (1.4e-17) to 1")
        })?;
        self.initial_probability = probability;
        Ok(self)
    }

    /// The URL from which strategies are fetched.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The polling interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The probability until the first strategy is applied.
    pub fn initial_probability(&self) -> f64 {
        self.initial_probability
    }
}

impl Default for JaegerSettings {
    fn default() -> Self {
        Self {
            endpoint: Url::new("http://localhost:5778/sampling"),
            interval: Duration::from_secs(60),
            initial_probability: 0.001,
        }
    }
}

const POLLING_MILLIS: &str = "milliseconds, 1 or more, to 2592000000 (30 days)";
