//! A policy that holds drained chunks back, as a disk buffer does: it also drops chunks,
//! and panics now and then.

use crate::random::Random;
use spanwise_export::sans_io::DrainedChunk;
use spanwise_export::{HoldBack, HoldCause, HoldContext, HoldDecision};
use spanwise_ledger::DropReason;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The policy.
pub struct HoldPolicy {
    random: Random,
    dropped: DroppedSpans,
}

/// The ids of the spans that the policy has dropped: the world's list follows.
#[derive(Debug, Clone, Default)]
pub struct DroppedSpans(Arc<Mutex<Vec<u64>>>);

impl HoldPolicy {
    /// A policy that adds the spans it drops to `dropped`.
    pub fn new(random: Random, dropped: DroppedSpans) -> Self {
        Self { random, dropped }
    }
}

impl DroppedSpans {
    /// Removes and returns all ids.
    pub fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HoldBack for HoldPolicy {
    fn decide(&mut self, chunk: &DrainedChunk, context: &HoldContext) -> HoldDecision {
        match self.random.below(24) {
            0 => std::panic::resume_unwind(Box::new("a policy panics")),
            1 | 2 => {
                let ids = chunk.chunk().metas().iter().map(|meta| meta.span_id.0);
                self.dropped.0.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
                HoldDecision::Drop(POLICY_REASON)
            }
            // Held once, so that the world knows the longest time.
            3..=14 if context.cause == HoldCause::Drained => HoldDecision::Until(
                context.now + self.random.millis(0, LONGEST_HOLD.as_millis() as u64),
            ),
            _ => HoldDecision::Release,
        }
    }
}

/// The reason for which the policy drops spans.
pub const POLICY_REASON: DropReason = DropReason::Rejected;
/// The longest time for which the policy holds a chunk back.
pub const LONGEST_HOLD: Duration = Duration::from_secs(2);
