//! The probability with which a policy samples the traces that it samples.

use spanwise_sampling::Threshold;

use super::kind::PolicyKind;
use crate::outgoing_trace_state::ThresholdUpdate;

/// The probability of a trace that a policy samples, as the threshold that is written to its spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VoteProbability {
    /// The policy samples every such trace, or those that this threshold keeps.
    Known(Threshold),
    /// The policy limits a rate: the probability depends on the other traces.
    Unknown,
}

impl VoteProbability {
    pub(crate) fn of(kind: &PolicyKind) -> Self {
        match kind {
            PolicyKind::Probabilistic(policy) => Self::Known(policy.threshold()),
            PolicyKind::RateLimiting(_)
            | PolicyKind::BytesLimiting(_)
            | PolicyKind::Composite(_) => Self::Unknown,
            // All sub-policies have to sample the trace: the strictest threshold is the one of the policy.
            PolicyKind::And(policies) => {
                let all = policies.iter().map(|policy| Self::of(&policy.kind));
                all.fold(Self::Known(Threshold::KEEP_ALL), Self::and)
            }
            // The complement of a probability has no threshold.
            PolicyKind::Not(policy) => match Self::of(&policy.kind) {
                Self::Known(Threshold::KEEP_ALL) => Self::Known(Threshold::KEEP_ALL),
                _ => Self::Unknown,
            },
            _ => Self::Known(Threshold::KEEP_ALL),
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => Self::Known(a.max(b)),
            _ => Self::Unknown,
        }
    }

    /// The update of a trace for which policies voted before with the result `update`.
    pub(crate) fn with(self, update: ThresholdUpdate) -> ThresholdUpdate {
        use ThresholdUpdate::{Erase, Raise};
        match (update, self) {
            // A policy that samples every such trace makes the trace certain.
            (Raise(Threshold::KEEP_ALL), _) | (_, Self::Known(Threshold::KEEP_ALL)) => {
                Raise(Threshold::KEEP_ALL)
            }
            (Erase, _) | (_, Self::Unknown) => Erase,
            (Raise(before), Self::Known(threshold)) => Raise(before.min(threshold)),
            (_, Self::Known(threshold)) => Raise(threshold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, ProbabilisticPolicy, RateLimitingPolicy};
    use super::*;

    fn combined(kinds: &[PolicyKind]) -> ThresholdUpdate {
        let all = kinds.iter().map(VoteProbability::of);
        all.fold(ThresholdUpdate::None, |update, probability| probability.with(update))
    }

    #[test]
    fn the_least_strict_known_probability_counts() {
        use ThresholdUpdate::{Erase, Raise};
        let half = || PolicyKind::from(ProbabilisticPolicy::new(50.0));
        let quarter = || PolicyKind::from(ProbabilisticPolicy::new(25.0));
        let limit = || PolicyKind::from(RateLimitingPolicy::new(1));
        let all = || PolicyKind::AlwaysSample;
        let policy = |kind| Policy::new("sub", kind);
        let and = |kinds: Vec<PolicyKind>| PolicyKind::And(kinds.into_iter().map(policy).collect());
        let not = |kind| PolicyKind::Not(Box::new(policy(kind)));
        let raise = |th| Raise(Threshold::parse(th).unwrap());
        for (kinds, update) in [
            (vec![half()], raise("8")),
            (vec![quarter(), half()], raise("8")),
            (vec![half(), quarter()], raise("8")),
            (vec![half(), all()], raise("0")),
            (vec![all(), limit(), half()], raise("0")),
            (vec![limit(), all()], raise("0")),
            (vec![limit()], Erase),
            (vec![limit(), half()], Erase),
            (vec![half(), limit()], Erase),
            (vec![and(vec![half(), quarter(), all()])], raise("c")),
            (vec![and(vec![half(), limit()])], Erase),
            (vec![not(all())], raise("0")),
            (vec![not(half())], Erase),
        ] {
            assert_eq!(combined(&kinds), update, "{kinds:?}");
        }
    }
}
