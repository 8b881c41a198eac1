//! The end of a shard.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{Shard, outcome};
use crate::engine::counts::TailDropReason;
use crate::engine::decided_trace::DecisionCause;
use crate::engine::output::TailOutput;
use crate::policy::Decision;

impl Shard {
    /// Decides or drops all traces; drops them from the moment on when `discards` is set.
    pub(crate) fn shutdown(&mut self, output: &mut dyn TailOutput, discards: &AtomicBool) {
        while let Some(slot) = self.table.earliest() {
            self.settings.drops_pending |= discards.load(Relaxed);
            if self.settings.drops_pending {
                self.finish(slot, outcome(Decision::Dropped), DecisionCause::Shutdown, output);
            } else {
                self.decide(slot, DecisionCause::Shutdown, output);
            }
        }
        self.decide_candidates(output);
        self.forward_long_traces(u64::MAX, output);
        self.end(output);
    }

    /// Counts spans that are dropped because a shutdown has no time for them.
    pub(crate) fn discard(&mut self, spans: u64) {
        self.counts.received_spans += spans;
        self.counts.dropped_spans.add(TailDropReason::Shutdown, spans);
    }
}
