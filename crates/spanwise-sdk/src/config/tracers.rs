//! The settings of single tracers in code.

use super::builder::SpanwiseBuilder;
use crate::start::{TracerConfig, TracerConfigurator};
use opentelemetry::InstrumentationScope;

impl SpanwiseBuilder {
    /// Computes the settings of each tracer from its scope (specification, *TracerConfigurator*, in development): to
    /// disable a library that makes too many spans. Default: all tracers are enabled. It precedes
    /// `tracer_configurator/development` of a configuration file.
    ///
    /// The provider calls `configure` once for each tracer that it creates. Enabled tracers have no cost for
    /// it. Children of a disabled tracer's span are children of its parent.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{SpanKind, Spanwise, TracerConfig};
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let spanwise = Spanwise::builder()
    ///         .with_tracer_configurator(|scope| match scope.name() {
    ///             "noisy" => TracerConfig::DISABLED,
    ///             _ => TracerConfig::ENABLED,
    ///         })
    ///         .build()?;
    ///     assert!(!spanwise.tracer("noisy").root("tick", SpanKind::Internal).is_recording());
    ///     assert!(spanwise.tracer("shop").root("checkout", SpanKind::Server).is_recording());
    ///     Ok(())
    /// }
    /// ```
    pub fn with_tracer_configurator(
        mut self,
        configure: impl Fn(&InstrumentationScope) -> TracerConfig + Send + Sync + 'static,
    ) -> Self {
        self.tracer_configurator = Some(TracerConfigurator::new(configure));
        self
    }
}
