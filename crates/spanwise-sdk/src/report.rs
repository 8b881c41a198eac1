//! What a flush or shutdown achieved.

use spanwise_ledger::Snapshot;
use std::fmt;
use std::time::Duration;

/// The account after a flush or shutdown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// How long it took.
    pub elapsed: Duration,
    /// Spans acknowledged by the receiver since the call.
    pub exported: u64,
    /// Spans lost since the call; `ledger` says why.
    pub dropped: u64,
    /// The whole account, since the provider was built.
    pub ledger: Snapshot,
}

/// Why a flush or shutdown did not do all of its work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline passed first. After a shutdown the rest is counted as `shutdown_deadline`, or as
    /// `ambiguous_shutdown` if its request had left; after a flush it is still on its way.
    #[error("not done after {:?}: {} spans lost, {} in flight", .0.elapsed, .0.dropped, .0.ledger.in_flight)]
    Timeout(Box<Report>),
    /// The provider was shut down before.
    #[error("the provider is shut down")]
    AlreadyShutdown,
    /// Called on the provider's own worker thread, which cannot wait for itself. The worker still
    /// carries it out.
    #[error("called on the worker thread, which cannot wait for itself")]
    OnWorkerThread,
    /// The worker thread is gone: it panicked, or the process was forked.
    #[error(
        "the worker thread is gone: it died, or this is a forked child, which needs a provider of its own"
    )]
    WorkerGone,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elapsed, exported, dropped, ledger } = self;
        writeln!(f, "{exported} exported, {dropped} dropped in {elapsed:.1?}")?;
        write!(f, "{ledger}")
    }
}
