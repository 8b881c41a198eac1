#![doc = include_str!("../README.md")]

mod config;
mod core;
mod diagnostics;
mod ids;
mod pipeline;
mod provider;
mod report;
mod sampler;
mod scopes;
mod span;
mod tracer;
mod value;

pub use crate::core::OnFull;
pub use config::{BuildError, Builder};
pub use diagnostics::Diagnostic;
pub use provider::{Guard, Spanwise};
pub use report::{FlushError, Report};
pub use sampler::{RatioError, Sampler};
pub use span::Span;
pub use spanwise_ledger::{DropReason, Note, Snapshot};
pub use spanwise_transport::{Compression, Protocol};
pub use spanwise_wire::write::{EncodeValue, Value};
pub use spanwise_wire::{SpanKind, SpanLimits};
pub use tracer::Tracer;
