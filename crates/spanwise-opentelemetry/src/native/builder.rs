//! [`SpanwiseBuilderExt`]: the stock SDK's components in the builder of the native provider.

use super::exporter::SpanExporterSink;
use super::processor::SpanProcessorAdapter;
use opentelemetry_sdk::trace::{SpanExporter, SpanProcessor};
use spanwise_sdk::SpanwiseBuilder;
use tokio::runtime::Handle;

/// Adds exporters and processors that are written for the stock `opentelemetry_sdk` to a native provider.
pub trait SpanwiseBuilderExt: Sized {
    /// Exports through `exporter`, which may block, instead of OTLP over the network: see
    /// [`SpanExporterSink::new`]. An endpoint, a protocol, headers, a compression or a certificate that code
    /// sets beside it has no effect, and is reported.
    ///
    /// ```
    /// use opentelemetry::trace::Tracer as _;
    /// use opentelemetry_sdk::trace::InMemorySpanExporter;
    /// use spanwise_opentelemetry::SpanwiseBuilderExt as _;
    /// use spanwise_sdk::Spanwise;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let exporter = InMemorySpanExporter::default();
    ///     let spanwise = Spanwise::builder().with_sdk_exporter(exporter.clone()).build()?;
    ///     drop(spanwise.tracer("shop").start("checkout"));
    ///     spanwise.force_flush()?;
    ///     assert_eq!(exporter.get_finished_spans()?.len(), 1);
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    fn with_sdk_exporter(self, exporter: impl SpanExporter + 'static) -> Self;

    /// Exports through `exporter`, whose futures need a tokio runtime: see
    /// [`SpanExporterSink::on_runtime`].
    #[must_use]
    fn with_sdk_exporter_on(self, exporter: impl SpanExporter + 'static, runtime: Handle) -> Self;

    /// Adds a span processor of the stock SDK, which gets no `on_start`: see [`SpanProcessorAdapter`].
    #[must_use]
    fn with_sdk_span_processor(self, processor: impl SpanProcessor + 'static) -> Self;
}

impl SpanwiseBuilderExt for SpanwiseBuilder {
    fn with_sdk_exporter(self, exporter: impl SpanExporter + 'static) -> Self {
        with_sink(self, SpanExporterSink::new(exporter))
    }

    fn with_sdk_exporter_on(self, exporter: impl SpanExporter + 'static, runtime: Handle) -> Self {
        with_sink(self, SpanExporterSink::on_runtime(exporter, runtime))
    }

    fn with_sdk_span_processor(self, processor: impl SpanProcessor + 'static) -> Self {
        self.with_span_processor(SpanProcessorAdapter::new(processor))
    }
}

/// An exporter gets one request at a time.
fn with_sink(builder: SpanwiseBuilder, sink: SpanExporterSink) -> SpanwiseBuilder {
    builder.with_sink(sink).with_max_in_flight(1)
}
