//! Exporters and processors of the stock SDK behind the native provider.

mod builder;
mod export_call;
mod exporter;
mod exporter_thread;
mod processor;
mod span_data;

pub use builder::SpanwiseBuilderExt;
pub use exporter::SpanExporterSink;
pub use processor::SpanProcessorAdapter;
