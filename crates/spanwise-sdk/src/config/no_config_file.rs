//! Without the feature `config-file`: a file that the environment names is an error.

use super::builder::SpanwiseBuilder;
use super::environment::{Environment, Lookup};
use super::error::BuildError;
use super::recording_sdk::RecordingSdk;
use super::redaction::shown_path;
use super::settings::CONFIG_FILE;
use crate::provider::Spanwise;
use spanwise_transport::__private::MissingFeature;

/// The watch of a configuration file: none without the feature.
pub(super) enum ConfigWatch {}

impl ConfigWatch {
    pub(super) fn start(self, _: &Spanwise) -> Result<(), BuildError> {
        match self {}
    }
}

impl SpanwiseBuilder {
    pub(super) fn config_watch(
        &self,
        _: &Environment,
        _: &Lookup,
    ) -> Result<Option<ConfigWatch>, BuildError> {
        Ok(None)
    }

    /// # Errors
    /// A variable names a file: without it, other variables than the operator intended would be in force.
    pub(super) fn apply_config_file(
        &mut self,
        environment: Environment,
        _: &Lookup,
    ) -> Result<Environment, BuildError> {
        match environment.required_text(&CONFIG_FILE)? {
            None => Ok(environment),
            Some(_) if self.recording_sdk == RecordingSdk::StockSdk => {
                environment.report_unused(&CONFIG_FILE, "the stock SDK records the spans");
                Ok(environment)
            }
            Some((setting, path)) => {
                let missing = MissingFeature {
                    feature: "config-file",
                    crate_name: self.recording_sdk.crate_name(),
                    instead: "set variables or the builder's methods",
                };
                Err(BuildError::no_feature(setting, shown_path(&path), missing))
            }
        }
    }
}
