//! Why a provider cannot be built.

use super::shown::shown;
use crate::diagnostics::sanitize;
use std::{fmt, io};

/// Why [`SpanwiseBuilder::build`](crate::SpanwiseBuilder::build) failed. Each names the setting, the value and
/// what is accepted. `Debug` reads as `Display`, for a `main` that returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting has a value that cannot be used.
    #[error("{setting}=`{value}`: {problem}")]
    Setting {
        /// The builder's method or the environment variable.
        setting: &'static str,
        /// The value, without what may be a secret; `[redacted]` for headers.
        value: String,
        /// The problem, and the accepted values.
        problem: String,
    },
    /// The endpoint is not one.
    #[error(transparent)]
    Endpoint(#[from] spanwise_transport::EndpointError),
    /// The transport cannot be made of these settings.
    #[error(transparent)]
    Transport(#[from] spanwise_transport::BuildError),
    /// The worker thread cannot be started.
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

    /// `setting` needs a feature that is not compiled in; `or` names what works without.
    pub(super) fn no_feature(
        setting: &'static str,
        value: impl ToString,
        feature: &str,
        or: &str,
    ) -> Self {
        // Of the crate that stands in the user's `Cargo.toml`, which cannot be known here.
        let problem = format!(
            "it needs the feature `{feature}`, which is not compiled in: add \
             features = [\"{feature}\"] to spanwise (or spanwise-sdk) in Cargo.toml, or {or}"
        );
        Self::setting(setting, value, problem)
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
