#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod attributes;
mod bounded_share;
mod config;
mod core;
mod detectors;
#[cfg_attr(
    not(any(feature = "jaeger", feature = "xray")),
    expect(dead_code, reason = "without remote sampling no strategy is reported")
)]
mod diagnostics;
mod doctor;
mod dynamic_limits;
mod end;
mod export_observer;
mod layer_parts;
mod lifecycle;
mod live;
mod metrics;
mod pipeline;
mod processor;
pub mod propagation;
mod provider;
mod recent;
mod record;
#[cfg_attr(not(feature = "redaction"), path = "no_redaction.rs")]
mod redaction;
#[cfg_attr(not(any(feature = "jaeger", feature = "xray")), path = "no_remote_sampling.rs")]
mod remote_sampling;
mod remote_slot;
mod span_metrics;
mod span_route;
mod spool_settings;
mod start;
mod tail;
mod value;
mod watched;

/// The table of settings, and explanations of those that are in force.
pub mod settings {
    pub use crate::config::{
        EffectiveSetting, Explanation, Origin, Setting, SettingType, Support, explain, settings,
    };
}

/// The bytes of a request, as a [`Sink`] receives them.
pub use bytes::Bytes;
pub use config::{BuildError, Exporter, ReloadError, Reloaded, SettingChange, SpanwiseBuilder};
pub use detectors::Detector;
pub use diagnostics::{Diagnostic, LiveDiagnostic, LogLevel};
pub use doctor::{CheckStatus, DoctorCheck, DoctorReport, VisibleFrom, doctor};
pub use end::{FinishError, Finished};
pub use lifecycle::{DestinationReport, FlushError, Guard, Report};
pub use live::{
    LiveBudget, LiveDestination, LiveRedaction, LiveRule, LiveSampler, LiveSnapshot, LiveView,
};
pub use metrics::MetricsExport;
/// The API that spans are made through, in the version this crate implements.
pub use opentelemetry;
pub use processor::{ProcessorError, ReadableSpan, SpanProcessor};
pub use provider::Spanwise;
pub use recent::LiveSpan;
pub use record::Span;
pub use span_metrics::{DurationUnit, SpanMetrics, SpanMetricsBuilder, SpanMetricsError};
pub use spanwise_batch::{AdaptiveBatchSize, BatchLimits, BatchPreset, BatchSize};
pub use spanwise_export::{
    BatchConfig, BatchConfigError, CrashLoss, Destination, DynamicBatchConfig, LocalSpan,
    LocalSpans, LocalTrace, OnFull, SpoolRecovery, TailDecision,
};
pub use spanwise_ledger::{Counter, DropReason, Snapshot};
/// Samplers and their parts.
pub use spanwise_sampling as sampling;
pub use spanwise_transport::{CircuitBreaker, Compression, CryptoProvider, Protocol};
/// The trait of a sink and its outcomes: see [`SpanwiseBuilder::with_sink`].
pub use spanwise_transport::{
    Failure, FileSink, FileSinkBuilder, FileSinkError, Outcome, ResponseStatus, Sink, SinkFuture,
    SinkLifecycle,
};
/// Views of encoded spans, which processors read.
pub use spanwise_wire::read;
pub use spanwise_wire::write::EncodeValue;
pub use spanwise_wire::{
    Attribute, LinkedContext, OwnedValue, SpanId, SpanKind, SpanLimits, StatusCode, TraceFlags,
    TraceId, Value,
};
#[cfg(feature = "spool")]
pub use spool_settings::SpoolSettings;
pub use start::{Tracer, TracerConfig};
pub use tail::TailSampling;

/// The parts that `spanwise-opentelemetry` and `spanwise-tracing` share. They are no part of the API and change without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::config::{init_after, shown_address};
    pub use crate::layer_parts::{LayerSpan, LayerTracer};
    pub use crate::lifecycle::attach;
    pub use crate::pipeline::{Front, Pipeline};
    pub use crate::redaction::RedactionBuffers;
    pub use crate::start::is_context_readable;
    pub use spanwise_wire::write::AttributeKey;
}
