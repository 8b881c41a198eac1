//! Commands to the exporter: a flush or a shutdown, with a deadline.

use super::handle::Handle;
use super::report::{DestinationReport, FlushError, Report};
use crate::processor::{Command, Pending};
use spanwise_export as export;
use spanwise_ledger::{Ledger, Snapshot};
use spanwise_worker::{MAX_LINE_BYTES, catch_panic, deadline, sanitize};
use std::time::{Duration, Instant};

/// The ledgers' counts at a call.
pub(super) struct Before {
    provider: Snapshot,
    /// Those of the further destinations.
    destinations: Vec<Snapshot>,
}

impl Handle {
    /// The ledgers' counts now.
    pub(super) fn counts(&self) -> Before {
        let destinations = self.further_ledgers().map(|(_, ledger)| ledger.snapshot()).collect();
        Before { provider: self.core.ledger.snapshot(), destinations }
    }

    /// Name and ledger of each further destination.
    fn further_ledgers(&self) -> impl Iterator<Item = (&str, &Ledger)> {
        self.exporter.iter().flat_map(|exporter| exporter.destinations().skip(1))
    }

    /// The deadline of a call with the configured timeout.
    pub(super) fn default_deadline(&self) -> Instant {
        deadline(Instant::now(), self.timeout)
    }

    /// Starts a flush or the shutdown of the span processors.
    pub(super) fn start_processors(&self, command: Command, until: Instant) -> Pending {
        match &self.processors {
            Some(processors) => processors.start(command, until),
            None => Pending::none(),
        }
    }

    /// Flushes the sink behind the export, or shuts it down. Returns the error.
    fn command_sink(
        &self,
        command: Command,
        until: Instant,
        exported: &Result<(), export::FlushError>,
    ) -> Option<String> {
        let sink = self.sink.as_ref().filter(|_| !self.core.is_forked())?;
        let result = match command {
            Command::ForceFlush if exported.is_err() => return None,
            Command::ForceFlush => catch_panic(|| sink.flush_until(until)),
            Command::Shutdown => catch_panic(|| sink.shutdown_until(until)),
        };
        let problem = match result {
            Ok(Ok(())) => return None,
            Ok(Err(problem)) => problem,
            Err(panic) => panic.to_string(),
        };
        Some(format!("{}: {}", self.health.endpoint(), sanitize(&problem, MAX_LINE_BYTES)))
    }

    /// Whether the sink needs the caller's thread to complete the requests that a command waits for.
    fn is_on_sink_thread(&self) -> bool {
        let Some(sink) = self.sink.as_ref().filter(|_| !self.core.is_forked()) else {
            return false;
        };
        catch_panic(|| sink.is_current_thread()).unwrap_or_default()
    }

    /// Runs a flush or a shutdown, at most until its deadline. `before` has the ledger's counts at the call.
    pub(super) fn run(
        &self,
        command: Command,
        until: Instant,
        before: &Before,
    ) -> Result<Report, FlushError> {
        let started = Instant::now();
        // The processors run meanwhile, so that one that blocks costs the export no time.
        let processors = self.start_processors(command, until);
        let result = match (&self.exporter, command) {
            (None, _) => Ok(()),
            (Some(exporter), _) if self.is_on_sink_thread() => {
                match command {
                    Command::ForceFlush => exporter.start_flush(until),
                    Command::Shutdown => exporter.start_shutdown(until),
                }
                Err(export::FlushError::OnWorkerThread)
            }
            (Some(exporter), Command::ForceFlush) => exporter.flush_until(until),
            (Some(exporter), Command::Shutdown) => exporter.shutdown_until(until),
        };
        let problem = match result {
            // A thread that exports does not wait, neither for itself nor for the processors.
            Err(export::FlushError::OnWorkerThread) => None,
            _ => [self.command_sink(command, until, &result), processors.wait_until(until)]
                .into_iter()
                .flatten()
                .reduce(|all, problem| format!("{all}; {problem}")),
        };
        if result != Err(export::FlushError::OnWorkerThread) {
            // The handler has received all reports, unless it is slow.
            let left = |until: Instant| until.saturating_duration_since(Instant::now());
            let wait = left(until).clamp(LEAST_HANDLER_WAIT, HANDLER_WAIT);
            self.reporter().flush(wait.min(left(latest_return(started, until))));
        }
        self.report(result, problem, started, before)
    }

    /// The result of a command that started at `started`, with the ledger's counts since `before`.
    /// `problem` is that of a processor or the sink.
    pub(super) fn report(
        &self,
        result: Result<(), export::FlushError>,
        problem: Option<String>,
        started: Instant,
        before: &Before,
    ) -> Result<Report, FlushError> {
        let report = |done: bool| {
            let ledger = self.core.ledger.snapshot();
            let since = ledger.since(&before.provider);
            let (exported, dropped) = (since.exported, since.dropped_total());
            let destinations = self.failed_destinations(before);
            // An endpoint that has all its spans is not the cause of a call that waits for another one.
            let is_waited_for = !done && (ledger.in_flight > 0 || destinations.is_empty());
            let is_failing = dropped > 0 || is_waited_for;
            let last_failure = if is_failing { self.last_failure() } else { None };
            let elapsed = started.elapsed();
            Report { elapsed, exported, dropped, last_failure, destinations, ledger }
        };
        match result {
            Ok(()) => processed(problem, report(true)),
            Err(export::FlushError::AlreadyShutdown) => Err(FlushError::AlreadyShutdown),
            Err(export::FlushError::OnWorkerThread) => Err(FlushError::OnWorkerThread),
            Err(export::FlushError::WorkerTerminated) => Err(FlushError::WorkerTerminated),
            Err(_) => Err(FlushError::Timeout(Box::new(report(false)))),
        }
    }

    /// The further destinations that lost spans since `before`, or whose spans wait for an outcome.
    fn failed_destinations(&self, before: &Before) -> Vec<DestinationReport> {
        let all = self.further_ledgers().zip(&before.destinations).zip(&self.destinations);
        all.filter_map(|(((name, ledger), before), health)| {
            let now = ledger.snapshot();
            let since = now.since(before);
            let (exported, dropped, in_flight) =
                (since.exported, since.dropped_total(), now.in_flight);
            (dropped > 0 || in_flight > 0).then(|| DestinationReport {
                name: sanitize(name, MAX_LINE_BYTES),
                exported,
                dropped,
                in_flight,
                last_failure: health.last_failure(),
            })
        })
        .collect()
    }
}

/// The latest time for a call that `started` then to return: its waits for the exporter, for the diagnostics
/// handler and for the end of the thread share what its deadline allows.
pub(super) fn latest_return(started: Instant, until: Instant) -> Instant {
    deadline(until.max(started), OVERRUN)
}

/// The result of a command whose export is complete.
fn processed(problem: Option<String>, report: Report) -> Result<Report, FlushError> {
    match problem {
        None => Ok(report),
        Some(problem) => Err(FlushError::Processor { problem, report: Box::new(report) }),
    }
}

/// The longest time by which a call may overrun its deadline. The system has the rest of 50 ms to schedule the caller.
const OVERRUN: Duration = Duration::from_millis(40);
/// How long a flush waits for a slow diagnostics handler.
const HANDLER_WAIT: Duration = Duration::from_millis(200);
/// The same after the deadline.
const LEAST_HANDLER_WAIT: Duration = Duration::from_millis(20);
