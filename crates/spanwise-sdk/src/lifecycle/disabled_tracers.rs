//! Tracers that a configurator disables.

use crate::core::Core;
use crate::diagnostics::{Diagnostic, Reporter};
use crate::start::TracerConfigurator;
use arc_swap::ArcSwapOption;
use opentelemetry::InstrumentationScope;
use spanwise_worker::catch_panic;
use std::sync::{Arc, OnceLock};

/// The configurator of tracers, and the core of those that it disables.
#[derive(Default)]
pub(crate) struct DisabledTracers {
    /// A pointer that a reload replaces. A fork leaves no lock behind.
    configurator: ArcSwapOption<TracerConfigurator>,
    core: OnceLock<Arc<Core>>,
}

impl DisabledTracers {
    /// The tracers that this configurator disables.
    pub(super) fn new(configurator: Option<TracerConfigurator>) -> Self {
        let configurator = ArcSwapOption::new(configurator.map(Arc::new));
        Self { configurator, core: OnceLock::new() }
    }

    /// The present configurator.
    pub(crate) fn configurator(&self) -> Option<Arc<TracerConfigurator>> {
        self.configurator.load_full()
    }

    /// Replaces the configurator, for the tracers that are created from now on.
    pub(crate) fn set_configurator(&self, configurator: Option<TracerConfigurator>) {
        let before = self.configurator.swap(configurator.map(Arc::new));
        // The function may be the user's, and the drop of what it holds may panic.
        let _dropped = catch_panic(|| drop(before));
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
        let configurator = self.configurator.load();
        let Some(configurator) = &*configurator else { return enabled };
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
