//! `Shutdown` of the provider.

use super::command::latest_return;
use super::handle::Handle;
use super::report::{FlushError, Report};
#[cfg(feature = "config-file")]
use super::stop_signal::StopSignal;
use crate::core::Phase;
use crate::processor::Command;
use crate::provider::Spanwise;
use spanwise_worker::deadline;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

impl Spanwise {
    /// `Shutdown`: accepts no more spans, exports the remaining ones, and stops the worker, at most for the
    /// configured [timeout](crate::SpanwiseBuilder::with_shutdown_timeout).
    ///
    /// Works from any thread, inside or outside of any async runtime, and returns at most 50 ms after its
    /// deadline, whatever the collector does and if the worker is blocked. Open spans that end afterwards count
    /// as `after_shutdown`. Tracers are no-op afterwards (specification, *Shutdown*) and pass contexts
    /// through.
    ///
    /// # Errors
    /// See [`FlushError`]; the provider is shut down all the same.
    pub fn shutdown(&self) -> Result<Report, FlushError> {
        self.handle.shutdown(self.handle.default_deadline())
    }

    /// As [`shutdown`](Self::shutdown), and returns within `timeout`.
    ///
    /// # Errors
    /// See [`FlushError`]; the provider is shut down all the same.
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<Report, FlushError> {
        self.handle.shutdown(deadline(Instant::now(), timeout))
    }

    /// As [`shutdown`](Self::shutdown), and returns by `deadline`.
    ///
    /// # Errors
    /// See [`FlushError`]; the provider is shut down all the same.
    pub fn shutdown_until(&self, deadline: Instant) -> Result<Report, FlushError> {
        self.handle.shutdown(deadline)
    }
}

impl Handle {
    fn shutdown(&self, until: Instant) -> Result<Report, FlushError> {
        let started = Instant::now();
        let before = self.counts();
        if !self.begin_shutdown() {
            return Err(FlushError::AlreadyShutdown);
        }
        let result = self.run(Command::Shutdown, until, &before);
        if let Some(exporter) = &self.exporter
            && matches!(result, Ok(_) | Err(FlushError::Processor { .. }))
        {
            // The worker is idle and ends; after this wait no thread of ours runs.
            exporter.join_until(latest_return(started, until));
        }
        result
    }

    /// Ends recording. Returns whether this is the first call.
    pub(super) fn begin_shutdown(&self) -> bool {
        if self.shut_down.swap(true, SeqCst) {
            return false;
        }
        #[cfg(feature = "config-file")]
        self.watch.get().into_iter().for_each(StopSignal::stop);
        let ended_after = u64::try_from(self.built.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.ended_after.store(ended_after, Relaxed);
        self.core.leave_running(Phase::ShutDown);
        self.core.queue.close();
        true
    }
}
