//! The handle of a running pipeline, which providers and tracers share.

use crate::core::Core;
use crate::diagnostics::{EndpointHealth, Reporter};
use spanwise_export::Exporter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

/// The handle of a pipeline, which runs as long as a provider or a tracer holds it.
pub(crate) struct Handle {
    pub(crate) core: Arc<Core>,
    /// `None` when the provider is disabled or exports nothing.
    pub(super) exporter: Option<Exporter>,
    pub(super) health: EndpointHealth,
    pub(super) shut_down: AtomicBool,
    /// The timeout of flushes and shutdowns that are given none.
    pub(super) timeout: Duration,
    pub(super) built: Instant,
    /// How long the guard lived that was dropped before any span was started, in nanoseconds; 0
    /// otherwise, and once it is reported.
    pub(super) unused_for: AtomicU64,
}

impl Handle {
    pub(crate) fn new(
        core: Arc<Core>,
        exporter: Option<Exporter>,
        health: EndpointHealth,
        timeout: Duration,
    ) -> Self {
        Self {
            core,
            exporter,
            health,
            shut_down: AtomicBool::new(false),
            timeout,
            built: Instant::now(),
            unused_for: AtomicU64::new(0),
        }
    }

    pub(super) fn reporter(&self) -> &Reporter {
        self.health.reporter()
    }
}

impl Drop for Handle {
    /// Starts a shutdown and returns: the thread that drops the last handle may hold a lock that
    /// others wait for, as the API does when the global provider is replaced.
    fn drop(&mut self) {
        if self.begin_shutdown() {
            let until = self.default_deadline();
            self.exporter.iter().for_each(|exporter| exporter.start_shutdown(until));
        }
        if self.exporter.is_none() {
            let _ = self.core.drop_sampler();
            self.reporter().close();
        }
        if *self.unused_for.get_mut() > 0 {
            self.reporter().close_held_open();
        }
    }
}

/// How long a thread with nothing to do may take to end.
pub(super) const THREAD_EXIT: Duration = Duration::from_millis(20);
