//! Builds evaluators from policies.

use super::always_sample::AlwaysSample;
use super::and::And;
use super::boolean_attribute::BooleanAttribute;
use super::bytes_limiting::BytesLimiting;
use super::composite::{Composite, SubPolicy};
use super::drop::Drop;
use super::error::PolicyError;
use super::evaluate::Evaluate;
use super::kind::{CompositePolicy, Policy, PolicyKind};
use super::latency::Latency;
use super::not::Not;
use super::numeric_attribute::NumericAttribute;
use super::options::PolicyOptions;
use super::probabilistic::Probabilistic;
use super::rate_limiting::RateLimiting;
use super::span_count::SpanCount;
use super::status_code::StatusCode;
use super::string_attribute::StringAttribute;
use super::trace_flags::TraceFlags;
use super::trace_state::TraceState;
use crate::ottl::OttlCondition;

/// The policy around one that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    None,
    And,
    Drop,
    Not,
    Composite,
}

impl Parent {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::And => "and",
            Self::Drop => "drop",
            Self::Not => "not",
            Self::Composite => "composite",
        }
    }

    /// Whether the Collector accepts a policy of this type as a sub-policy.
    fn accepts(self, kind: &PolicyKind) -> bool {
        match kind {
            PolicyKind::Composite(_) | PolicyKind::Drop(_) => self == Self::None,
            PolicyKind::And(_) => matches!(self, Self::None | Self::Composite),
            PolicyKind::Not(_) => matches!(self, Self::None | Self::And | Self::Drop),
            _ => true,
        }
    }
}

/// The evaluator of `policy`.
pub(crate) fn build(
    policy: &Policy,
    parent: Parent,
    options: PolicyOptions<'_>,
) -> Result<Box<dyn Evaluate>, PolicyError> {
    if parent == Parent::None && policy.name.is_empty() {
        return Err(PolicyError::new("policy name cannot be empty"));
    }
    let _inside = options.limiters.enter(&policy.name);
    evaluator(&policy.kind, parent, options).map_err(|error| error.inside(&policy.name))
}

fn evaluator(
    kind: &PolicyKind,
    parent: Parent,
    options: PolicyOptions<'_>,
) -> Result<Box<dyn Evaluate>, PolicyError> {
    if !parent.accepts(kind) {
        let (kind, parent) = (kind.type_name(), parent.name());
        return Err(PolicyError::new(format!("`{kind}` cannot be a sub-policy of `{parent}`")));
    }
    let compat = options.compat;
    Ok(match kind {
        PolicyKind::AlwaysSample => Box::new(AlwaysSample),
        PolicyKind::TraceFlags => Box::new(TraceFlags),
        PolicyKind::Latency(policy) => Box::new(Latency::new(*policy, compat)),
        PolicyKind::NumericAttribute(policy) => {
            Box::new(NumericAttribute::new(policy, compat, options.keys).map_err(PolicyError::new)?)
        }
        PolicyKind::Probabilistic(policy) => {
            Box::new(Probabilistic::new(policy, options.use_trace_state).map_err(PolicyError::new)?)
        }
        PolicyKind::StatusCode(codes) => {
            Box::new(StatusCode::new(codes).map_err(PolicyError::new)?)
        }
        PolicyKind::StringAttribute(policy) => {
            let evaluator = StringAttribute::new(policy, compat, options.keys);
            Box::new(evaluator.map_err(|error| PolicyError::new(error.to_string()))?)
        }
        PolicyKind::RateLimiting(policy) => {
            accept_limit("spans_per_second", policy.spans_per_second)?;
            accept_limit("burst_capacity", policy.burst_capacity)?;
            Box::new(RateLimiting::new(*policy, compat, options.limiters))
        }
        PolicyKind::BytesLimiting(policy) => {
            accept_limit("bytes_per_second", policy.bytes_per_second)?;
            accept_limit("burst_capacity", policy.burst_capacity)?;
            Box::new(BytesLimiting::new(*policy, options.limiters))
        }
        PolicyKind::SpanCount(policy) => Box::new(SpanCount(*policy)),
        PolicyKind::TraceState(policy) => Box::new(TraceState::new(policy)),
        PolicyKind::BooleanAttribute(policy) => {
            Box::new(BooleanAttribute::new(policy, compat, options.keys))
        }
        PolicyKind::OttlCondition(policy) => {
            let evaluator = OttlCondition::new(policy, options.keys);
            Box::new(evaluator.map_err(|error| PolicyError::new(error.to_string()))?)
        }
        PolicyKind::And(policies) => Box::new(And(build_all(policies, Parent::And, options)?)),
        PolicyKind::Drop(policies) => Box::new(Drop(build_all(policies, Parent::Drop, options)?)),
        PolicyKind::Not(policy) => Box::new(Not(build(policy, Parent::Not, options)?)),
        PolicyKind::Composite(policy) => Box::new(composite(policy, options)?),
    })
}

fn accept_limit(key: &str, limit: i64) -> Result<(), PolicyError> {
    if limit < 0 {
        return Err(PolicyError::new(format!("`{key}` is {limit}; accepted is 0 or more")));
    }
    Ok(())
}

fn build_all(
    policies: &[Policy],
    parent: Parent,
    options: PolicyOptions<'_>,
) -> Result<Vec<Box<dyn Evaluate>>, PolicyError> {
    policies.iter().map(|policy| build(policy, parent, options)).collect()
}

fn composite(
    policy: &CompositePolicy,
    options: PolicyOptions<'_>,
) -> Result<Composite, PolicyError> {
    // Never 0, which would sample nothing.
    let max_total = match policy.max_total_spans_per_second {
        total @ ..=0 => total,
        total => (total / i64::from(options.shards)).max(1),
    };
    let evaluators = build_all(&policy.sub_policies, Parent::Composite, options)?;
    let equal_share = (max_total as f64 / policy.sub_policies.len().max(1) as f64) as i64;
    let allocated = |name: &str| {
        // The last entry of a name counts, as in the Collector's map.
        let entry = policy.rate_allocation.iter().rev().find(|(known, _)| known == name);
        match entry.map(|(_, percent)| *percent) {
            Some(percent) if percent > 0 => (percent as f64 / 100.0 * max_total as f64) as i64,
            Some(_) => equal_share,
            None if options.compat.has_default_share() => equal_share,
            None => 0,
        }
    };
    let sub_policy = |(sub, evaluator): (&Policy, _)| {
        let _inside = options.limiters.enter(&sub.name);
        let sampled = options.limiters.counter();
        SubPolicy { evaluator, allocated: allocated(&sub.name), sampled }
    };
    let sub_policies = policy.sub_policies.iter().zip(evaluators).map(sub_policy).collect();
    Ok(Composite::new(max_total, sub_policies))
}
