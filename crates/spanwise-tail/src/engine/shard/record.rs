//! The policy that sampled the spans that leave (`record_policy`).

use super::Shard;
use crate::engine::decided_trace::DecisionCause;
use crate::policy::{Decision, Outcome};

impl Shard {
    /// Records the policy of the trace that was decided last. With `span-ingest` it is that of the spans that were evaluated, as in the
    /// Collector; those that arrived before leave without it.
    pub(super) fn record_leaving(&mut self, outcome: Outcome, cause: DecisionCause) {
        let (record, recorded) = &mut self.leaving_record;
        record.clear();
        if cause != DecisionCause::SpanIngest {
            *recorded = usize::MAX;
        }
        if self.settings.record_policy && outcome.decision == Decision::Sampled {
            let policy = outcome.policy.and_then(|index| self.policies.name(index));
            // A trace that no policy sampled was not the last that was evaluated.
            let composite = policy.and_then(|_| self.policies.composite_policy());
            record.set(policy, composite, false);
        }
    }

    /// Passes the record of the next span that leaves to the writer.
    pub(super) fn record_next(&mut self) {
        let (record, recorded) = &self.leaving_record;
        if self.leaving.len() <= *recorded {
            self.writer.set_record(record);
        } else {
            self.record_none();
        }
    }

    /// Records the remembered decision about the trace of a late span, or none.
    pub(super) fn record_passing(&mut self, is_sampled: bool) {
        if !self.settings.record_policy {
            return;
        }
        self.passing_record.clear();
        if is_sampled {
            let policy = self.sampled.policy().and_then(|index| self.policies.name(index));
            self.passing_record.set(policy, None, true);
        }
        self.writer.set_record(&self.passing_record);
    }

    /// The next span leaves without a record.
    pub(super) fn record_none(&mut self) {
        self.passing_record.clear();
        self.writer.set_record(&self.passing_record);
    }
}
