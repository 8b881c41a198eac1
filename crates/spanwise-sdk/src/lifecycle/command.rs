//! Commands to the exporter: a flush or a shutdown, with a deadline.

use super::handle::Handle;
use super::report::{FlushError, Report};
use spanwise_export::{self as export, Exporter};
use spanwise_ledger::Snapshot;
use spanwise_worker::deadline;
use std::time::{Duration, Instant};

impl Handle {
    /// The deadline of a call with the configured timeout.
    pub(super) fn default_deadline(&self) -> Instant {
        deadline(Instant::now(), self.timeout)
    }

    /// Runs a flush or a shutdown, at most until its deadline. `before` has the ledger's counts at the call.
    pub(super) fn run(
        &self,
        command: impl FnOnce(&Exporter, Instant) -> Result<(), export::FlushError>,
        until: Instant,
        before: &Snapshot,
    ) -> Result<Report, FlushError> {
        let started = Instant::now();
        let report = |done: bool| {
            let ledger = self.core.ledger.snapshot();
            let since = ledger.since(before);
            let (exported, dropped) = (since.exported, since.dropped_total());
            let last_failure = if done && dropped == 0 { None } else { self.health.last_failure() };
            Report { elapsed: started.elapsed(), exported, dropped, last_failure, ledger }
        };
        let Some(exporter) = &self.exporter else { return Ok(report(true)) };
        let result = command(exporter, until);
        if result != Err(export::FlushError::OnWorkerThread) {
            // The handler has received the losses, unless it is slow.
            let left = |until: Instant| until.saturating_duration_since(Instant::now());
            let wait = left(until).clamp(LEAST_HANDLER_WAIT, HANDLER_WAIT);
            self.reporter().flush(wait.min(left(latest_return(started, until))));
        }
        match result {
            Ok(()) => Ok(report(true)),
            Err(export::FlushError::AlreadyShutdown) => Err(FlushError::AlreadyShutdown),
            Err(export::FlushError::OnWorkerThread) => Err(FlushError::OnWorkerThread),
            Err(export::FlushError::WorkerTerminated) => Err(FlushError::WorkerTerminated),
            Err(_) => Err(FlushError::Timeout(Box::new(report(false)))),
        }
    }
}

/// The latest time for a call that `started` then to return: its waits for the exporter, for the diagnostics
/// handler and for the end of the thread share what its deadline allows.
pub(super) fn latest_return(started: Instant, until: Instant) -> Instant {
    deadline(until.max(started), OVERRUN)
}

/// How long a call may overrun its deadline. The system has 10 ms of the 50 ms that the documentation promises,
/// to schedule the caller.
const OVERRUN: Duration = Duration::from_millis(40);
/// How long a flush waits for a slow diagnostics handler.
const HANDLER_WAIT: Duration = Duration::from_millis(200);
/// The same after the deadline.
const LEAST_HANDLER_WAIT: Duration = Duration::from_millis(20);
