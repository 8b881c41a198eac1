//! Redaction of the stock SDK's spans: no processor can change what the next one sees, so these wrap the exporter or the processor
//! behind.

mod encode;
mod exporter;
mod processor;
mod span_redactor;

pub use exporter::RedactingSpanExporter;
pub use processor::RedactingSpanProcessor;
