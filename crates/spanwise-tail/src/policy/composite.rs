//! `composite`

use std::sync::Arc;
use std::time::Duration;

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError, vote};
use super::limiters::SecondCounter;
use crate::trace_view::TraceView;

/// Samples by the first sub-policy that matches, within its spans per second.
pub(crate) struct Composite {
    sub_policies: Vec<SubPolicy>,
    max_total: i64,
    sampled: Option<usize>,
}

pub(crate) struct SubPolicy {
    pub(crate) evaluator: Box<dyn Evaluate>,
    /// Spans per second.
    pub(crate) allocated: i64,
    /// Spans sampled in this second.
    pub(crate) sampled: Arc<SecondCounter>,
}

impl Composite {
    pub(crate) fn new(max_total: i64, sub_policies: Vec<SubPolicy>) -> Self {
        Self { sub_policies, max_total, sampled: None }
    }
}

impl Evaluate for Composite {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        now: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        let added = i64::try_from(trace.summary().spans()).unwrap_or(i64::MAX);
        self.sampled = None;
        for (index, sub) in self.sub_policies.iter_mut().enumerate() {
            let decision = vote(sub.evaluator.as_mut(), trace, now)?;
            if matches!(decision, PolicyDecision::Sampled | PolicyDecision::InvertSampled) {
                let spans = sub.sampled.spans(now).saturating_add(added);
                // The Collector compares the total limit with this sub-policy alone, and asks no
                // further sub-policy when a limit is exceeded.
                let sampled = spans <= sub.allocated && spans <= self.max_total;
                if sampled {
                    sub.sampled.set(spans, now);
                    self.sampled = Some(index);
                }
                return Ok(PolicyDecision::of(sampled));
            }
        }
        Ok(PolicyDecision::NotSampled)
    }

    fn sampled_sub_policy(&self) -> Option<usize> {
        self.sampled
    }
}
