//! [`RedactingSpanExporter`].

use super::span_redactor::SpanRedactor;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use spanwise_redact::Redactor;
use std::time::Duration;

/// A [`SpanExporter`] that redacts spans, their scopes and the resource by the rules of a [`Redactor`], and passes them to another one.
///
/// The results are those of the native provider. A rule that cannot run on a value deletes the value, never the span.
///
/// ```
/// use opentelemetry::trace::{Tracer, TracerProvider};
/// use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
/// use spanwise_opentelemetry::RedactingSpanExporter;
/// use spanwise_redact::{Preset, Redactor};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let redactor = Redactor::builder().with_preset(Preset::Email).build()?;
///     let exporter = InMemorySpanExporter::default();
///     let provider = SdkTracerProvider::builder()
///         .with_simple_exporter(RedactingSpanExporter::new(exporter.clone(), redactor))
///         .build();
///     drop(provider.tracer("shop").start("mail to ann@example.com"));
///     assert_eq!(exporter.get_finished_spans()?[0].name, "mail to ****");
///     Ok(())
/// }
/// ```
///
/// # Cost
/// Each span is copied to OTLP bytes for a pass over its texts; one that a rule changes is copied back. In front of
/// `OtlpExporter` or `BatchSpanProcessor`, their `with_redaction` costs less: they encode the span anyway.
#[derive(Debug)]
pub struct RedactingSpanExporter<E> {
    exporter: E,
    redactor: SpanRedactor,
}

impl<E> RedactingSpanExporter<E> {
    /// An exporter that redacts spans for `exporter`. A clone of `redactor` has the counts by rule.
    pub fn new(exporter: E, redactor: Redactor) -> Self {
        Self { exporter, redactor: SpanRedactor::new(redactor) }
    }

    /// The redactor, for its counts.
    pub fn redactor(&self) -> &Redactor {
        self.redactor.redactor()
    }

    /// Number of values that no rule could read, which were deleted, and of spans that the rules could not process, which lost all texts.
    pub fn failures(&self) -> u64 {
        self.redactor.failures()
    }
}

impl<E: SpanExporter> SpanExporter for RedactingSpanExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let batch = batch.into_iter().map(|span| self.redactor.span(span)).collect();
        self.exporter.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        let redacted = self.redactor.resource(resource);
        self.exporter.set_resource(redacted.as_ref().unwrap_or(resource));
    }
}
