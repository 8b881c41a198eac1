//! The rules of redaction in files: one that a variable names, and a section of the configuration file.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::redaction::shown_path;
use super::settings::REDACTION;
#[cfg(feature = "redaction")]
use crate::diagnostics::{Diagnostic, sanitize};
#[cfg(feature = "redaction")]
use spanwise_config::Document;
#[cfg(feature = "redaction")]
use spanwise_redact::RedactorBuilder;
#[cfg(not(feature = "redaction"))]
use spanwise_transport::__private::MissingFeature;

impl SpanwiseBuilder {
    /// Reads the file that the variable names, unless code or the configuration file has rules.
    ///
    /// # Errors
    /// The file cannot be read or has a mistake, or the feature is missing: spans would leave as they are.
    pub(super) fn read_redaction_file(
        &mut self,
        environment: &Environment,
    ) -> Result<(), BuildError> {
        if self.span_redaction().is_some() {
            environment.report_unused(&REDACTION, "code or the configuration file has the rules");
            return Ok(());
        }
        let Some((variable, path)) = environment.required_text(&REDACTION)? else { return Ok(()) };
        self.apply_redaction_file(environment, (variable, &path))
    }

    #[cfg(feature = "redaction")]
    fn apply_redaction_file(
        &mut self,
        environment: &Environment,
        (variable, path): (&'static str, &str),
    ) -> Result<(), BuildError> {
        let shown = shown_path(path);
        // The problems of a file name no variable.
        if let Err(error) = std::fs::metadata(path) {
            let problem = format!("the file cannot be read: {error}");
            return Err(BuildError::setting(variable, &shown, problem));
        }
        let document = Document::open(path, |name| environment.referred(name));
        let document = document.map_err(|problems| match shown == path {
            true => problems.into(),
            // Credentials in the place of a path, which the problems show.
            false => BuildError::setting(variable, &shown, "the file cannot be used"),
        })?;
        let read = RedactorBuilder::from_document(&document, None)?;
        for warning in read.warnings {
            let warning = sanitize(&warning.to_string());
            environment.reporter().report(Diagnostic::ConfigFileWarning { warning });
        }
        let built = read.value.build();
        self.redaction = Some(built.map_err(|error| BuildError::setting(variable, &shown, error))?);
        Ok(())
    }

    #[cfg(not(feature = "redaction"))]
    fn apply_redaction_file(
        &mut self,
        _: &Environment,
        (variable, path): (&'static str, &str),
    ) -> Result<(), BuildError> {
        let missing = MissingFeature {
            feature: "redaction",
            crate_name: self.recording_sdk.crate_name(),
            instead: "unset the variable",
        };
        Err(BuildError::no_feature(variable, shown_path(path), missing))
    }
}
