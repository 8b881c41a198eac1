//! The settings of a sampler.

use std::time::Duration;

use crate::keys::KeyPool;
use crate::policy::{Compat, LimiterPool, Policy, PolicyOptions};
use crate::rules::Rule;
use crate::stress::StressRelief;

/// The settings of a tail sampler, with the Collector's names. `Default` has the Collector's defaults and no policy.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TailSamplingConfig {
    /// The policies, at least one unless there are `rules`.
    pub policies: Vec<Policy>,
    /// Rules instead of policies: the first one that matches a trace decides.
    pub rules: Vec<Rule>,
    /// The time from the arrival of a trace's first span until its decision. Default 30 s, at most 24 h.
    pub decision_wait: Duration,
    /// The time from the arrival of the root span until the decision, if that is earlier. Default 0: no difference.
    pub decision_wait_after_root_received: Duration,
    /// The most undecided traces. Default 50,000. When it is reached, the trace whose decision is due first is decided, and not
    /// lost as in the Collector.
    pub num_traces: usize,
    /// Accepted for the Collector's sake: the tables are allocated for `num_traces`. Default 0.
    pub expected_new_traces_per_sec: u64,
    /// Whether spans are refused while the limits are reached, instead of deciding traces early. Default false.
    pub block_on_overflow: bool,
    /// Whether a trace is sampled by the first policy that samples it, without asking further ones. Default false.
    pub sample_on_first_match: bool,
    /// Whether a shutdown drops undecided traces instead of deciding them. Default false.
    pub drop_pending_traces_on_shutdown: bool,
    /// A trace with more encoded bytes is dropped at once; 0 means no bound. Default 0.
    pub maximum_trace_size_bytes: u64,
    /// How many decisions are remembered for spans that arrive late.
    pub decision_cache: DecisionCacheConfig,
    /// Number of shards of a [`ShardedTailSampler`](crate::ShardedTailSampler), 1 to 256. Default 1.
    pub num_shards: u16,
    /// When policies are evaluated.
    pub sampling_strategy: SamplingStrategy,
    /// The release of the Collector whose decisions are reproduced. Default v0.161.
    pub compat: Compat,
    /// Whether `probabilistic` policies decide by the randomness of `tracestate` and trace id, as the Collector does with its gate
    /// `processor.tailsamplingprocessor.usetracestate`. Sampled spans then leave with the least strict threshold `th` of the policies
    /// that sampled their trace, unless theirs is stricter; without any if a policy limits a rate. Default false.
    pub use_trace_state: bool,
    /// Whether sampled spans leave with the policy that sampled their trace in the attributes of their scope, as the Collector does with
    /// its gate `processor.tailsamplingprocessor.recordpolicy`: `tailsampling.policy`, `tailsampling.composite_policy` with the sub-policy
    /// of `composite`, and `tailsampling.cached_decision` with true for spans that arrived after the decision. Default false.
    pub record_policy: bool,
    /// Whether every trace is forwarded, also those that are not sampled or dropped. Decisions and counts are those that the
    /// sampler would make. The policies behind a final decision are evaluated, too, except `rate_limiting`, `bytes_limiting` and
    /// `composite`: an evaluation would change their later decisions. Default false.
    pub dry_run: bool,
    /// Decisions by a ratio while the sampler is short of space. Default `None`: traces are decided early or refused. Together
    /// with `dry_run` it is an error.
    pub stress_relief: Option<StressRelief>,
    /// The most bytes of memory for undecided traces, tables and buffers. Default 256 MiB. When it is reached, the trace whose
    /// decision is due first is decided.
    pub max_memory_bytes: usize,
    /// A trace with this many spans is decided at once. Default, and at most, 2²⁴ − 1.
    pub max_spans_per_trace: u32,
    /// The largest request of sampled spans in bytes; a larger span is a request of its own, whose copies on the way out count against
    /// `max_memory_bytes` beside the span. Default 3,932,160.
    pub max_request_bytes: usize,
}

/// The number of decisions that are remembered, in least recently used order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DecisionCacheConfig {
    /// Sampled traces, whose late spans are forwarded. `None` and the Collector's default 0 mean twice `num_traces`: the Collector
    /// remembers decisions among its last `num_traces` traces even without a cache.
    pub sampled_cache_size: Option<usize>,
    /// Traces that were not sampled, whose late spans are dropped. `None` and 0 as above.
    pub non_sampled_cache_size: Option<usize>,
}

/// When policies are evaluated (`sampling_strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SamplingStrategy {
    /// `trace-complete`: once, when the wait of the trace is over.
    #[default]
    TraceComplete,
    /// `span-ingest`: for the spans of each request alone. A trace is sampled or dropped as soon as a policy decides so, and not
    /// sampled when the wait is over. Not with `rate_limiting`, `bytes_limiting` and `composite`.
    SpanIngest,
}

impl SamplingStrategy {
    /// The value of the setting.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TraceComplete => "trace-complete",
            Self::SpanIngest => "span-ingest",
        }
    }
}

impl Default for TailSamplingConfig {
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            rules: Vec::new(),
            decision_wait: Duration::from_secs(30),
            decision_wait_after_root_received: Duration::ZERO,
            num_traces: 50_000,
            expected_new_traces_per_sec: 0,
            block_on_overflow: false,
            sample_on_first_match: false,
            drop_pending_traces_on_shutdown: false,
            maximum_trace_size_bytes: 0,
            decision_cache: DecisionCacheConfig::default(),
            num_shards: 1,
            sampling_strategy: SamplingStrategy::TraceComplete,
            compat: Compat::LATEST,
            use_trace_state: false,
            record_policy: false,
            dry_run: false,
            stress_relief: None,
            max_memory_bytes: 256 << 20,
            max_spans_per_trace: MAX_SPANS,
            max_request_bytes: 3_932_160,
        }
    }
}

