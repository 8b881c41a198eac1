//! The report of a flush or shutdown.

use crate::diagnostics::Counted;
use spanwise_ledger::Snapshot;
use std::fmt;
use std::time::Duration;

/// The report of a flush or shutdown, with the ledger's counts. `Debug` prints as `Display`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Report {
    /// The duration of the call.
    pub elapsed: Duration,
    /// Spans acknowledged by the receiver since the call.
    pub exported: u64,
    /// Spans lost since the call; `ledger` has the reasons.
    pub dropped: u64,
    /// If spans were lost or wait for a response: the endpoint, and the cause of the last failed attempt or
    /// the time without a response.
    pub last_failure: Option<String>,
    /// The further destinations that lost spans since the call, or whose spans wait for a response.
    pub destinations: Vec<DestinationReport>,
    /// The ledger's counts since the provider was built.
    pub ledger: Snapshot,
}

/// The part of a [`Report`] about a [further destination](crate::SpanwiseBuilder::with_destination). `Debug` prints
/// as `Display`.
#[derive(Clone)]
#[non_exhaustive]
pub struct DestinationReport {
    /// The name of the destination.
    pub name: String,
    /// Spans acknowledged there since the call.
    pub exported: u64,
    /// Spans lost there since the call.
    pub dropped: u64,
    /// Spans that wait for a response there.
    pub in_flight: u64,
    /// The endpoint, and the cause of the last failed attempt there.
    pub last_failure: Option<String>,
}

/// The error of a flush or shutdown that did not complete. `Debug` prints as `Display`.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline passed first. A shutdown counts the remaining spans as `shutdown_deadline`, or as
    /// `ambiguous_shutdown` if their request was sent; after a flush they are still in flight.
    #[error("{}", unfinished(.0))]
    Timeout(Box<Report>),
    /// A span processor or the sink failed, panicked or did not return by the deadline; the provider's own
    /// export is complete.
    #[error("{problem}; {}", exported(.report))]
    Processor {
        /// The errors of the sink and of the processors.
        problem: String,
        /// The report of the export.
        report: Box<Report>,
    },
    /// The provider was shut down before.
    #[error("the provider is shut down")]
    AlreadyShutdown,
    /// The caller is the worker thread, or the thread of an exporter behind it, which cannot wait for itself.
    /// The worker still runs the command.
    #[error("called on a thread that exports, which cannot wait for itself")]
    OnWorkerThread,
    /// The worker thread has terminated: it panicked, or the process was forked.
    #[error(
        "the worker thread has terminated: it died, or this is a forked child, which needs a provider of its own"
    )]
    WorkerTerminated,
}

/// The text of a flush or shutdown that missed its deadline.
fn unfinished(report: &Report) -> String {
    let Report { elapsed, exported, dropped, last_failure, destinations, ledger } = report;
    let (lost, in_flight) = (Counted(*dropped, "span"), ledger.in_flight);
    let counts = format!("{lost} lost, {in_flight} in flight, {exported} exported");
    let cause = last_failure.as_ref().map(|failure| format!("; the last failure: {failure}"));
    let others: String = destinations.iter().map(|it| format!("; {it}")).collect();
    format!("not done after {elapsed:.1?}: {counts}{}{others}", cause.unwrap_or_default())
}

/// The text of an export that is complete.
fn exported(report: &Report) -> String {
    format!("the export is complete: {} exported, {} dropped", report.exported, report.dropped)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elapsed, exported, dropped, last_failure, destinations, ledger } = self;
        write!(f, "{exported} exported, {dropped} dropped in {elapsed:.1?}")?;
        if let Some(failure) = last_failure {
            write!(f, "; the last failure: {failure}")?;
        }
        destinations.iter().try_for_each(|it| write!(f, "; {it}"))?;
        write!(f, "\n{ledger}")
    }
}

impl fmt::Display for DestinationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, exported, dropped, in_flight, last_failure } = self;
        let lost = Counted(*dropped, "span");
        write!(f, "at {name}: {lost} lost, {in_flight} in flight, {exported} exported")?;
        match last_failure {
            Some(failure) => write!(f, "; the last failure: {failure}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for DestinationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
