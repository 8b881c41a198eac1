//! The `ot` member of the trace state: `th` (threshold) and `rv` (randomness).

use super::threshold::Threshold;
use opentelemetry::trace::TraceState;

/// Explicit randomness, if the trace brought some.
pub(super) fn randomness(trace_state: &TraceState) -> Option<u64> {
    let value = sub_keys(trace_state).find_map(|(key, value)| (key == "rv").then_some(value))?;
    let well_formed = value.len() == 14 && value.bytes().all(|b| b.is_ascii_hexdigit());
    well_formed.then(|| u64::from_str_radix(value, 16).ok()).flatten()
}

/// The trace state with its threshold replaced, or erased: a threshold that was not applied would
/// make counts wrong. All else is kept.
pub(super) fn with_threshold(
    trace_state: &TraceState,
    threshold: Option<&Threshold>,
) -> TraceState {
    let mut member = threshold.map(|th| format!("th:{}", th.text())).unwrap_or_default();
    for (key, value) in sub_keys(trace_state).filter(|(key, _)| *key != "th") {
        if !member.is_empty() {
            member.push(';');
        }
        member.push_str(key);
        member.push(':');
        member.push_str(value);
    }
    let changed = if member.is_empty() {
        if trace_state.get(MEMBER).is_none() {
            return trace_state.clone();
        }
        trace_state.delete(MEMBER)
    } else {
        trace_state.insert(MEMBER, member)
    };
    // A member beyond 256 bytes is refused; the old threshold must not stand all the same.
    changed.or_else(|_| trace_state.delete(MEMBER)).unwrap_or_default()
}

fn sub_keys(trace_state: &TraceState) -> impl Iterator<Item = (&str, &str)> {
    let member = trace_state.get(MEMBER).unwrap_or_default();
    member.split(';').filter_map(|pair| pair.split_once(':'))
}

const MEMBER: &str = "ot";
