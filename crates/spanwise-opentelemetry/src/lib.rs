#![cfg_attr(all(feature = "processor", feature = "sampler"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "processor", feature = "sampler")),
    doc = "Parts of Spanwise as plug-ins for the stock OpenTelemetry SDK, each behind a feature."
)]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

#[cfg(feature = "processor")]
mod encode;
#[cfg(feature = "processor")]
mod exporter;
mod id_generator;
#[cfg(feature = "native")]
mod native;
#[cfg(feature = "processor")]
mod processor;
#[cfg(feature = "redaction")]
mod redaction;
#[cfg(feature = "sampler")]
mod sampler;
#[cfg(feature = "sampler")]
mod sampler_context;
#[cfg(feature = "processor")]
mod scopes;
#[cfg(feature = "processor")]
mod sdk_result;
#[cfg(feature = "processor")]
mod settings;
#[cfg(any(feature = "native", feature = "redaction"))]
mod values;

#[cfg(feature = "processor")]
pub use exporter::{OtlpExporter, OtlpExporterBuilder};
pub use id_generator::RandomIdGenerator;
#[cfg(feature = "native")]
pub use native::{SpanExporterSink, SpanProcessorAdapter, SpanwiseBuilderExt};
#[cfg(feature = "processor")]
pub use processor::{BatchSpanProcessor, BatchSpanProcessorBuilder};
#[cfg(feature = "redaction")]
pub use redaction::{RedactingSpanExporter, RedactingSpanProcessor};
#[cfg(feature = "sampler")]
pub use sampler::OtelSampler;
#[cfg(feature = "spool")]
pub use spanwise_sdk::SpoolSettings;
#[cfg(feature = "processor")]
pub use spanwise_sdk::{
    AdaptiveBatchSize, BatchConfig, BatchConfigError, BatchLimits, BatchPreset, BatchSize,
    BuildError, Bytes, CircuitBreaker, Compression, Counter, CryptoProvider, Diagnostic,
    DropReason, DynamicBatchConfig, Failure, LocalSpan, LocalSpans, LocalTrace, MetricsExport,
    OnFull, Outcome, Protocol, ResponseStatus, Sink, SinkFuture, Snapshot, TailDecision,
    TailSampling,
};
