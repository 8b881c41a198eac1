//! `ForceFlush` of the provider.

use super::handle::Handle;
use super::report::{FlushError, Report};
use crate::processor::Command;
use crate::provider::Spanwise;
use spanwise_worker::deadline;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

impl Spanwise {
    /// `ForceFlush`: exports all spans that ended before this call, and waits until each has its outcome, at
    /// most for the configured [timeout](crate::SpanwiseBuilder::with_shutdown_timeout).
    ///
    /// Works from any thread, inside or outside of any async runtime, and returns at most 50 ms after its
    /// deadline, whatever the collector does and if the worker is blocked.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn force_flush(&self) -> Result<Report, FlushError> {
        self.handle.force_flush(self.handle.default_deadline())
    }

    /// As [`force_flush`](Self::force_flush), and returns within `timeout`.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn force_flush_timeout(&self, timeout: Duration) -> Result<Report, FlushError> {
        self.handle.force_flush(deadline(Instant::now(), timeout))
    }

    /// As [`force_flush`](Self::force_flush), and returns by `deadline`.
    ///
    /// # Errors
    /// See [`FlushError`].
    pub fn force_flush_until(&self, deadline: Instant) -> Result<Report, FlushError> {
        self.handle.force_flush(deadline)
    }
}

impl Handle {
    fn force_flush(&self, until: Instant) -> Result<Report, FlushError> {
        if self.shut_down.load(SeqCst) {
            return Err(FlushError::AlreadyShutdown);
        }
        self.run(Command::ForceFlush, until, &self.counts())
    }

    /// As `force_flush`, without blocking the thread.
    pub(crate) async fn flush_async(&self, until: Instant) -> Result<Report, FlushError> {
        if self.shut_down.load(SeqCst) {
            return Err(FlushError::AlreadyShutdown);
        }
        let (started, before) = (Instant::now(), self.counts());
        let flushed = match &self.exporter {
            Some(exporter) => exporter.flush_async(until).await,
            None => Ok(()),
        };
        self.report(flushed, None, started, &before)
    }
}
