//! [`RedactingSpanProcessor`].

use super::span_redactor::SpanRedactor;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use spanwise_redact::Redactor;
use std::time::Duration;

/// A [`SpanProcessor`] that redacts ended spans, their scopes and the resource by the rules of a [`Redactor`], and passes them to another
/// one.
///
/// It wraps the processor behind, because the SDK passes each processor the span as it is: redact for each processor whose spans leave the
/// process. [`on_start`](SpanProcessor::on_start) of the processor behind gets the span before redaction, as the SDK has it.
///
/// ```
/// use opentelemetry::trace::{Tracer, TracerProvider};
/// use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};
/// use spanwise_opentelemetry::RedactingSpanProcessor;
/// use spanwise_redact::{Redactor, Rule};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let redactor = Redactor::builder().with_rule(Rule::mask_values("ORD-[0-9]+")).build()?;
///     let exporter = InMemorySpanExporter::default();
///     let behind = SimpleSpanProcessor::new(exporter.clone());
///     let provider = SdkTracerProvider::builder()
///         .with_span_processor(RedactingSpanProcessor::new(behind, redactor))
///         .build();
///     drop(provider.tracer("shop").start("load ORD-4711"));
///     assert_eq!(exporter.get_finished_spans()?[0].name, "load ****");
///     Ok(())
/// }
/// ```
///
/// # Cost
/// As [`RedactingSpanExporter`](crate::RedactingSpanExporter), on the thread that ends the span. No thread waits for a lock.
#[derive(Debug)]
pub struct RedactingSpanProcessor<P> {
    processor: P,
    redactor: SpanRedactor,
}

impl<P> RedactingSpanProcessor<P> {
    /// A processor that redacts spans for `processor`. A clone of `redactor` has the counts by rule.
    pub fn new(processor: P, redactor: Redactor) -> Self {
        Self { processor, redactor: SpanRedactor::new(redactor) }
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

impl<P: SpanProcessor> SpanProcessor for RedactingSpanProcessor<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.processor.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        self.processor.on_end(self.redactor.span(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.processor.shutdown()
    }

    fn set_resource(&mut self, resource: &Resource) {
        let redacted = self.redactor.resource(resource);
        self.processor.set_resource(redacted.as_ref().unwrap_or(resource));
    }
}
