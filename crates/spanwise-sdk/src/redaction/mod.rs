//! Redaction of spans at their end, before anything else sees them.

mod fit;
mod span_redaction;

pub use span_redaction::RedactionBuffers;
pub(crate) use span_redaction::SpanRedaction;
pub(crate) use spanwise_redact::Redactor;
