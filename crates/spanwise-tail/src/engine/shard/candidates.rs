//! Traces that are decided together, within the budget of their rule.

use super::Shard;
use crate::engine::candidates::{Candidates, Place, Waiting};
use crate::engine::decided_trace::DecisionCause;
use crate::engine::output::TailOutput;
use crate::rules::Candidate;

impl Shard {
    /// Decides about a trace with the others of this tick, or alone if it is decided before its time.
    pub(super) fn add_candidate(
        &mut self,
        slot: u32,
        candidate: Candidate,
        cause: DecisionCause,
        output: &mut dyn TailOutput,
    ) {
        let Some(entry) = self.table.get(slot) else { return };
        if matches!(cause, DecisionCause::WaitOver | DecisionCause::Shutdown) {
            let place = Place { slot, trace_id: entry.trace_id(), cause };
            self.record_removal(slot);
            self.table.set_undue(slot);
            self.candidates.waiting.push(Waiting { place, candidate });
        } else if let Some(outcome) = self.policies.decide_alone(candidate) {
            self.finish(slot, outcome, cause, output);
        }
    }

    pub(super) fn decide_candidates(&mut self, output: &mut dyn TailOutput) {
        let Candidates { waiting, decided } = &mut self.candidates;
        self.policies.decide_all(
            waiting,
            |waiting| waiting.candidate,
            self.now,
            |waiting, outcome| decided.push((waiting.place, outcome)),
        );
        waiting.clear();
        loop {
            // The output may panic: the next one is removed behind the spans that such a panic left behind, and
            // before the output is called for its own.
            self.forward_leaving(output);
            let Some((place, outcome)) = self.candidates.decided.pop() else { break };
            let Place { slot, trace_id, cause } = place;
            if self.table.get(slot).is_some_and(|entry| entry.trace_id() == trace_id) {
                self.finish(slot, outcome, cause, output);
            }
        }
    }
}
