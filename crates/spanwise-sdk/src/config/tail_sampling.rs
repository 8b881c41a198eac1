//! Tail sampling of local traces.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::redaction::shown_path;
use super::reload::running::FixedSetting;
use super::settings;
#[cfg(feature = "tail-sampling")]
use crate::diagnostics::{Diagnostic, sanitize};
use crate::tail::TailSampling;
#[cfg(feature = "tail-sampling")]
use spanwise_config::Document;
#[cfg(feature = "tail-sampling")]
use spanwise_tail::TailSamplingConfig;
#[cfg(not(feature = "tail-sampling"))]
use spanwise_transport::__private::MissingFeature;

impl SpanwiseBuilder {
    /// Decides about whole local traces, after their spans have ended, which of them are exported: by a function over the
    /// trace, or with the feature `tail-sampling` by a `TailSamplingConfig`, the Collector's policies in code or YAML
    /// (`SPANWISE_TAIL_SAMPLING_FILE` names a file). Default: all spans that the sampler samples are exported.
    ///
    /// All spans are recorded then, sampled or not, and wait for the decision within the byte budget. The sampler's flag and
    /// threshold stay as they are, so that other services are asked for no more spans: what the decision adds is exported
    /// as it is, not sampled and without a threshold. The sampler's threshold is right as long as the decision
    /// samples each trace with [`has_sampled_flag`](crate::LocalTrace::has_sampled_flag), or the policy `trace_flags` does.
    ///
    /// A trace is decided once its local root has ended; without one, after
    /// [`decision_wait`](TailSampling::with_decision_wait). A flush and a shutdown decide all, and so does a lack of memory for
    /// the earliest ones. The ledger counts spans of other traces as `tail_not_sampled` or `tail_dropped`.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{LocalTrace, Spanwise};
    /// use std::time::Duration;
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let _spanwise = Spanwise::builder()
    ///         .with_sampling_ratio(0.01)
    ///         .with_tail_sampling(|trace: &LocalTrace<'_>| {
    ///             trace.has_sampled_flag()
    ///                 || trace.has_error()
    ///                 || trace.duration() > Duration::from_millis(500)
    ///         })
    ///         .build()?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Cost
    /// An unsampled span costs what a sampled one does until its end. The exporter's thread neither reads nor copies the bytes
    /// of traces that are not sampled, unless the function or a policy looks at names and attributes.
    pub fn with_tail_sampling(mut self, tail: impl Into<TailSampling>) -> Self {
        self.tail_sampling = Some(tail.into());
        self
    }

    /// Reads the file that the variable names, unless code has set tail sampling.
    ///
    /// # Errors
    /// The file cannot be read or has a mistake, or the feature is missing.
    pub(super) fn read_tail_sampling_file(
        &mut self,
        environment: &Environment,
    ) -> Result<(), BuildError> {
        if self.tail_sampling.is_some() {
            return Ok(());
        }
        if let Some((variable, path)) = environment.required_text(&settings::TAIL_SAMPLING)? {
            let crate_name = self.recording_sdk.crate_name();
            self.tail_sampling = Some(read(environment, (variable, &path), crate_name)?);
        }
        Ok(())
    }

    /// For the exporter.
    pub(super) fn resolve_tail_sampling(
        &self,
        environment: &Environment,
    ) -> Result<Option<spanwise_export::TailSampling>, BuildError> {
        let tail = self.tail_sampling.as_ref();
        environment.effective(&settings::TAIL_SAMPLING, || description(tail));
        let Some(tail) = tail else { return Ok(None) };
        for name in tail.without_effect() {
            environment.unused(name, "tail sampling in the application does not use it");
        }
        let error = |problem| BuildError::setting(METHOD, tail.description(), problem);
        tail.build().map(Some).map_err(error)
    }

    /// Reports tail sampling of a provider that exports nothing.
    pub(super) fn report_unused_tail_sampling(&self, environment: &Environment) {
        if self.tail_sampling.is_some() {
            environment.unused(METHOD, "the exporter is none: nothing is exported");
        }
    }

    /// Tail sampling, for the comparison with the next configuration.
    pub(super) fn fixed_tail_sampling(&self) -> FixedSetting {
        let tail = self.tail_sampling.as_ref();
        let identity = tail.map(TailSampling::identity).unwrap_or_default();
        FixedSetting::new(METHOD, identity, &description(tail))
    }
}

/// The policies of a file. Reports its warnings.
#[cfg(feature = "tail-sampling")]
fn read(
    environment: &Environment,
    (variable, path): (&'static str, &str),
    _: &'static str,
) -> Result<TailSampling, BuildError> {
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
    let read = TailSamplingConfig::from_document(&document, None)?;
    for warning in read.warnings {
        let warning = sanitize(&warning.to_string());
        environment.reporter().report(Diagnostic::ConfigFileWarning { warning });
    }
    Ok(read.value.into())
}

#[cfg(not(feature = "tail-sampling"))]
fn read(
    _: &Environment,
    (variable, path): (&'static str, &str),
    crate_name: &'static str,
) -> Result<TailSampling, BuildError> {
    let missing = MissingFeature {
        feature: "tail-sampling",
        crate_name,
        instead: "set with_tail_sampling to a function",
    };
    Err(BuildError::no_feature(variable, shown_path(path), missing))
}

fn description(tail: Option<&TailSampling>) -> String {
    tail.map_or_else(|| "none".to_owned(), TailSampling::description)
}

const METHOD: &str = "with_tail_sampling";
