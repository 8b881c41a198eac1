use super::{SpanId, StringValue, TraceFlags, TraceId};

/// The span context that a link points to (specification, *Link*).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkedContext {
    /// Trace id.
    pub trace_id: TraceId,
    /// Span id.
    pub span_id: SpanId,
    /// W3C trace flags.
    pub trace_flags: TraceFlags,
    /// Whether the context is from another process.
    pub is_remote: bool,
    /// The context's W3C `tracestate` header.
    pub trace_state: StringValue,
}
