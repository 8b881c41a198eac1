//! The events that the exporter reports to its observer.

use crate::metrics::Operation;
use crate::spool::{SpoolLosses, SpoolRecovery};
use spanwise_transport::Delivery;
use spanwise_worker::CaughtPanic;
use std::sync::Arc;
use std::time::Instant;

/// A report of the spool behind an exporter, after the ledger counts it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SpoolReport {
    /// The spool is open, with the spans that earlier processes left.
    Opened(SpoolRecovery),
    /// The spool cannot be opened, or its thread has ended: the export goes on without it.
    Unavailable {
        /// The reason.
        error: Arc<str>,
    },
    /// The receiver accepts no requests, and their spans go to the disk.
    Storing,
    /// All spans on disk were sent.
    Drained,
    /// Spans on disk are lost.
    Lost(SpoolLosses),
    /// An operation failed. The spans that it cost, if any, are in the ledger.
    Failed {
        /// The reason.
        error: Arc<str>,
    },
}

/// An event of the export, after it was booked in the ledger.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ExportEvent {
    /// A request ended, by whatever outcome.
    RequestEnded {
        /// The [name](crate::Destination::name) of its destination; `None` for the exporter's first.
        destination: Option<Arc<str>>,
        /// The number of its spans.
        spans: u64,
        /// Its result; `None` when the task that sent it panicked.
        delivery: Option<Delivery>,
        /// The request as an operation; `None` when [`RequestSplit`](Self::RequestSplit) had it before.
        operation: Option<Operation>,
    },
    /// The receiver refused a request as too large: its spans are sent again, in smaller requests.
    RequestSplit {
        /// The number of its spans.
        spans: u64,
        /// The maximum bytes of a request from now on.
        max_bytes: usize,
        /// The refusal.
        delivery: Delivery,
        /// The refused request as an operation.
        operation: Option<Operation>,
    },
    /// The [spool](crate::RequestSpool) reports.
    Spool(SpoolReport),
    /// Requests are in flight, and none was accepted since this instant; `None`: no request is in
    /// flight.
    Awaiting(Option<Instant>),
    /// Code that runs on the exporter's thread panicked. The export goes on.
    Panicked {
        /// The name of the code that panicked.
        code: &'static str,
        /// The panic.
        panic: CaughtPanic,
        /// Panics so far.
        count: u64,
    },
    /// The thread dies before a shutdown: all spans from now on are lost as `worker_unavailable`.
    Died,
    /// The shutdown is complete and every span has its outcome.
    ShutDown,
    /// The thread ends. Only the drop of the transport follows.
    Ending,
}
