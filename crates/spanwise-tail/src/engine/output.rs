//! The receiver of sampled spans and of decisions.

use spanwise_wire::TraceId;

use crate::policy::Decision;

/// Receives the sampled spans, and the decisions if it wants them.
///
/// A sampler calls it from `append`, `tick` and `shutdown`, after its own state is consistent: a panic of an output loses no more
/// than the request or decision that it was passed.
pub trait TailOutput {
    /// A request of sampled spans. Its bytes are reused: an output that retains them copies them.
    fn request(&mut self, request: SampledRequest<'_>);

    /// A trace was decided. Its spans are in a request that follows if it was sampled.
    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        let _unused = trace;
    }
}

/// Collects the requests.
impl TailOutput for Vec<Vec<u8>> {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.push(request.bytes.to_vec());
    }
}

/// An OTLP request of sampled spans.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SampledRequest<'a> {
    /// The bytes of an `ExportTraceServiceRequest`, with each resource and scope once.
    pub bytes: &'a [u8],
    /// Number of its spans.
    pub spans: u64,
}

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
    /// The sampler was shut down.
    Shutdown,
}
