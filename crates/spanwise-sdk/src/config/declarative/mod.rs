//! Declarative configuration: a file that replaces the `OTEL_*` variables.
//!
//! Specification: [declarative configuration][spec], schema 1.1 of `opentelemetry-configuration`. `schema` has the
//! fields of the file, and each other file reads one of its parts.
//!
//! [spec]: https://opentelemetry.io/docs/specs/otel/configuration/

mod apply;
mod exporters;
mod further;
mod hidden;
mod limits;
mod log_level;
mod otlp;
mod patterns;
mod places;
mod processors;
mod production;
mod propagators;
mod redaction;
mod resource;
mod samplers;
mod schema;
mod spool;
mod standard_error;
mod tracers;

use super::builder::SpanwiseBuilder;
use super::environment::{Environment, Lookup};
use super::error::BuildError;
use super::recording_sdk::RecordingSdk;
use super::redaction::shown_path;
use super::settings::CONFIG_FILE;
use super::unused;
use crate::diagnostics::{Diagnostic, sanitize};
use spanwise_config::{Document, Problem};
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

impl SpanwiseBuilder {
    /// Reads a file of OpenTelemetry's declarative configuration (`OTEL_CONFIG_FILE`, or its older name
    /// `OTEL_EXPERIMENTAL_CONFIG_FILE`), version 1.1 of its schema.
    ///
    /// The file replaces the `OTEL_*` variables, which count as far as it names them: `${NAME:-default}`. Settings in
    /// code precede those of the file. A mistake is an error with file, line, path and the nearest known key, and
    /// nothing is started. A part of the file that has no effect here, such as the meter provider, is reported.
    ///
    /// A file without `file_format` that has one of these keys is a production file. It precedes the variables of
    /// its settings, and leaves the others in force:
    ///
    /// ```yaml
    /// sampling: { rate: 0.1 } # the ratio of traces that start here; children follow their parents
    /// batch:
    ///   size: 1000 # spans of a request
    ///   timeout: 5s # the scheduled delay
    ///   queue_size: 2048
    /// resources: # the limits of the container; default those of its control group
    ///   cpu_limit: "2" # below 1: fewer requests in flight (with_max_in_flight)
    ///   memory_limit: 1Gi # below 512Mi: a smaller budget (with_budget_bytes)
    /// ```
    ///
    /// ```no_run
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::Spanwise;
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let _tracing = Spanwise::builder().with_config_file("/etc/shop/otel.yaml").init()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// The path of the file, if there is one.
    ///
    /// # Errors
    /// The variable that names it is not UTF-8.
    pub(super) fn config_file_path(
        &self,
        environment: &Environment,
    ) -> Result<Option<PathBuf>, BuildError> {
        if let Some(path) = &self.config_file {
            return Ok(Some(path.clone()));
        }
        let path = environment.required_text(&CONFIG_FILE)?.map(|(_, path)| PathBuf::from(path));
        Ok(path.filter(|_| self.recording_sdk != RecordingSdk::StockSdk))
    }

    /// Applies the file, if there is one. Returns the environment that is left.
    ///
    /// # Errors
    /// The file cannot be read, or has a mistake.
    pub(super) fn apply_config_file(
        &mut self,
        environment: Environment,
        lookup: &Lookup,
    ) -> Result<Environment, BuildError> {
        let is_in_code = self.config_file.is_some();
        let Some(path) = self.config_file_path(&environment)? else {
            match self.recording_sdk {
                RecordingSdk::StockSdk => {
                    environment.report_unused(&CONFIG_FILE, "the stock SDK records the spans");
                }
                RecordingSdk::Native => environment.effective(&CONFIG_FILE, || "none".to_owned()),
            }
            return Ok(environment);
        };
        if !is_in_code {
            report_older_name(&environment);
        }
        let name = path.display().to_string();
        let shown = shown_path(&name);
        environment.effective(&CONFIG_FILE, || shown.clone());
        let referred = RefCell::new(HashSet::new());
        let document = Document::open(path, |name| {
            referred.borrow_mut().insert(name.to_owned());
            lookup(name)?.into_string().ok()
        });
        let document = document.map_err(|problems| match shown == name {
            true => problems.into(),
            // Credentials in the place of a path, which the problems show.
            false => {
                let setting =
                    if is_in_code { CONFIG_FILE.method() } else { CONFIG_FILE.variable() };
                BuildError::setting(setting, &shown, "the file cannot be used")
            }
        })?;
        let reporter = environment.reporter().clone();
        let report = |warning: Problem| {
            reporter
                .report(Diagnostic::ConfigFileWarning { warning: sanitize(&warning.to_string()) });
        };
        if production::is_production(&document, schema::KEYS)? {
            let read = document.read(production::read)?;
            read.warnings.into_iter().for_each(report);
            read.value.apply(self, &environment)?.into_iter().for_each(report);
            environment.recorder().set_file(places::origins(document, production::path_of));
            return Ok(environment);
        }
        let read = document.read(schema::read)?;
        // The warnings of the file have a level, too: that of a reload has no effect before all is resolved.
        self.log_level = self.log_level.or(read.value.log_level);
        reporter.set_level(self.log_level.unwrap_or_default());
        read.warnings.into_iter().for_each(report);
        environment.recorder().hide_headers(read.value.hidden_header_names());
        self.of_file.is_declarative = true;
        read.value.apply(self)?;
        if self.recording_sdk == RecordingSdk::Native {
            unused::report_replaced(&environment, |name| referred.borrow().contains(name));
        }
        let lookup = lookup.clone();
        let left: Lookup =
            Arc::new(move |name| if name.starts_with("OTEL_") { None } else { lookup(name) });
        environment.recorder().set_file(places::origins(document, |path| Some(path)));
        Ok(environment.with_lookup(left))
    }
}

/// Reports the second variable of the file if both are set: the first names the file.
fn report_older_name(environment: &Environment) {
    let mut set = CONFIG_FILE.variables.iter().filter(|name| environment.has(name));
    if let (Some(first), Some(older)) = (set.next(), set.next()) {
        environment.unused(older, format!("{first} names the configuration file"));
    }
}
