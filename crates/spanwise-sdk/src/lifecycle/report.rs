//! The report of a flush or shutdown.

use crate::diagnostics::Counted;
use spanwise_ledger::Snapshot;
use std::fmt;
use std::time::Duration;

/// The account after a flush or shutdown. `Debug` is `Display`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Report {
    /// The time it took.
    pub elapsed: Duration,
    /// Spans acknowledged by the receiver since the call.
    pub exported: u64,
    /// Spans lost since the call; `ledger` has the reasons.
    pub dropped: u64,
    /// If spans were lost or wait for an answer: endpoint and cause of the last attempt that failed,
    /// or for how long no answer has come.
    pub last_failure: Option<String>,
    /// The whole account, since the provider was built.
    pub ledger: Snapshot,
}

/// Why a flush or shutdown did not do all of its work. `Debug` is `Display`.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline passed first. After a shutdown the rest is counted as `shutdown_deadline`, or as
    /// `ambiguous_shutdown` if its request had left; after a flush it is still on its way.
    #[error("{}", unfinished(.0))]
    Timeout(Box<Report>),
    /// The provider was shut down before.
    #[error("the provider is shut down")]
    AlreadyShutdown,
    /// Called on the provider's own worker thread, which cannot wait for itself. The worker still
    /// carries it out.
    #[error("called on the worker thread, which cannot wait for itself")]
    OnWorkerThread,
    /// The worker thread has terminated: it panicked, or the process was forked.
    #[error(
        "the worker thread has terminated: it died, or this is a forked child, which needs a provider of its own"
    )]
    WorkerTerminated,
}

/// The text of a flush or shutdown that was not done by its deadline.
fn unfinished(report: &Report) -> String {
    let Report { elapsed, exported, dropped, last_failure, ledger } = report;
    let (lost, in_flight) = (Counted(*dropped, "span"), ledger.in_flight);
    let counts = format!("{lost} lost, {in_flight} in flight, {exported} exported");
    let cause = last_failure.as_ref().map(|failure| format!("; the last failure: {failure}"));
    format!("not done after {elapsed:.1?}: {counts}{}", cause.unwrap_or_default())
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
