//! The explanation of a decision.

use std::fmt;

use spanwise_wire::{SpanId, TraceId};

use crate::engine::DecisionCause;
use crate::policy::{Decision, PolicyVote};

/// The reasons for the decision about a trace: the vote of each policy, with the span and the value behind it.
///
/// Names and values are those of the spans: they are as sensitive as the spans themselves. A text of more than 120 bytes is shortened,
/// so that the size depends on the number of policies alone.
///
/// ```text
/// trace 00000000000000000000000000000007: sampled by "slow" (the wait is over), 2 spans
///   errors (status_code): not sampled; status is UNSET, wanted ERROR
///   slow (latency): sampled; duration is 2000 ms, wanted more than 1000 ms; span 0000000000000002 "SELECT"
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The trace.
    pub trace_id: TraceId,
    /// The decision.
    pub decision: Decision,
    /// The name of the policy that decided; `None` for a trace that no policy sampled.
    pub policy: Option<String>,
    /// The reason why the trace was decided now.
    pub cause: DecisionCause,
    /// Number of spans that had arrived.
    pub spans: u64,
    /// The policies in the order of their evaluation. Empty if the decision needed none, as for a trace that is too large.
    pub policies: Vec<PolicyExplanation>,
}

/// The vote of a policy about a trace, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyExplanation {
    /// The name of the policy.
    pub name: String,
    /// The Collector's name of its type.
    pub type_name: &'static str,
    /// The vote.
    pub vote: PolicyVote,
    /// The value that the vote depends on; `None` for a policy that was not evaluated, and for one whose sub-policies voted.
    pub evidence: Option<Evidence>,
    /// The sub-policies in the order of their evaluation.
    pub sub_policies: Vec<PolicyExplanation>,
}

/// The value that a vote depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The subject of the policy, such as `duration`, `status` or `attribute "http.route"`.
    pub subject: String,
    /// The value that matched or, if none did, the first one that was compared; `None` if no span has one.
    pub value: Option<String>,
    /// The values that match.
    pub wanted: String,
    /// The span with the value; `None` if the value is the trace's.
    pub span: Option<EvidenceSpan>,
}

/// The span that a vote depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvidenceSpan {
    /// The id; all zero if the span has no valid one.
    pub span_id: SpanId,
    /// The name.
    pub name: String,
}

impl fmt::Display for Explanation {
    /// One line for the trace and one for each policy, without a line break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, decision, policy, cause, spans, policies } = self;
        let decision = match decision {
            Decision::Sampled => "sampled",
            Decision::NotSampled => "not sampled",
            Decision::Dropped => "dropped",
        };
        write!(f, "trace {trace_id}: {decision}")?;
        if let Some(policy) = policy {
            write!(f, " by {policy:?}")?;
        }
        let unit = if *spans == 1 { "span" } else { "spans" };
        write!(f, " ({}), {spans} {unit}", cause_text(*cause))?;
        policies.iter().try_for_each(|policy| policy.fmt_at(f, 1))
    }
}

fn cause_text(cause: DecisionCause) -> &'static str {
    match cause {
        DecisionCause::WaitOver => "the wait is over",
        DecisionCause::Evicted => "a limit is reached",
        DecisionCause::MaxSpans => "`max_spans_per_trace` is reached",
        DecisionCause::TraceTooLarge => "`maximum_trace_size_bytes` is exceeded",
        DecisionCause::SpanIngest => "`span-ingest`",
        DecisionCause::Stress => "stress relief",
        DecisionCause::Shutdown => "shutdown",
    }
}

impl PolicyExplanation {
    fn fmt_at(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "\n{:indent$}{self}", "", indent = depth * 2)?;
        // At most three levels: a policy with sub-policies accepts few others.
        self.sub_policies.iter().try_for_each(|policy| policy.fmt_at(f, depth + 1))
    }
}

impl fmt::Display for PolicyExplanation {
    /// The policy in one line, without its sub-policies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name.escape_debug(), self.type_name, self.vote)?;
        self.evidence.as_ref().map_or(Ok(()), |evidence| write!(f, "; {evidence}"))
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, value, wanted, span } = self;
        match value {
            Some(value) => write!(f, "{subject} is {value}")?,
            None => write!(f, "no span has {subject}")?,
        }
        write!(f, ", wanted {wanted}")?;
        match span {
            Some(EvidenceSpan { span_id, name }) => write!(f, "; span {span_id} {name:?}"),
            None => Ok(()),
        }
    }
}
