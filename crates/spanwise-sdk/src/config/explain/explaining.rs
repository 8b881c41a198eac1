//! [`explain`]: resolves the settings of a builder without starting anything.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::{Environment, process_environment};
use super::super::error::BuildError;
use super::super::misspelt;
use super::super::own_stack::on_own_stack;
use super::super::resolution::Globals;
use super::explanation::Explanation;
use super::features;
use super::recorder::Recorder;
use crate::diagnostics::Reporter;

/// The effective settings of the default builder: of the variables, and of the file that they name.
///
/// # Errors
/// As [`SpanwiseBuilder::explain`].
///
/// ```
/// # mod spanwise { pub mod config { pub use spanwise_sdk::settings::*; } }
/// use spanwise::config::{Origin, explain};
///
/// let explanation = explain().unwrap();
/// println!("{explanation}");
/// let batch_size = explanation.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").unwrap();
/// if batch_size.origin == Origin::Default {
///     assert_eq!(batch_size.value, "8192");
/// }
/// ```
pub fn explain() -> Result<Explanation, BuildError> {
    SpanwiseBuilder::new().explain()
}

impl SpanwiseBuilder {
    /// Every effective setting with its value and its origin: the code, a variable, a line of the declarative file, or
    /// the default; and the reports that a build sends to the diagnostics. Variables of the process whose names are a letter
    /// or two away from a known one are reported, too, which a build does not: other SDKs have variables of their own.
    ///
    /// The same code resolves the settings as in [`init`](Self::init). It starts no provider, opens no connection and no
    /// file for writing, and sets no global. It reads the declarative file, certificates, and the files of detectors.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), except for a file of an exporter that cannot be opened and a thread that
    /// cannot be started.
    pub fn explain(&self) -> Result<Explanation, BuildError> {
        let mut explanation = on_own_stack(|| self.explain_with(Globals::Set))?;
        // A file leaves no variable in force.
        if self.lookup.is_none() && !explanation.is_declarative {
            explanation.reports.extend(misspelt::of_process());
        }
        Ok(explanation)
    }

    /// As [`explain`](Self::explain), of a provider that sets `globals`, on the stack of the caller.
    pub(in super::super) fn explain_with(
        &self,
        globals: Globals,
    ) -> Result<Explanation, BuildError> {
        let mut builder = self.clone();
        let (reporter, reports) = Reporter::collecting();
        let lookup = builder.lookup.take().unwrap_or_else(process_environment);
        let environment = Environment::new(lookup.clone(), reporter.clone())
            .with_recorder(Recorder::new(builder.given()));
        // The errors and the reports of a watch are those of a build.
        let _not_started = builder.config_watch(&environment, &lookup)?;
        let resolved = builder.resolve(environment, &lookup, &reporter, globals)?;
        let settings = resolved.environment.recorder().take();
        let reports =
            std::mem::take(&mut *reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let mut explanation = Explanation::new(settings, reports);
        explanation.features = features::of(&resolved);
        explanation.is_declarative = builder.of_file.is_declarative;
        Ok(explanation)
    }
}
