//! The batch size that doubles and halves with the length of the queue, as in the source document (§4.1).

use crate::batch_size::observation::{BatchLimits, BatchObservation};
use std::time::{Duration, Instant};

/// The size that the `adjustLoop` of its `DynamicBatchProcessor` sets: every 30 s, by the length of the queue.
#[derive(Debug, Clone)]
pub(super) struct Dynamic {
    spans: usize,
    /// The last multiple of the interval since the start at which the size was adjusted.
    adjusted: Instant,
}

impl Dynamic {
    pub(super) fn new(now: Instant) -> Self {
        Self { spans: START, adjusted: now }
    }

    pub(super) fn observe(&mut self, now: Instant, observation: &BatchObservation) {
        let elapsed = now.saturating_duration_since(self.adjusted);
        if elapsed < INTERVAL {
            return;
        }
        // A ticker drops the ticks that nothing received, and retains its phase.
        let behind = Duration::from_nanos((elapsed.as_nanos() % INTERVAL.as_nanos()) as u64);
        self.adjusted = now.checked_sub(behind).unwrap_or(now);
        if observation.backlog_spans > LONG {
            self.spans = (self.spans * 2).min(MAX);
        } else if observation.backlog_spans < SHORT {
            self.spans = (self.spans / 2).max(MIN);
        }
    }

    pub(super) fn limits(&self) -> BatchLimits {
        BatchLimits::spans(self.spans)
    }
}

const START: usize = 512;
const INTERVAL: Duration = Duration::from_secs(30);
/// A longer queue doubles the size, up to `MAX`.
const LONG: u64 = 2000;
const MAX: usize = 2048;
/// A shorter queue halves the size, down to `MIN`.
const SHORT: u64 = 100;
const MIN: usize = 128;
