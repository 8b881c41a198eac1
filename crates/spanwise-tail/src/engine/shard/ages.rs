//! The ages of traces and late spans.

use std::time::Duration;

use super::Shard;
use crate::engine::trace_table::Entry;
use crate::metrics::ShardMetrics;

impl Shard {
    pub(crate) fn metrics(&self) -> &ShardMetrics {
        &self.metrics
    }

    pub(crate) fn metrics_mut(&mut self) -> &mut ShardMetrics {
        &mut self.metrics
    }

    /// Records the age of a trace that is decided, unless [`record_at_root`](Self::record_at_root) did. The arrival of a trace is not
    /// stored: it is `decision_wait` before the tick at which the trace is due.
    pub(super) fn record_removal(&mut self, slot: u32) {
        let Some(due) = self.table.deadline(slot).map(|deadline| self.time_of(deadline)) else {
            return;
        };
        let has_root = || self.table.get(slot).is_some_and(Entry::has_root);
        if self.settings.wait_after_root.is_none() || !has_root() {
            let age = (self.now + self.settings.wait).saturating_sub(due);
            self.metrics.trace_removal_age.record(age.as_secs());
        }
    }

    /// Records the age that a trace will have at the tick `deadline`, which its root span makes its last one.
    pub(super) fn record_at_root(&mut self, slot: u32, deadline: u64) {
        let Some(due) = self.table.deadline(slot) else { return };
        let (due, decided) = (self.time_of(due), self.time_of(deadline.min(due)));
        let age = (decided + self.settings.wait).saturating_sub(due);
        self.metrics.trace_removal_age.record(age.as_secs());
    }

    fn time_of(&self, tick: u64) -> Duration {
        // A tick has at most 5.3 s.
        let nanos = u64::try_from(self.settings.tick.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(tick.saturating_mul(nanos))
    }
}
