//! Waiting for endpoints that are busy.

use crate::queue::QueueLevel;
use spanwise_batch::Budget;
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

impl MayWait {
    /// `level`: that of the queue, whose spans have the rest of the `budget` and at most `max_queue_size` places.
    /// `deadline`: that of the next flush.
    pub(super) fn new(
        budget: &Budget,
        max_queue_size: Option<usize>,
        level: QueueLevel,
        (now, deadline): (Instant, Option<Instant>),
    ) -> Self {
        let for_spans = budget.limit().saturating_sub(budget.reserve());
        let has_space = budget.charged() < three_quarters(for_spans)
            && max_queue_size.is_none_or(|spans| level.queued < three_quarters(spans));
        let has_time = deadline.is_none_or(|deadline| now + FOR_THE_OTHERS <= deadline);
        Self { has_time, has_space: has_space && !level.is_starved && !level.is_shedding }
    }
}

fn three_quarters(of: usize) -> usize {
    of - of / 4
}

/// The time before the deadline of a flush that is left for the endpoints that are not busy.
const FOR_THE_OTHERS: Duration = Duration::from_millis(500);
