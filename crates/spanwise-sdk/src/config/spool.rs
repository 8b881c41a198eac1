//! The spool: a store of requests on disk for the time in which the receiver accepts none.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::ranges;
use super::redaction::shown_path;
use super::reload::running::FixedSetting;
use super::settings;
use crate::diagnostics::Reporter;
#[cfg(feature = "spool")]
use crate::diagnostics::{Diagnostic, sanitize};
use crate::spool_settings::SpoolSettings;
use spanwise_export::PreparedExporter;
use spanwise_ledger::Ledger;
#[cfg(not(feature = "spool"))]
use spanwise_transport::__private::MissingFeature;
use std::path::PathBuf;
use std::time::Duration;

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedSpool {
    directory: PathBuf,
    max_bytes: u64,
    max_age: Duration,
}

impl SpanwiseBuilder {
    /// Stores spans on disk while the receiver accepts none, and sends them again in order once it does, by this process or the next one:
    /// requests that end with a retryable failure, those that wait while memory runs short, and those that are left at a shutdown. Requests
    /// that the receiver rejects are lost as without a spool. Default: the directory that `SPANWISE_SPOOL_DIRECTORY` or the
    /// configuration file (`distribution.spanwise.spool`) names, or none.
    ///
    /// The ledger counts the spans on disk as `spooled`, and those that a start finds there as `recovered`. A boot ledger beside them has
    /// the counts of the process, no older than a second: after a crash, the next start reports what the process had in memory, as the
    /// drop reason `crash`, as [`Diagnostic::SpoolRecovered`](crate::Diagnostic::SpoolRecovered), and by
    /// [`spool_recovery`](crate::Spanwise::spool_recovery).
    ///
    /// A spool that fails is reported and counted, and the export goes on without it. A forked child stores nothing. Further destinations
    /// have no spool. A span may arrive twice: after a request without a response, and after a crash.
    ///
    /// ```no_run
    /// # mod spanwise { pub use spanwise_sdk::*; }
    /// use spanwise::{Spanwise, SpoolSettings};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let spool = SpoolSettings::new("/var/lib/shop/spans");
    ///     let _spanwise = Spanwise::builder().with_spool(spool).build()?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Cost
    /// Two threads: `spanwise-spool`, the only one that waits for the disk, and `spanwise-zstd`, which compresses for it. While the receiver
    /// accepts requests, the first one writes 4 KiB a second.
    #[cfg(feature = "spool")]
    pub fn with_spool(mut self, settings: SpoolSettings) -> Self {
        self.spool = settings;
        self
    }

    /// The spool in force, if there is one.
    ///
    /// # Errors
    /// A setting in code is out of its range, or the feature is missing.
    pub(super) fn resolve_spool(
        &self,
        environment: &Environment,
    ) -> Result<Option<ResolvedSpool>, BuildError> {
        let SpoolSettings { directory, max_bytes, max_age } = &self.spool;
        let directory = match directory {
            Some(directory) => Some(directory.clone()),
            None => match environment.required_text(&settings::SPOOL_DIRECTORY)? {
                Some((variable, path)) => Some(self.spool_of_variable(variable, path)?),
                None => None,
            },
        };
        if directory.is_none() {
            let variable = settings::SPOOL_DIRECTORY.variables.first().unwrap_or(&METHOD);
            let reason = format!("there is no spool without {variable}");
            for setting in [&settings::SPOOL_MAX_BYTES, &settings::SPOOL_MAX_AGE] {
                environment.report_unused(setting, &reason);
            }
        }
        let shown = directory.as_deref().map(|path| shown_path(&path.to_string_lossy()));
        environment
            .effective(&settings::SPOOL_DIRECTORY, || shown.unwrap_or_else(|| "none".to_owned()));
        let max_bytes = ranges::SPOOL_MAX_BYTES.resolve_u64(*max_bytes, environment)?;
        let max_age = ranges::SPOOL_MAX_AGE.resolve(*max_age, environment)?;
        let (max_bytes, max_age) = (max_bytes.unwrap_or(MAX_BYTES), max_age.unwrap_or(MAX_AGE));
        environment.effective(&settings::SPOOL_MAX_BYTES, || max_bytes.to_string());
        environment.effective(&settings::SPOOL_MAX_AGE, || settings::millis(max_age));
        Ok(directory.map(|directory| ResolvedSpool { directory, max_bytes, max_age }))
    }

    #[cfg(feature = "spool")]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as without the feature")]
    fn spool_of_variable(&self, _: &'static str, path: String) -> Result<PathBuf, BuildError> {
        Ok(path.into())
    }

    #[cfg(not(feature = "spool"))]
    fn spool_of_variable(
        &self,
        variable: &'static str,
        path: String,
    ) -> Result<PathBuf, BuildError> {
        let missing = MissingFeature {
            feature: "spool",
            crate_name: self.recording_sdk.crate_name(),
            instead: "unset the variable",
        };
        Err(BuildError::no_feature(variable, shown_path(&path), missing))
    }

    /// Reports a spool of a provider that exports nothing.
    pub(super) fn report_unused_spool(&self, environment: &Environment) {
        if self.spool.directory.is_some() {
            environment.unused(METHOD, "the exporter is none: nothing is exported");
        }
    }

    /// The spool, for the comparison with the next configuration.
    pub(super) fn fixed_spool(
        &self,
        environment: &Environment,
    ) -> Result<FixedSetting, BuildError> {
        let text = match self.resolve_spool(&environment.silent())? {
            Some(spool) => format!(
                "{}, {} bytes, {:?}",
                shown_path(&spool.directory.to_string_lossy()),
                spool.max_bytes,
                spool.max_age
            ),
            None => "none".to_owned(),
        };
        Ok(FixedSetting::new(METHOD, text.as_bytes(), &text))
    }
}

impl ResolvedSpool {
    /// Starts the spool, and gives it to the exporter. An error costs the spool alone.
    #[cfg(feature = "spool")]
    pub(super) fn start(
        self,
        prepared: PreparedExporter,
        ledger: &Ledger,
        reporter: &Reporter,
    ) -> PreparedExporter {
        let spool = spanwise_export::DiskSpool::builder(self.directory)
            .with_max_bytes(self.max_bytes)
            .with_max_age(self.max_age)
            .with_ledger(ledger.clone());
        match spool.build() {
            Ok(spool) => prepared.with_spool(spool),
            Err(error) => {
                let error = sanitize(&format!("its thread cannot be started: {error}"));
                reporter.report(Diagnostic::SpoolUnavailable { error });
                prepared
            }
        }
    }

    #[cfg(not(feature = "spool"))]
    pub(super) fn start(
        self,
        prepared: PreparedExporter,
        _: &Ledger,
        _: &Reporter,
    ) -> PreparedExporter {
        // Without the feature, no spool is resolved.
        let Self { .. } = self;
        prepared
    }
}

const METHOD: &str = "with_spool";
const MAX_BYTES: u64 = 1 << 30;
const MAX_AGE: Duration = Duration::from_secs(72 * 3600);
