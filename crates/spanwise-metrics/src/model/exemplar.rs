//! Exemplars.

use spanwise_wire::{Attribute, SpanId, TraceId};

use super::number::Number;

/// An observation with the span during which it was made (specification, *Exemplars*).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Exemplar {
    /// The observed value.
    pub value: Number,
    /// The time of the observation, in nanoseconds since the Unix epoch.
    pub time_unix_nanos: u64,
    /// The trace; [`TraceId::INVALID`] outside of any.
    pub trace_id: TraceId,
    /// The span; [`SpanId::INVALID`] outside of any.
    pub span_id: SpanId,
    /// Attributes of the observation that the point does not have.
    pub filtered_attributes: Vec<Attribute>,
}

impl Exemplar {
    /// An exemplar without attributes. `time_unix_nanos` is in nanoseconds since the Unix epoch.
    pub fn new(
        value: impl Into<Number>,
        time_unix_nanos: u64,
        trace_id: TraceId,
        span_id: SpanId,
    ) -> Self {
        let (value, filtered_attributes) = (value.into(), Vec::new());
        Self { value, time_unix_nanos, trace_id, span_id, filtered_attributes }
    }
}
