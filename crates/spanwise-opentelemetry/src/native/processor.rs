//! [`SpanProcessorAdapter`]: a `SpanProcessor` of the stock SDK behind the native provider.

use super::span_data;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanProcessor as SdkSpanProcessor;
use spanwise_sdk::read::{ResourceSpans, SpanView, WireError};
use spanwise_sdk::{ProcessorError, ReadableSpan, SpanProcessor};
use spanwise_worker::catch_panic;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A [`SpanProcessor`] that passes ended spans to any `SpanProcessor` of the stock SDK, as `SpanData`.
///
/// The stock processor gets `on_end`, `force_flush`, `shutdown` and `set_resource`. It gets no
/// `on_start`: that method takes an `opentelemetry_sdk::trace::Span`, which only the stock SDK can make. A
/// processor that changes spans at their start implements [`SpanProcessor`] of the native provider
/// instead.
///
/// # Cost
/// `on_end` copies the span into a tree of heap objects, on the thread that ends it. An exporter is cheaper as a
/// [`SpanExporterSink`](super::SpanExporterSink), which pays this on its own thread.
pub struct SpanProcessorAdapter<P> {
    /// The processor before it has its resource.
    given: Mutex<Option<P>>,
    processor: OnceLock<P>,
    passes_unsampled: bool,
}

impl<P: SdkSpanProcessor + 'static> SpanProcessorAdapter<P> {
    /// Passes sampled spans to `processor`.
    pub fn new(processor: P) -> Self {
        Self {
            given: Mutex::new(Some(processor)),
            processor: OnceLock::new(),
            passes_unsampled: false,
        }
    }

    /// Passes also the spans that the sampler decided to record and not to sample, for a processor that
    /// measures spans. Default: it passes none, because the SDK's `BatchSpanProcessor` exports
    /// every span that it receives.
    #[must_use]
    pub fn with_unsampled_spans(mut self) -> Self {
        self.passes_unsampled = true;
        self
    }

    /// The processor, without a resource if the provider has passed none.
    fn get(&self) -> Option<&P> {
        self.processor.get().or_else(|| {
            self.start(|_| {});
            self.processor.get()
        })
    }

    fn start(&self, set_resource: impl FnOnce(&mut P)) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut processor) = given.take() {
            let set = catch_panic(|| set_resource(&mut processor));
            // The place is empty: only this code fills it, once.
            let _filled = self.processor.set(processor);
            drop(given);
            if let Err(panic) = set {
                // The provider counts it as a panic of the processor.
                std::panic::resume_unwind(Box::new(panic.to_string()));
            }
        }
    }
}

impl<P: SdkSpanProcessor + 'static> SpanProcessor for SpanProcessorAdapter<P> {
    fn on_end(&self, span: &ReadableSpan<'_>) {
        if !span.is_sampled() && !self.passes_unsampled {
            return;
        }
        // The provider writes no span that cannot be read.
        if let (Some(processor), Ok(data)) = (self.get(), data(span)) {
            processor.on_end(data);
        }
    }

    fn force_flush(&self, _timeout: Duration) -> Result<(), ProcessorError> {
        self.command(|processor| processor.force_flush())
    }

    fn shutdown(&self, timeout: Duration) -> Result<(), ProcessorError> {
        self.command(|processor| processor.shutdown_with_timeout(timeout))
    }

    fn set_resource(&self, resource: &ResourceSpans<'_>) {
        if let Ok(resource) = span_data::resource(resource) {
            self.start(|processor| processor.set_resource(&resource));
        }
    }
}

impl<P: SdkSpanProcessor + 'static> SpanProcessorAdapter<P> {
    fn command(&self, command: impl FnOnce(&P) -> OTelSdkResult) -> Result<(), ProcessorError> {
        self.get().map_or(Ok(()), |processor| Ok(command(processor)?))
    }
}

impl<P> fmt::Debug for SpanProcessorAdapter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanProcessorAdapter").finish_non_exhaustive()
    }
}

fn data(span: &ReadableSpan<'_>) -> Result<opentelemetry_sdk::trace::SpanData, WireError> {
    let scope = match span.scope() {
        Some(scope) => span_data::instrumentation_scope(&scope)?,
        None => opentelemetry::InstrumentationScope::default(),
    };
    span_data::span_data(&SpanView::parse(&span.to_vec())?, scope)
}
