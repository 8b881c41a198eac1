//! `bytes_limiting`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use super::limiters::LimiterPool;
use super::token_bucket::TokenBucket;
use crate::trace_view::TraceView;

/// Samples traces while their encoded size stays below a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BytesLimitingPolicy {
    /// Bytes of OTLP protobuf per second.
    pub bytes_per_second: i64,
    /// The most bytes at once; a larger trace is never sampled. 0 means twice `bytes_per_second`.
    pub burst_capacity: i64,
}

impl BytesLimitingPolicy {
    /// Samples up to `bytes_per_second`.
    pub fn new(bytes_per_second: i64) -> Self {
        Self { bytes_per_second, burst_capacity: 0 }
    }

    /// Samples up to `burst_capacity` bytes at once.
    #[must_use]
    pub fn with_burst_capacity(self, burst_capacity: i64) -> Self {
        Self { burst_capacity, ..self }
    }
}

pub(crate) struct BytesLimiting {
    bucket: TokenBucket,
}

impl BytesLimiting {
    pub(crate) fn new(policy: BytesLimitingPolicy, limiters: &LimiterPool) -> Self {
        let BytesLimitingPolicy { bytes_per_second, burst_capacity } = policy;
        let burst =
            if burst_capacity > 0 { burst_capacity } else { bytes_per_second.saturating_mul(2) };
        Self { bucket: limiters.bucket(bytes_per_second, burst) }
    }
}

impl Evaluate for BytesLimiting {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        Ok(PolicyDecision::of(self.bucket.take(trace.summary().bytes(), now)))
    }
}
