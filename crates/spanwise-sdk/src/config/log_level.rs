//! The level of the reports that the default handler prints: `OTEL_LOG_LEVEL`.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::settings::LOG_LEVEL;
use crate::diagnostics::{LogLevel, Reporter};

impl SpanwiseBuilder {
    /// The least severe level of the diagnostics that the default handler prints to standard error
    /// (`OTEL_LOG_LEVEL`: `trace`, `debug`, `info`, `warn`, `error` or `fatal`). Default [`LogLevel::Info`]. A handler of
    /// [`with_diagnostics`](Self::with_diagnostics) receives every diagnostic, with its
    /// [`level`](crate::Diagnostic::level).
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{LogLevel, Spanwise};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let _spanwise = Spanwise::builder().with_log_level(LogLevel::Error).build()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_log_level(mut self, level: LogLevel) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Sets the level of code or file, otherwise that of the environment.
    pub(super) fn resolve_log_level(&self, environment: &Environment, reporter: &Reporter) {
        let level = self.level(environment);
        reporter.set_level(level);
        environment.effective(&LOG_LEVEL, || level.to_string());
    }

    /// The level of code or file, otherwise that of the environment.
    pub(super) fn level(&self, environment: &Environment) -> LogLevel {
        let parsed = || environment.parsed(&LOG_LEVEL, &LOG_LEVEL.accepted(), LogLevel::parse);
        self.log_level.or_else(parsed).unwrap_or_default()
    }
}
