#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod config;
mod core;
#[cfg_attr(
    not(any(feature = "jaeger", feature = "xray")),
    expect(dead_code, reason = "without remote sampling no strategy is reported")
)]
mod diagnostics;
mod end;
mod export_observer;
mod provider;
mod record;
#[cfg_attr(not(any(feature = "jaeger", feature = "xray")), path = "no_remote_sampling.rs")]
mod remote_sampling;
mod report;
mod start;
mod value;

/// The body of a request that a [`Sink`] gets.
pub use bytes::Bytes;
pub use config::{BuildError, Exporter, SpanwiseBuilder};
pub use diagnostics::Diagnostic;
pub use end::{FinishError, Finished};
/// The API that spans are made through, in the version this crate implements.
pub use opentelemetry;
pub use provider::{Guard, Spanwise};
pub use record::Span;
pub use report::{FlushError, Report};
pub use spanwise_export::OnFull;
pub use spanwise_ledger::{Counter, DropReason, Snapshot};
/// Samplers, and what they are made of.
pub use spanwise_sampling as sampling;
pub use spanwise_transport::{Compression, Protocol};
/// A sink and its outcomes: see [`SpanwiseBuilder::with_sink`].
pub use spanwise_transport::{Failure, Outcome, Sink, SinkFuture, Status};
pub use spanwise_wire::write::EncodeValue;
pub use spanwise_wire::{
    Attribute, LinkedContext, OwnedValue, SpanId, SpanKind, SpanLimits, StatusCode, TraceFlags,
    TraceId, Value,
};
pub use start::Tracer;
