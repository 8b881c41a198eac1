#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod config;
mod engine;
mod explain;
mod filter;
mod keys;
mod metrics;
mod ottl;
mod outgoing_trace_state;
mod pattern;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod policy;
mod probabilistic_sampler;
mod rules;
mod span_facts;
mod stress;
mod tail_policies;
mod threads;
mod trace_state;
mod trace_view;

pub use engine::{
    Appended, DecidedTrace, DecisionCacheConfig, DecisionCause, DroppedSpans, SampledRequest,
    SamplingStrategy, ShardedTailSampler, TailCounts, TailDropReason, TailOutput, TailSampler,
    TailSamplingConfig, TailSamplingError,
};
pub use explain::{
    Evidence, EvidenceSpan, ExplainError, ExplainFilter, Explanation, PolicyExplanation,
};
pub use filter::{FilterError, FilteredRequest, SpanFilter};
pub use ottl::{ErrorMode, OttlConditionPolicy};
pub use policy::{
    BooleanAttributePolicy, BytesLimitingPolicy, Compat, CompatError, CompositePolicy, Decision,
    DecisionSums, EvaluationError, LatencyPolicy, NumericAttributePolicy, Policy, PolicyCounts,
    PolicyDecision, PolicyError, PolicyKind, PolicyVote, ProbabilisticPolicy, RateLimitingPolicy,
    SpanCountPolicy, StringAttributePolicy, TraceStatePolicy,
};
pub use probabilistic_sampler::{
    ProbabilisticSampler, ProbabilisticSamplerConfig, ProbabilisticSamplerCounts,
    ProbabilisticSamplerError, SampledCounts, SamplerMode,
};
pub use rules::{AdaptiveThroughput, Rule, RuleMatch, RuleSampler, ThroughputState};
pub use stress::StressRelief;
pub use tail_policies::{TailPolicies, TraceSummary};
pub use threads::{
    OnFullQueue, TailAppendError, TailSamplerThreads, TailSamplerThreadsBuilder, TailShutdown,
    TailThreadCounts, TailThreadsError,
};
pub use trace_view::SpanSource;
