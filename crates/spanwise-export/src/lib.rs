#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod batch_config;
mod batch_overrides;
mod builder;
mod delivery_outcome;
mod destination;
#[cfg(feature = "spool")]
mod disk_spool;
mod drained;
mod dynamic_batch_config;
mod dynamic_transport;
mod encoder_bytes;
mod error;
mod event;
mod exporter;
mod hold_back;
mod inbox;
mod intake;
mod local_trace;
mod machine;
mod metrics;
mod observer;
mod on_full;
mod prepared;
mod queue;
mod resource;
mod scopes;
mod settings;
mod shed;
mod spool;
mod spool_usage;
mod tail_sampling;
mod thread;
mod ticket_guard;

pub use batch_config::BatchConfig;
pub use builder::ExporterBuilder;
pub use destination::Destination;
#[cfg(feature = "spool")]
pub use disk_spool::{DiskSpool, DiskSpoolBuilder};
pub use dynamic_batch_config::DynamicBatchConfig;
pub use dynamic_transport::{DynamicTransport, PreparedTransport};
pub use error::{BatchConfigError, BuildError, FlushError};
pub use event::{ExportEvent, SpoolReport};
pub use exporter::Exporter;
pub use hold_back::{HoldBack, HoldCause, HoldContext, HoldDecision};
pub use local_trace::{LocalSpan, LocalSpans, LocalTrace};
pub use metrics::Operation;
pub use observer::{LastWork, Observer};
pub use on_full::OnFull;
pub use prepared::PreparedExporter;
pub use queue::SpanQueue;
pub use scopes::ScopeTable;
pub use shed::ShedThreshold;
pub use spool::{CrashLoss, RequestSpool, SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery};
pub use spool_usage::SpoolUsage;
pub use tail_sampling::{TailDecision, TailSampler, TailSampling};

/// The export without a thread, a socket or a clock: for simulators, event loops, and processors
/// between the queue and the requests; and the outcomes of requests, for other queues of encoded requests.
pub mod sans_io {
    pub use crate::delivery_outcome::{count_request, drop_reason, is_retryable, is_too_large};
    pub use crate::drained::{Drained, DrainedChunk};
    pub use crate::machine::{Action, ExportMachine, FlushId, Reply, RequestId};
    pub use crate::queue::{QueueAction, QueueLevel};
    pub use crate::shed::ShedController;
}
