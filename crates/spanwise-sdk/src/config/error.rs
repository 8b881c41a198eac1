//! [`BuildError`].

use super::redaction::shown;
use crate::diagnostics::sanitize;
use spanwise_transport::__private::MissingFeature;
use std::{fmt, io};

/// The error of [`SpanwiseBuilder::build`](crate::SpanwiseBuilder::build): it names the setting, the value and the
/// accepted range. `Debug` prints as `Display`, for a `main` that returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting has an invalid value.
    #[error("{setting}=`{value}`: {problem}")]
    Setting {
        /// The builder's method or the environment variable.
        setting: &'static str,
        /// The value without secrets; `[redacted]` for headers.
        value: String,
        /// The problem, and the accepted values.
        problem: String,
    },
    /// The configuration file, or the file of policies of tail sampling or of rules of redaction, has mistakes, each with its place.
    #[cfg(any(feature = "config-file", feature = "redaction", feature = "tail-sampling"))]
    #[error(transparent)]
    ConfigFile(#[from] spanwise_config::Problems),
    /// The endpoint is invalid.
    #[error(transparent)]
    Endpoint(#[from] spanwise_transport::EndpointError),
    /// The URL of the proxy is invalid.
    #[cfg(feature = "proxy")]
    #[error(transparent)]
    Proxy(#[from] spanwise_transport::ProxyError),
    /// The transport rejected the settings.
    #[error(transparent)]
    Transport(#[from] spanwise_transport::BuildError),
    /// Spawning the worker thread failed.
    #[error("the worker thread cannot be started: {0}")]
    Worker(#[source] io::Error),
}

impl BuildError {
    pub(crate) fn setting(
        setting: &'static str,
        value: impl ToString,
        problem: impl ToString,
    ) -> Self {
        let (value, problem) = (shown(&value.to_string()), sanitize(&problem.to_string()));
        Self::Setting { setting, value, problem }
    }

    /// The error of a `setting` that needs a missing feature.
    pub(super) fn no_feature(
        setting: &'static str,
        value: impl ToString,
        missing: MissingFeature,
    ) -> Self {
        Self::setting(setting, value, format!("it {missing}"))
    }
}

#[cfg(feature = "config-file")]
impl From<spanwise_config::Problem> for BuildError {
    fn from(problem: spanwise_config::Problem) -> Self {
        Self::ConfigFile(problem.into())
    }
}

impl From<spanwise_export::BuildError> for BuildError {
    fn from(error: spanwise_export::BuildError) -> Self {
        match error {
            spanwise_export::BuildError::OutOfRange { setting, value, accepted } => {
                Self::setting(setting, value, format!("accepted is {accepted}"))
            }
            spanwise_export::BuildError::Worker(error) => Self::Worker(error),
            other => Self::Worker(io::Error::other(other.to_string())),
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
