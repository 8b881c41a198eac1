//! Policies as a configuration names them.

use spanwise_wire::StatusCode;

use super::boolean_attribute::BooleanAttributePolicy;
use super::bytes_limiting::BytesLimitingPolicy;
use super::latency::LatencyPolicy;
use super::numeric_attribute::NumericAttributePolicy;
use super::probabilistic::ProbabilisticPolicy;
use super::rate_limiting::RateLimitingPolicy;
use super::span_count::SpanCountPolicy;
use super::string_attribute::StringAttributePolicy;
use super::trace_state::TraceStatePolicy;
use crate::ottl::OttlConditionPolicy;

/// A policy with its name, which decisions and counters refer to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// The name, unique among the policies of a sampler.
    pub name: String,
    /// The type with its options.
    pub kind: PolicyKind,
}

impl Policy {
    /// A policy of a type, under a name.
    pub fn new(name: impl Into<String>, kind: impl Into<PolicyKind>) -> Self {
        Self { name: name.into(), kind: kind.into() }
    }
}

/// The types of policies, with the Collector's names and options.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PolicyKind {
    /// `always_sample`: samples every trace.
    AlwaysSample,
    /// `latency`: by the duration of the trace.
    Latency(LatencyPolicy),
    /// `numeric_attribute`: by an integer of a resource or a span.
    NumericAttribute(NumericAttributePolicy),
    /// `probabilistic`: a percentage, by a hash of the trace id.
    Probabilistic(ProbabilisticPolicy),
    /// `status_code`: by the status of any span; at least one code.
    StatusCode(Vec<StatusCode>),
    /// `string_attribute`: by a string of a resource or a span.
    StringAttribute(StringAttributePolicy),
    /// `rate_limiting`: a number of spans per second.
    RateLimiting(RateLimitingPolicy),
    /// `bytes_limiting`: a number of bytes per second.
    BytesLimiting(BytesLimitingPolicy),
    /// `span_count`: by the number of spans.
    SpanCount(SpanCountPolicy),
    /// `trace_state`: by a member of the trace state of any span.
    TraceState(TraceStatePolicy),
    /// `trace_flags`: if any span has the W3C flag "sampled".
    TraceFlags,
    /// `boolean_attribute`: by a boolean of a resource or a span.
    BooleanAttribute(BooleanAttributePolicy),
    /// `ottl_condition`: by conditions over spans and their events.
    OttlCondition(OttlConditionPolicy),
    /// `and`: if every sub-policy samples. No `and`, `drop` or `composite` inside.
    And(Vec<Policy>),
    /// `not`: if the sub-policy does not sample. No policy with sub-policies inside.
    Not(Box<Policy>),
    /// `drop`: drops the trace if every sub-policy matches. No `and`, `drop` or `composite` inside.
    Drop(Vec<Policy>),
    /// `composite`: the first sub-policy that matches, within its rate.
    Composite(CompositePolicy),
}

impl PolicyKind {
    /// The Collector's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::AlwaysSample => "always_sample",
            Self::Latency(_) => "latency",
            Self::NumericAttribute(_) => "numeric_attribute",
            Self::Probabilistic(_) => "probabilistic",
            Self::StatusCode(_) => "status_code",
            Self::StringAttribute(_) => "string_attribute",
            Self::RateLimiting(_) => "rate_limiting",
            Self::BytesLimiting(_) => "bytes_limiting",
            Self::SpanCount(_) => "span_count",
            Self::TraceState(_) => "trace_state",
            Self::TraceFlags => "trace_flags",
            Self::BooleanAttribute(_) => "boolean_attribute",
            Self::OttlCondition(_) => "ottl_condition",
            Self::And(_) => "and",
            Self::Not(_) => "not",
            Self::Drop(_) => "drop",
            Self::Composite(_) => "composite",
        }
    }
}

