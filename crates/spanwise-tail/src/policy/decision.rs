//! The outcome of a trace, and of one policy.

use std::fmt;

/// The outcome of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The spans of the trace are forwarded.
    Sampled,
    /// No policy sampled the trace.
    NotSampled,
    /// A `drop` policy matched, which outweighs every other policy.
    Dropped,
}

/// The Collector's values of the label `decision`.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sampled => "sampled",
            Self::NotSampled => "not_sampled",
            Self::Dropped => "dropped",
        })
    }
}

/// The outcome of one policy for a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyDecision {
    /// The policy samples the trace.
    Sampled,
    /// The policy does not sample the trace; another one may.
    NotSampled,
    /// The trace is dropped, regardless of the other policies.
    Dropped,
    /// `invert_match` before v0.144: samples the trace unless a policy returned `NotSampled`.
    InvertSampled,
    /// `invert_match` before v0.144: outweighs `Sampled` of other policies.
    InvertNotSampled,
}

impl PolicyDecision {
    /// `Sampled` if the condition holds.
    pub(crate) fn of(sampled: bool) -> Self {
        if sampled { Self::Sampled } else { Self::NotSampled }
    }

    /// Whether an `and` policy, a `drop` policy or a `composite` policy counts this as a match.
    pub(crate) fn is_not_sampled(self) -> bool {
        matches!(self, Self::NotSampled | Self::InvertNotSampled)
    }
}
