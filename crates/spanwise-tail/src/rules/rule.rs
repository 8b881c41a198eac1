//! Rules as a configuration names them, with the words of the Collector's processor `adaptive_tail_sampling`.

use std::time::Duration;

use crate::policy::{ProbabilisticPolicy, RateLimitingPolicy};

/// A rule: the sampler for the traces that its conditions match. The first rule that matches a trace decides about it, and later rules
/// are not asked; a trace that no rule matches is not sampled.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// The name, unique among the rules of a sampler.
    pub name: String,
    /// Conditions over spans in OTTL, as those of [`OttlConditionPolicy`](crate::OttlConditionPolicy). A rule without conditions matches
    /// every trace. A condition that cannot be evaluated for a span does not hold for it, and is counted.
    pub conditions: Vec<String>,
    /// Whether one span has to meet all conditions. Default [`RuleMatch::AnySpan`].
    pub matching: RuleMatch,
    /// The decision about the traces that match.
    pub sampler: RuleSampler,
}

/// How the conditions of a rule are combined (`match`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RuleMatch {
    /// `any_span`: each condition holds for some span of the trace.
    #[default]
    AnySpan,
    /// `same_span`: all conditions hold for one span.
    SameSpan,
}

/// The sampler of a rule. The spans of a sampled trace leave with the threshold `th` of the decision, unless theirs is stricter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RuleSampler {
    /// `always_sample`: samples every trace.
    AlwaysSample,
    /// `probabilistic`: samples a percentage by the randomness of the trace, above 0 to 100. `hash_salt` has no effect.
    Probabilistic(ProbabilisticPolicy),
    /// `adaptive_throughput`: samples a number of spans per second, shared fairly between kinds of traces.
    AdaptiveThroughput(AdaptiveThroughput),
    /// `rate_limiting`: samples at most `spans_per_second`. Among the traces that are decided together, those with the highest randomness
    /// are sampled, and the threshold is one above the highest one that is not: adjusted counts stay unbiased.
    RateLimiting(RateLimitingPolicy),
    /// `drop`: drops every trace.
    Drop,
}

/// A target of spans per second, with a threshold for each kind of traces. The target is shared by max-min fairness: rare kinds are
/// sampled whole, and frequent ones share the rest equally.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdaptiveThroughput {
    /// Spans per second of all shards together.
    pub goal_throughput: u64,
    /// The values that distinguish kinds of traces: `resource.attributes["k"]`, `scope.attributes["k"]`, `span.attributes["k"]`,
    /// `root.attributes["k"]`, `any.attributes["k"]` and `root.name`. Empty: all traces are of one kind.
    pub fingerprint_attributes: Vec<String>,
    /// The most kinds with a threshold of their own, 1 to 10,000; the others share one. Default 500.
    pub max_keys: usize,
    /// The time between two updates of the thresholds, 100 ms to 1 h. Default 1 s.
    pub adjustment_interval: Duration,
}

impl Rule {
    /// A rule that matches every trace.
    pub fn new(name: impl Into<String>, sampler: impl Into<RuleSampler>) -> Self {
        Self {
            name: name.into(),
            conditions: Vec::new(),
            matching: RuleMatch::AnySpan,
            sampler: sampler.into(),
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn with_condition(mut self, condition: impl Into<String>) -> Self {
        self.conditions.push(condition.into());
        self
    }

    pub(crate) fn has_budget(&self) -> bool {
        matches!(self.sampler, RuleSampler::RateLimiting(_))
    }

    /// Changes [`matching`](Self::matching).
    #[must_use]
    pub fn with_match(self, matching: RuleMatch) -> Self {
        Self { matching, ..self }
    }
}

impl AdaptiveThroughput {
    /// Samples `goal_throughput` spans per second.
    pub fn new(goal_throughput: u64) -> Self {
        Self {
            goal_throughput,
            fingerprint_attributes: Vec::new(),
            max_keys: 500,
            adjustment_interval: Duration::from_secs(1),
        }
    }

    /// Distinguishes kinds of traces by one more value.
    #[must_use]
    pub fn with_fingerprint_attribute(mut self, selector: impl Into<String>) -> Self {
        self.fingerprint_attributes.push(selector.into());
        self
    }

    /// Changes [`max_keys`](Self::max_keys).
    #[must_use]
    pub fn with_max_keys(self, max_keys: usize) -> Self {
        Self { max_keys, ..self }
    }

    /// Changes [`adjustment_interval`](Self::adjustment_interval).
    #[must_use]
    pub fn with_adjustment_interval(self, adjustment_interval: Duration) -> Self {
        Self { adjustment_interval, ..self }
    }
}

impl From<ProbabilisticPolicy> for RuleSampler {
    fn from(policy: ProbabilisticPolicy) -> Self {
        Self::Probabilistic(policy)
    }
}

impl From<AdaptiveThroughput> for RuleSampler {
    fn from(sampler: AdaptiveThroughput) -> Self {
        Self::AdaptiveThroughput(sampler)
    }
}

impl From<RateLimitingPolicy> for RuleSampler {
    fn from(policy: RateLimitingPolicy) -> Self {
        Self::RateLimiting(policy)
    }
}
