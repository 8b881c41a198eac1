//! The account of spans and traces.

/// The reason why spans were dropped without being evaluated as part of their trace, or by a `drop` policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TailDropReason {
    /// The span is no valid protobuf message.
    Malformed,
    /// The trace id does not have 16 bytes.
    InvalidId,
    /// The span alone is larger than the memory of the sampler.
    SpanTooLarge,
    /// The trace exceeded `maximum_trace_size_bytes`.
    TraceTooLarge,
    /// A `drop` policy matched.
    DropPolicy,
    /// The sampler was shut down with `drop_pending_traces_on_shutdown`.
    Shutdown,
}

/// The account of a sampler. At any time, `received_spans` is the sum of the sampled, the not sampled, the dropped and the
/// pending spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TailCounts {
    /// Spans that were passed to the sampler, except those that [`Appended`](crate::Appended) reported as refused.
    pub received_spans: u64,
    /// Spans of sampled traces, which were passed to the output.
    pub sampled_spans: u64,
    /// Spans of traces that were not sampled.
    pub not_sampled_spans: u64,
    /// Dropped spans by reason.
    pub dropped_spans: DroppedSpans,
    /// Spans of undecided traces.
    pub pending_spans: u64,
    /// Undecided traces (`sampling_traces_on_memory`).
    pub pending_traces: u64,
    /// Traces of which a first span arrived (`new_trace_id_received`).
    pub new_traces: u64,
    /// Traces that were sampled (`global_count_traces_sampled`).
    pub sampled_traces: u64,
    /// Traces that were not sampled.
    pub not_sampled_traces: u64,
    /// Traces that were dropped.
    pub dropped_traces: u64,
    /// Traces that exceeded `maximum_trace_size_bytes` (`traces_dropped_too_large`); they are among the dropped.
    pub too_large_traces: u64,
    /// Traces that a shutdown dropped; they are among the dropped.
    pub shutdown_traces: u64,
    /// Traces that were decided before their time because a limit was reached. The Collector loses such traces
    /// (`sampling_trace_dropped_too_early`).
    pub evicted_traces: u64,
    /// Spans that arrived after their trace was sampled; they are among the sampled.
    pub late_sampled_spans: u64,
    /// Spans that arrived after their trace was not sampled or dropped; they are among the not sampled.
    pub late_not_sampled_spans: u64,
    /// Spans that were forwarded although their trace was not sampled or dropped (`dry_run`); they are among the not sampled and the
    /// dropped.
    pub dry_run_spans: u64,
    /// Evaluations of policies that failed (`sampling_policy_evaluation_error`).
    pub policy_evaluation_errors: u64,
    /// Requests that were passed to the output.
    pub requests: u64,
    /// Sampled spans whose `tracestate` is malformed, so that they left without the threshold of their decision
    /// (`count_spans_with_unparseable_tracestate`).
    pub malformed_trace_states: u64,
    /// Traces that stress relief decided at once; they are among the sampled and the not sampled.
    pub stressed_traces: u64,
    /// How often stress relief began, in each shard.
    pub stress_activations: u64,
}

/// The place of a span in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanOutcome {
    Sampled,
    NotSampled,
    Dropped(TailDropReason),
}

/// Dropped spans by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DroppedSpans {
    /// [`TailDropReason::Malformed`].
    pub malformed: u64,
    /// [`TailDropReason::InvalidId`].
    pub invalid_id: u64,
    /// [`TailDropReason::SpanTooLarge`].
    pub span_too_large: u64,
    /// [`TailDropReason::TraceTooLarge`].
    pub trace_too_large: u64,
    /// [`TailDropReason::DropPolicy`].
    pub drop_policy: u64,
    /// [`TailDropReason::Shutdown`].
    pub shutdown: u64,
}

impl DroppedSpans {
    /// The spans of all reasons.
    pub fn total(&self) -> u64 {
        let Self { malformed, invalid_id, span_too_large, trace_too_large, drop_policy, shutdown } =
            self;
        malformed + invalid_id + span_too_large + trace_too_large + drop_policy + shutdown
    }

    pub(crate) fn add(&mut self, reason: TailDropReason, spans: u64) {
        *match reason {
            TailDropReason::Malformed => &mut self.malformed,
            TailDropReason::InvalidId => &mut self.invalid_id,
            TailDropReason::SpanTooLarge => &mut self.span_too_large,
            TailDropReason::TraceTooLarge => &mut self.trace_too_large,
            TailDropReason::DropPolicy => &mut self.drop_policy,
            TailDropReason::Shutdown => &mut self.shutdown,
        } += spans;
    }
}

impl TailCounts {
    /// Whether every received span has exactly one outcome or is pending.
    pub fn is_balanced(&self) -> bool {
        let outcomes = self.sampled_spans + self.not_sampled_spans + self.dropped_spans.total();
        self.received_spans == outcomes + self.pending_spans
    }

    /// Adds the account of another shard.
    pub(crate) fn add(&mut self, other: &Self) {
        self.received_spans += other.received_spans;
        self.sampled_spans += other.sampled_spans;
        self.not_sampled_spans += other.not_sampled_spans;
        self.pending_spans += other.pending_spans;
        self.pending_traces += other.pending_traces;
        self.new_traces += other.new_traces;
        self.sampled_traces += other.sampled_traces;
        self.not_sampled_traces += other.not_sampled_traces;
        self.dropped_traces += other.dropped_traces;
        self.too_large_traces += other.too_large_traces;
        self.shutdown_traces += other.shutdown_traces;
        self.evicted_traces += other.evicted_traces;
        self.late_sampled_spans += other.late_sampled_spans;
        self.late_not_sampled_spans += other.late_not_sampled_spans;
        self.dry_run_spans += other.dry_run_spans;
        self.policy_evaluation_errors += other.policy_evaluation_errors;
        self.requests += other.requests;
        self.malformed_trace_states += other.malformed_trace_states;
        self.stressed_traces += other.stressed_traces;
        self.stress_activations += other.stress_activations;
        let (dropped, other) = (&mut self.dropped_spans, &other.dropped_spans);
        dropped.malformed += other.malformed;
        dropped.invalid_id += other.invalid_id;
        dropped.span_too_large += other.span_too_large;
        dropped.trace_too_large += other.trace_too_large;
        dropped.drop_policy += other.drop_policy;
        dropped.shutdown += other.shutdown;
    }
}
