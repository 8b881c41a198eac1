//! `rate_limiting`

use std::sync::Arc;
use std::time::Duration;

use super::compat::Compat;
use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use super::limiters::{LimiterPool, SecondCounter};
use super::token_bucket::TokenBucket;
use crate::trace_view::TraceView;

/// Samples traces while their spans stay below a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RateLimitingPolicy {
    /// Spans per second.
    pub spans_per_second: i64,
    /// The most spans at once; a larger trace is never sampled. 0 means twice `spans_per_second`.
    pub burst_capacity: i64,
}

impl RateLimitingPolicy {
    /// Samples up to `spans_per_second`.
    pub fn new(spans_per_second: i64) -> Self {
        Self { spans_per_second, burst_capacity: 0 }
    }

    /// Samples up to `burst_capacity` spans at once.
    #[must_use]
    pub fn with_burst_capacity(self, burst_capacity: i64) -> Self {
        Self { burst_capacity, ..self }
    }
}

pub(crate) enum RateLimiting {
    Bucket(TokenBucket),
    /// Before v0.153: a number of spans in each second, the limit itself excluded.
    PerSecond {
        limit: i64,
        counter: Arc<SecondCounter>,
    },
}

impl RateLimiting {
    pub(crate) fn new(policy: RateLimitingPolicy, compat: Compat, limiters: &LimiterPool) -> Self {
        let RateLimitingPolicy { spans_per_second: limit, burst_capacity } = policy;
        if compat.limits_by_second() {
            return Self::PerSecond { limit, counter: limiters.counter() };
        }
        let burst = if burst_capacity > 0 { burst_capacity } else { limit.saturating_mul(2) };
        Self::Bucket(limiters.bucket(limit, burst))
    }
}

impl Evaluate for RateLimiting {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        let added = trace.summary().spans();
        let sampled = match self {
            Self::Bucket(bucket) => bucket.take(added, now),
            Self::PerSecond { limit, counter } => {
                let added = i64::try_from(added).unwrap_or(i64::MAX);
                let sum = counter.spans(now).saturating_add(added);
                let sampled = sum < *limit;
                if sampled {
                    counter.set(sum, now);
                }
                sampled
            }
        };
        Ok(PolicyDecision::of(sampled))
    }
}
