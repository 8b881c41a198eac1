//! Errors of samplers that cannot be built.

use std::fmt;

use crate::policy::PolicyError;
use crate::rules::RuleError;

/// The settings of a sampler are not valid.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TailSamplingError {
    /// A policy is not valid.
    Policy(PolicyError),
    /// A setting is out of range.
    Setting {
        /// The name of the setting.
        name: &'static str,
        /// The mistake, and the values that are accepted.
        message: String,
    },
}

impl From<RuleError> for TailSamplingError {
    fn from(error: RuleError) -> Self {
        let RuleError { rule, key: (key, element), message } = error;
        let place = match (rule, element) {
            (None, _) => String::new(),
            (Some(rule), None) => format!("[{rule}].{key}: "),
            (Some(rule), Some(element)) => format!("[{rule}].{key}[{element}]: "),
        };
        Self::Setting { name: "rules", message: place + &message }
    }
}

impl From<PolicyError> for TailSamplingError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

impl fmt::Display for TailSamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(error) => error.fmt(f),
            // The index of an element follows the name of its list.
            Self::Setting { name, message } if message.starts_with('[') => {
                write!(f, "{name}{message}")
            }
            Self::Setting { name, message } => write!(f, "{name}: {message}"),
        }
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for TailSamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TailSamplingError {}
