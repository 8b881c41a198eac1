//! [`InitError`]: the reasons for which `tracing::init` starts nothing.

use crate::BuildError;
use std::{fmt, io};

/// The error of [`init`](super::init). `Debug` prints as `Display`, for a `main` that returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The program has set a global subscriber: `tracing` has one, and it cannot be replaced.
    #[error(
        "a global `tracing` subscriber is set: call `spanwise::tracing::init` once and before others, or add \
         `spanwise::tracing::layer` to that subscriber"
    )]
    SubscriberIsSet,
    /// A directive of a filter is invalid.
    #[error("{setting}=`{directive}`: no directive of a filter; accepted: {ACCEPTED}", ACCEPTED = super::filter::ACCEPTED)]
    Filter {
        /// The builder's method or the environment variable.
        setting: &'static str,
        /// The directive.
        directive: String,
    },
    /// The provider cannot start.
    #[error(transparent)]
    Provider(#[from] BuildError),
    /// A thread that checks for a global subscriber could not be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[source] io::Error),
}

impl InitError {
    pub(super) fn filter(setting: &'static str, directive: &str) -> Self {
        Self::Filter { setting, directive: directive.to_owned() }
    }
}

impl fmt::Debug for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
