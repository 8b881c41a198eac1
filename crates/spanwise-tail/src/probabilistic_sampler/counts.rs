//! The account of a probabilistic sampler.

/// The account of a probabilistic sampler: `received_spans` is the sum of the sampled and not sampled spans of all origins and of the
/// malformed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProbabilisticSamplerCounts {
    /// Spans that were passed to the sampler.
    pub received_spans: u64,
    /// Spans that are no valid protobuf message; they are dropped.
    pub malformed_spans: u64,
    /// Spans that were decided by `fail_closed`; they are among the others.
    pub failed_spans: u64,
    /// Decided by a hash of the trace id (`policy="trace_id_hash"`).
    pub trace_id_hash: SampledCounts,
    /// Decided by the randomness of the trace id (`policy="trace_id_w3c"`).
    pub trace_id_w3c: SampledCounts,
    /// Decided by explicit randomness, `rv` (`policy="sampling_randomness"`).
    pub sampling_randomness: SampledCounts,
    /// Decided by the attribute `sampling.priority`, or by a percentage of 0 (`policy="sampling_priority"`).
    pub sampling_priority: SampledCounts,
    /// Spans without a trace id (`policy="missing_randomness"`).
    pub missing_randomness: SampledCounts,
}

/// Spans of one origin of randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SampledCounts {
    /// Spans that were sampled.
    pub sampled: u64,
    /// Spans that were not sampled.
    pub not_sampled: u64,
}

/// The origin of the randomness of a decision: the Collector's label `policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    TraceIdHash,
    TraceId,
    Explicit,
    Priority,
    Missing,
}

impl ProbabilisticSamplerCounts {
    /// Spans that were sampled.
    pub fn sampled_spans(&self) -> u64 {
        self.origins().iter().map(|counts| counts.sampled).sum()
    }

    /// Spans that were not sampled.
    pub fn not_sampled_spans(&self) -> u64 {
        self.origins().iter().map(|counts| counts.not_sampled).sum()
    }

    /// Whether every received span has exactly one outcome.
    pub fn is_balanced(&self) -> bool {
        let outcomes = self.sampled_spans() + self.not_sampled_spans() + self.malformed_spans;
        self.received_spans == outcomes
    }

    fn origins(&self) -> [SampledCounts; 5] {
        [
            self.trace_id_hash,
            self.trace_id_w3c,
            self.sampling_randomness,
            self.sampling_priority,
            self.missing_randomness,
        ]
    }

    pub(crate) fn add(&mut self, origin: Origin, is_sampled: bool) {
        let counts = match origin {
            Origin::TraceIdHash => &mut self.trace_id_hash,
            Origin::TraceId => &mut self.trace_id_w3c,
            Origin::Explicit => &mut self.sampling_randomness,
            Origin::Priority => &mut self.sampling_priority,
            Origin::Missing => &mut self.missing_randomness,
        };
        *if is_sampled { &mut counts.sampled } else { &mut counts.not_sampled } += 1;
    }
}
