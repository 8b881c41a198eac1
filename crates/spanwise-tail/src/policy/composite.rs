//! `composite`

use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError, vote};
use crate::trace_view::TraceView;

/// Samples by the first sub-policy that matches, within its spans per second.
pub(crate) struct Composite {
    sub_policies: Vec<SubPolicy>,
    max_total: i64,
    second: u64,
}

pub(crate) struct SubPolicy {
    evaluator: Box<dyn Evaluate>,
    /// Spans per second.
    allocated: i64,
    /// Spans sampled in this second.
    spans: i64,
}

impl Composite {
    pub(crate) fn new(
        max_total: i64,
        sub_policies: impl IntoIterator<Item = (Box<dyn Evaluate>, i64)>,
    ) -> Self {
        let sub_policies = sub_policies
            .into_iter()
            .map(|(evaluator, allocated)| SubPolicy { evaluator, allocated, spans: 0 })
            .collect();
        Self { sub_policies, max_total, second: 0 }
    }
}

impl Evaluate for Composite {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        if self.second != now.as_secs() {
            self.second = now.as_secs();
            for sub in &mut self.sub_policies {
                sub.spans = 0;
            }
        }
        let added = i64::try_from(trace.summary().spans()).unwrap_or(i64::MAX);
        for sub in &mut self.sub_policies {
            let decision = vote(sub.evaluator.as_mut(), trace, now)?;
            if matches!(decision, PolicyDecision::Sampled | PolicyDecision::InvertSampled) {
                let spans = sub.spans.saturating_add(added);
                // The Collector compares the total limit with this sub-policy alone, and asks no
                // further sub-policy when a limit is exceeded.
                let sampled = spans <= sub.allocated && spans <= self.max_total;
                if sampled {
                    sub.spans = spans;
                }
                return Ok(PolicyDecision::of(sampled));
            }
        }
        Ok(PolicyDecision::NotSampled)
    }
}
