//! [`TracerConfig`]: the settings of one tracer, and the function that chooses them.

use opentelemetry::InstrumentationScope;
use spanwise_worker::{CaughtPanic, catch_panic};
use std::fmt;
use std::sync::Arc;

/// The settings of one tracer (specification, *TracerConfig*, in development). Default: it is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracerConfig {
    /// Whether the tracer makes spans. A disabled one is a no-op: its spans are not recorded and not counted, and
    /// have the context of their parent.
    pub enabled: bool,
}

impl TracerConfig {
    /// The settings of a tracer that makes spans.
    pub const ENABLED: Self = Self { enabled: true };
    /// The settings of a tracer that makes none.
    pub const DISABLED: Self = Self { enabled: false };
}

impl Default for TracerConfig {
    fn default() -> Self {
        Self::ENABLED
    }
}

/// Computes the settings of each tracer (specification, *TracerConfigurator*).
#[derive(Clone)]
pub(crate) struct TracerConfigurator(
    Arc<dyn Fn(&InstrumentationScope) -> TracerConfig + Send + Sync>,
);

impl TracerConfigurator {
    pub(crate) fn new(
        configure: impl Fn(&InstrumentationScope) -> TracerConfig + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(configure))
    }

    /// Whether both are clones of one function.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// # Errors
    /// The function, which may be the user's, panicked.
    pub(crate) fn configure(
        &self,
        scope: &InstrumentationScope,
    ) -> Result<TracerConfig, CaughtPanic> {
        catch_panic(|| (self.0)(scope))
    }
}

impl fmt::Debug for TracerConfigurator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TracerConfigurator")
    }
}