impl TailSamplingConfig {
    /// Adds a policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Adds a rule behind the others.
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Changes [`decision_wait`](Self::decision_wait).
    #[must_use]
    pub fn with_decision_wait(self, decision_wait: Duration) -> Self {
        Self { decision_wait, ..self }
    }

    /// Changes [`decision_wait_after_root_received`](Self::decision_wait_after_root_received).
    #[must_use]
    pub fn with_decision_wait_after_root_received(self, wait: Duration) -> Self {
        Self { decision_wait_after_root_received: wait, ..self }
    }

    /// Changes [`num_traces`](Self::num_traces).
    #[must_use]
    pub fn with_num_traces(self, num_traces: usize) -> Self {
        Self { num_traces, ..self }
    }

    /// Changes [`block_on_overflow`](Self::block_on_overflow).
    #[must_use]
    pub fn with_block_on_overflow(self, block_on_overflow: bool) -> Self {
        Self { block_on_overflow, ..self }
    }

    /// Changes [`sample_on_first_match`](Self::sample_on_first_match).
    #[must_use]
    pub fn with_sample_on_first_match(self, sample_on_first_match: bool) -> Self {
        Self { sample_on_first_match, ..self }
    }

    /// Changes [`drop_pending_traces_on_shutdown`](Self::drop_pending_traces_on_shutdown).
    #[must_use]
    pub fn with_drop_pending_traces_on_shutdown(self, drops: bool) -> Self {
        Self { drop_pending_traces_on_shutdown: drops, ..self }
    }

    /// Changes [`maximum_trace_size_bytes`](Self::maximum_trace_size_bytes).
    #[must_use]
    pub fn with_maximum_trace_size_bytes(self, bytes: u64) -> Self {
        Self { maximum_trace_size_bytes: bytes, ..self }
    }

    /// Changes the sizes of the [`decision_cache`](Self::decision_cache).
    #[must_use]
    pub fn with_decision_cache(self, sampled: usize, non_sampled: usize) -> Self {
        let decision_cache = DecisionCacheConfig {
            sampled_cache_size: Some(sampled),
            non_sampled_cache_size: Some(non_sampled),
        };
        Self { decision_cache, ..self }
    }

    /// Changes [`num_shards`](Self::num_shards).
    #[must_use]
    pub fn with_num_shards(self, num_shards: u16) -> Self {
        Self { num_shards, ..self }
    }

    /// Changes [`sampling_strategy`](Self::sampling_strategy).
    #[must_use]
    pub fn with_sampling_strategy(self, sampling_strategy: SamplingStrategy) -> Self {
        Self { sampling_strategy, ..self }
    }

    /// Changes [`compat`](Self::compat).
    #[must_use]
    pub fn with_compat(self, compat: Compat) -> Self {
        Self { compat, ..self }
    }

    /// Changes [`use_trace_state`](Self::use_trace_state).
    #[must_use]
    pub fn with_use_trace_state(self, use_trace_state: bool) -> Self {
        Self { use_trace_state, ..self }
    }

    /// Changes [`record_policy`](Self::record_policy).
    #[must_use]
    pub fn with_record_policy(self, record_policy: bool) -> Self {
        Self { record_policy, ..self }
    }

    /// Changes [`dry_run`](Self::dry_run).
    #[must_use]
    pub fn with_dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// Changes [`stress_relief`](Self::stress_relief).
    #[must_use]
    pub fn with_stress_relief(self, stress_relief: StressRelief) -> Self {
        Self { stress_relief: Some(stress_relief), ..self }
    }

    /// Changes [`max_memory_bytes`](Self::max_memory_bytes).
    #[must_use]
    pub fn with_max_memory_bytes(self, max_memory_bytes: usize) -> Self {
        Self { max_memory_bytes, ..self }
    }

    /// Changes [`max_spans_per_trace`](Self::max_spans_per_trace).
    #[must_use]
    pub fn with_max_spans_per_trace(self, max_spans_per_trace: u32) -> Self {
        Self { max_spans_per_trace, ..self }
    }

    /// Changes [`max_request_bytes`](Self::max_request_bytes).
    #[must_use]
    pub fn with_max_request_bytes(self, max_request_bytes: usize) -> Self {
        Self { max_request_bytes, ..self }
    }

    /// The settings that all policies share, with the states of their limits and the keys that they look for.
    pub(crate) fn policy_options<'a>(
        &self,
        limiters: &'a LimiterPool,
        keys: &'a KeyPool,
    ) -> PolicyOptions<'a> {
        let Self { compat, use_trace_state, num_shards, .. } = *self;
        PolicyOptions { compat, use_trace_state, shards: num_shards, limiters, keys }
    }

    /// The sizes of both caches.
    pub(crate) fn cache_sizes(&self) -> (usize, usize) {
        let size = |size: Option<usize>| match size {
            None | Some(0) => self.num_traces.saturating_mul(2),
            Some(size) => size,
        };
        let DecisionCacheConfig { sampled_cache_size, non_sampled_cache_size } =
            self.decision_cache;
        (size(sampled_cache_size), size(non_sampled_cache_size))
    }
}

/// The largest [`TailSamplingConfig::max_spans_per_trace`].
pub(crate) const MAX_SPANS: u32 = (1 << 24) - 1;
