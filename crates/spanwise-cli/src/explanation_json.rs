//! An explanation as JSON.

use serde_json::{Value, json};
use spanwise_tail::{DecisionCause, Evidence, Explanation, PolicyExplanation, PolicyVote};

/// The object of one trace.
pub fn of(trace: &Explanation) -> Value {
    let policies: Vec<Value> = trace.policies.iter().map(policy).collect();
    json!({
        "trace_id": trace.trace_id.to_string(),
        "decision": trace.decision.to_string(),
        "policy": trace.policy,
        "cause": cause(trace.cause),
        "spans": trace.spans,
        "policies": policies,
    })
}

fn policy(policy: &PolicyExplanation) -> Value {
    let sub_policies: Vec<Value> = policy.sub_policies.iter().map(self::policy).collect();
    let (vote, error) = match &policy.vote {
        PolicyVote::Failed(error) => ("failed".to_owned(), Some(error)),
        vote => (vote.to_string().replace(' ', "_"), None),
    };
    json!({
        "name": policy.name,
        "type": policy.type_name,
        "vote": vote,
        "error": error,
        "evidence": policy.evidence.as_ref().map(evidence),
        "sub_policies": sub_policies,
    })
}

fn evidence(evidence: &Evidence) -> Value {
    let span = evidence
        .span
        .as_ref()
        .map(|span| json!({ "span_id": span.span_id.to_string(), "name": span.name }));
    json!({
        "subject": evidence.subject,
        "value": evidence.value,
        "wanted": evidence.wanted,
        "span": span,
    })
}

fn cause(cause: DecisionCause) -> &'static str {
    match cause {
        DecisionCause::WaitOver => "wait_over",
        DecisionCause::MaxSpans => "max_spans_per_trace",
        DecisionCause::TraceTooLarge => "maximum_trace_size_bytes",
        DecisionCause::SpanIngest => "span_ingest",
        // The limits of a sampler are not used up.
        _ => "other",
    }
}
