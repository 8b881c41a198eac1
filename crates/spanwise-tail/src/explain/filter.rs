//! The choice of the traces that are explained.

use spanwise_wire::TraceId;

use crate::engine::DecidedTrace;
use crate::policy::Decision;

/// The traces whose decisions are explained: a trace has to fulfil all conditions.
///
/// ```
/// use spanwise_tail::{Decision, ExplainFilter};
///
/// // One trace in 1,000, if it was not sampled.
/// let filter = ExplainFilter::one_in(1_000).with_decision(Decision::NotSampled);
/// # drop(filter);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ExplainFilter {
    one_in: u64,
    /// `None` for all.
    traces: Option<Vec<TraceId>>,
    decision: Option<Decision>,
    policy: Option<String>,
}

impl ExplainFilter {
    /// Every trace.
    pub fn all() -> Self {
        Self::one_in(1)
    }

    /// One trace in `n`, chosen by a hash of its id; 0 means the same as 1.
    pub fn one_in(n: u64) -> Self {
        Self { one_in: n.max(1), traces: None, decision: None, policy: None }
    }

    /// These traces alone.
    pub fn traces(traces: impl IntoIterator<Item = TraceId>) -> Self {
        Self { traces: Some(traces.into_iter().collect()), ..Self::all() }
    }

    /// Only traces with this decision.
    pub fn with_decision(self, decision: Decision) -> Self {
        Self { decision: Some(decision), ..self }
    }

    /// Only traces that the policy of this name decided.
    pub fn with_policy(self, policy: impl Into<String>) -> Self {
        Self { policy: Some(policy.into()), ..self }
    }

    /// Whether the votes about a trace are noted.
    pub(crate) fn wants(&self, trace_id: [u8; 16]) -> bool {
        let id = TraceId::from_bytes(trace_id);
        if self.traces.as_ref().is_some_and(|traces| !traces.contains(&id)) {
            return false;
        }
        // The upper bits of a product: every bit of the id counts, also if its lower half is a counter.
        let (lower, upper) = (id.0 as u64, (id.0 >> 64) as u64);
        let mixed = lower.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ upper.wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(32);
        (u128::from(mixed) * u128::from(self.one_in)) >> 64 == 0
    }

    /// Whether a decided trace is explained.
    pub(crate) fn accepts(&self, trace: &DecidedTrace<'_>) -> bool {
        self.wants(trace.trace_id.to_bytes())
            && self.decision.is_none_or(|decision| decision == trace.decision)
            && self.policy.as_deref().is_none_or(|policy| trace.policy == Some(policy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trace_in_n_is_explained() {
        for n in [1, 2, 10, 100] {
            let filter = ExplainFilter::one_in(n);
            let wanted = (1..=100_000u128).filter(|id| filter.wants(id.to_be_bytes())).count();
            let expected = 100_000 / n as usize;
            assert!(wanted.abs_diff(expected) <= expected / 10, "{n}: {wanted}");
        }
        assert!(ExplainFilter::one_in(0).wants([1; 16]));
        assert!(!ExplainFilter::one_in(u64::MAX).wants([1; 16]));
    }

    #[test]
    fn traces_are_chosen_by_their_id() {
        let filter = ExplainFilter::traces([TraceId(5), TraceId(7)]);
        let wanted: Vec<u128> =
            (0..10).filter(|id: &u128| filter.wants(id.to_be_bytes())).collect();
        assert_eq!(wanted, [5, 7]);
        assert!(!ExplainFilter::traces([]).wants([1; 16]));
    }
}
