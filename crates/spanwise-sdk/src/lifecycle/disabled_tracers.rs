//! Tracers that a configurator disables.

use super::handle::Handle;
use crate::core::Core;
use crate::diagnostics::Diagnostic;
use crate::start::TracerConfigurator;
use opentelemetry::InstrumentationScope;
use std::sync::{Arc, OnceLock};

/// The configurator of tracers, and the core of those that it disables.
#[derive(Default)]
pub(super) struct DisabledTracers {
    configurator: Option<TracerConfigurator>,
    core: OnceLock<Arc<Core>>,
}

impl Handle {
    pub(crate) fn with_tracer_configurator(
        mut self,
        configurator: Option<TracerConfigurator>,
    ) -> Self {
        self.disabled_tracers.configurator = configurator;
        self
    }

    /// The core of a new tracer of this scope: one in the phase of a disabled SDK if the configurator disables it, so that
    /// enabled tracers check for nothing when a span starts.
    ///
    /// A panic of the configurator is reported, and leaves the tracer enabled.
    pub(crate) fn core_of(&self, scope: &InstrumentationScope) -> &Arc<Core> {
        let DisabledTracers { configurator, core } = &self.disabled_tracers;
        let Some(configurator) = configurator else { return &self.core };
        let config = configurator.configure(scope).unwrap_or_else(|panic| {
            let (code, message) = ("the tracer configurator", panic.to_string());
            self.reporter().report(Diagnostic::UserCodePanicked { code, message });
            Default::default()
        });
        if config.enabled {
            return &self.core;
        }
        core.get_or_init(|| Arc::new(Core::disabled()))
    }
}
