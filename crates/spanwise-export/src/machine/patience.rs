//! Waiting for endpoints that are busy.

use super::ExportMachine;
use crate::queue::QueueLevel;
use std::time::{Duration, Instant};

/// Whether spans may wait until a busy endpoint has space for them.
///
/// While the queue has space, waiting costs the other endpoints time, and no span. The spans that a full queue
/// refuses would be lost for all endpoints.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayWait {
    /// No flush is near its deadline.
    pub(super) has_time: bool,
    /// The queue has space.
    pub(super) has_space: bool,
}

impl ExportMachine {
    /// Whether spans may wait at `now`.
    pub(super) fn may_wait(&self, now: Instant, level: QueueLevel) -> MayWait {
        let budget = self.composer.memory.budget();
        let for_spans = budget.limit().saturating_sub(budget.reserve());
        let has_space = budget.charged() < three_quarters(for_spans)
            && self.max_queue_size.is_none_or(|spans| level.queued < three_quarters(spans));
        let deadline = self.flushes.next_deadline();
        let has_time = deadline.is_none_or(|deadline| now + FOR_THE_OTHERS <= deadline);
        MayWait { has_time, has_space: has_space && !level.is_starved && !level.is_shedding }
    }
}

fn three_quarters(of: usize) -> usize {
    of - of / 4
}

/// The time before the deadline of a flush that is left for the endpoints that are not busy.
const FOR_THE_OTHERS: Duration = Duration::from_millis(500);