impl PolicyKind {
    /// The type of the policy or sub-policy that counts traces: evaluating a trace more than once would count it more than once.
    pub(crate) fn accumulating(&self) -> Option<&'static str> {
        match self {
            Self::RateLimiting(_) | Self::BytesLimiting(_) | Self::Composite(_) => {
                Some(self.type_name())
            }
            Self::And(policies) | Self::Drop(policies) => {
                policies.iter().find_map(|policy| policy.kind.accumulating())
            }
            Self::Not(policy) => policy.kind.accumulating(),
            _ => None,
        }
    }

    /// Whether a decision may change when more spans or traces arrive: such a policy cannot decide while spans arrive. The Collector
    /// calls it stateful.
    pub(crate) fn is_stateful(&self) -> bool {
        let any = |policies: &[Policy]| policies.iter().any(|policy| policy.kind.is_stateful());
        match self {
            Self::RateLimiting(_) | Self::BytesLimiting(_) => true,
            Self::Latency(policy) => policy.upper_threshold_ms > 0,
            Self::SpanCount(policy) => policy.max_spans > 0,
            Self::And(policies) | Self::Drop(policies) => any(policies),
            Self::Composite(policy) => any(&policy.sub_policies),
            Self::Not(policy) => policy.kind.is_stateful(),
            _ => false,
        }
    }
}

/// Asks sub-policies in their order and limits the spans per second of each.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct CompositePolicy {
    /// The most spans per second of each sub-policy, and the base of the percentages.
    pub max_total_spans_per_second: i64,
    /// Accepted for the Collector's sake, which asks the sub-policies in the order of their list (`policy_order`).
    pub policy_order: Vec<String>,
    /// The sub-policies; an `and` policy may be among them (`composite_sub_policy`).
    pub sub_policies: Vec<Policy>,
    /// The share of each sub-policy by name, in percent; 0 means an equal share (`rate_allocation`).
    pub rate_allocation: Vec<(String, i64)>,
}

impl CompositePolicy {
    /// Samples up to `max_total_spans_per_second` by `sub_policies`, each with an equal share.
    pub fn new(max_total_spans_per_second: i64, sub_policies: Vec<Policy>) -> Self {
        let rate_allocation = sub_policies.iter().map(|policy| (policy.name.clone(), 0)).collect();
        Self { max_total_spans_per_second, sub_policies, rate_allocation, ..Self::default() }
    }

    /// Gives the sub-policy `name` a share of `percent`.
    #[must_use]
    pub fn with_allocation(mut self, name: &str, percent: i64) -> Self {
        self.rate_allocation.retain(|(known, _)| known != name);
        self.rate_allocation.push((name.to_owned(), percent));
        self
    }
}

impl From<LatencyPolicy> for PolicyKind {
    fn from(policy: LatencyPolicy) -> Self {
        Self::Latency(policy)
    }
}

impl From<NumericAttributePolicy> for PolicyKind {
    fn from(policy: NumericAttributePolicy) -> Self {
        Self::NumericAttribute(policy)
    }
}

impl From<ProbabilisticPolicy> for PolicyKind {
    fn from(policy: ProbabilisticPolicy) -> Self {
        Self::Probabilistic(policy)
    }
}

impl From<StringAttributePolicy> for PolicyKind {
    fn from(policy: StringAttributePolicy) -> Self {
        Self::StringAttribute(policy)
    }
}

impl From<RateLimitingPolicy> for PolicyKind {
    fn from(policy: RateLimitingPolicy) -> Self {
        Self::RateLimiting(policy)
    }
}

impl From<BytesLimitingPolicy> for PolicyKind {
    fn from(policy: BytesLimitingPolicy) -> Self {
        Self::BytesLimiting(policy)
    }
}

impl From<SpanCountPolicy> for PolicyKind {
    fn from(policy: SpanCountPolicy) -> Self {
        Self::SpanCount(policy)
    }
}

impl From<TraceStatePolicy> for PolicyKind {
    fn from(policy: TraceStatePolicy) -> Self {
        Self::TraceState(policy)
    }
}

impl From<BooleanAttributePolicy> for PolicyKind {
    fn from(policy: BooleanAttributePolicy) -> Self {
        Self::BooleanAttribute(policy)
    }
}

impl From<OttlConditionPolicy> for PolicyKind {
    fn from(policy: OttlConditionPolicy) -> Self {
        Self::OttlCondition(policy)
    }
}

impl From<CompositePolicy> for PolicyKind {
    fn from(policy: CompositePolicy) -> Self {
        Self::Composite(policy)
    }
}
