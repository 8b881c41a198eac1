//! Why a provider cannot be built.

use crate::diagnostics::sanitize;
use std::io;

/// Why [`Builder::build`](crate::Builder::build) failed. Each names the setting, the value and
/// what is accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting has a value that cannot be used.
    #[error("{setting}=`{value}`: {problem}")]
    Setting {
        /// The builder's method or the environment variable.
        setting: &'static str,
        /// The value; `[redacted]` for headers.
        value: String,
        /// What is wrong and what is accepted.
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
        let (value, problem) = (value.to_string(), problem.to_string());
        Self::Setting { setting, value: sanitize(&value), problem: sanitize(&problem) }
    }
}
