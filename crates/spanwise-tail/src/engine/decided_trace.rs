//! The decision about a trace.

use spanwise_wire::TraceId;

use crate::policy::Decision;

/// A trace that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecidedTrace<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// The decision.
    pub decision: Decision,
    /// The name of the policy that decided; `None` for a trace that no policy sampled.
    pub policy: Option<&'a str>,
    /// The reason why the trace was decided now.
    pub cause: DecisionCause,
    /// Number of spans that had arrived.
    pub spans: u64,
}

/// The reason why a trace was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecisionCause {
    /// `decision_wait` or `decision_wait_after_root_received` was over.
    WaitOver,
    /// `num_traces` or `max_memory_bytes` was reached.
    Evicted,
    /// The trace reached `max_spans_per_trace`.
    MaxSpans,
    /// The trace exceeded `maximum_trace_size_bytes`.
    TraceTooLarge,
    /// `span-ingest`: a policy decided by the spans of one request.
    SpanIngest,
    /// [`stress_relief`](crate::TailSamplingConfig::stress_relief): the trace was decided by its first span.
    Stress,
    /// The sampler was shut down.
    Shutdown,
}
