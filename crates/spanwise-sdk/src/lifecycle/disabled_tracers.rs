//! Tracers that a configurator disables.

use crate::core::Core;
use crate::diagnostics::{Diagnostic, Reporter};
use crate::start::TracerConfigurator;
use opentelemetry::InstrumentationScope;
use std::sync::{Arc, OnceLock};

/// The configurator of tracers, and the core of those that it disables.
#[derive(Default)]
pub(super) struct DisabledTracers {
    configurator: Option<TracerConfigurator>,
    core: OnceLock<Arc<Core>>,
}

impl DisabledTracers {
    /// The tracers that this configurator disables.
    pub(super) fn new(configurator: Option<TracerConfigurator>) -> Self {
        Self { configurator, core: OnceLock::new() }
    }

    /// The core of a new tracer of this scope: one in the phase of a disabled SDK if the configurator disables it, so that
    /// enabled tracers check for nothing when a span starts.
    ///
    /// A panic of the configurator is reported, and leaves the tracer enabled.
    pub(super) fn core_of<'c>(
        &'c self,
        scope: &InstrumentationScope,
        enabled: &'c Arc<Core>,
        reporter: &Reporter,
    ) -> &'c Arc<Core> {
        let Some(configurator) = &self.configurator else { return enabled };
        let config = configurator.configure(scope).unwrap_or_else(|panic| {
            let (code, message) = ("the tracer configurator", panic.to_string());
            reporter.report(Diagnostic::UserCodePanicked { code, message });
            Default::default()
        });
        if config.enabled {
            return enabled;
        }
        self.core.get_or_init(|| Arc::new(Core::disabled()))
    }
}
