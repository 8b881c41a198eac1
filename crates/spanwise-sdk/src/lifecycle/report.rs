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
    /// The ledger's counts since the provider was built.
    pub ledger: Snapshot,
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
    let Report { elapsed, exported, dropped, last_failure, ledger } = report;
    let (lost, in_flight) = (Counted(*dropped, "span"), ledger.in_flight);
    let counts = format!("{lost} lost, {in_flight} in flight, {exported} exported");
    let cause = last_failure.as_ref().map(|failure| format!("; the last failure: {failure}"));
    format!("not done after {elapsed:.1?}: {counts}{}", cause.unwrap_or_default())
}

/// The text of an export that is complete.
fn exported(report: &Report) -> String {
    format!("the export is complete: {} exported, {} dropped", report.exported, report.dropped)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elapsed, exported, dropped, last_failure, ledger } = self;
        write!(f, "{exported} exported, {dropped} dropped in {elapsed:.1?}")?;
        if let Some(failure) = last_failure {
            write!(f, "; the last failure: {failure}")?;
        }
        write!(f, "\n{ledger}")
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
