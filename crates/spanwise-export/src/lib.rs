#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod batch_config;
mod batch_overrides;
mod builder;
mod drained;
mod dynamic_batch_config;
mod error;
mod event;
mod exporter;
mod hold_back;
mod inbox;
mod intake;
mod machine;
mod observer;
mod queue;
mod resource;
mod scopes;
mod settings;
mod thread;
mod ticket_guard;

pub use batch_config::BatchConfig;
pub use builder::{ExporterBuilder, PreparedExporter};
pub use dynamic_batch_config::DynamicBatchConfig;
pub use error::{BatchConfigError, BuildError, FlushError};
pub use event::ExportEvent;
pub use exporter::Exporter;
pub use hold_back::{HoldBack, HoldCause, HoldDecision, HoldPoint};
pub use observer::Observer;
pub use queue::{OnFull, SpanQueue};
pub use scopes::ScopeTable;

/// The export without a thread, a socket or a clock: for simulators, event loops, and processors
/// between the queue and the requests.
pub mod sans_io {
    pub use crate::drained::{Drained, DrainedChunk};
    pub use crate::machine::{Action, ExportMachine, FlushId, Reply, RequestId};
    pub use crate::queue::{QueueAction, QueueLevel};
}
