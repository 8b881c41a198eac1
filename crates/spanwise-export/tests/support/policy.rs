//! A policy that decides at random about drained chunks.

use super::model::Moods;
use spanwise_export::sans_io::DrainedChunk;
use spanwise_export::{HoldBack, HoldContext, HoldDecision};
use spanwise_ledger::DropReason;
use std::sync::{Arc, Mutex};

/// Decides at random, and records the spans that it drops.
pub struct RandomPolicy {
    pub moods: Moods,
    /// The ids of spans that it dropped.
    pub dropped: Arc<Mutex<Vec<u64>>>,
}

impl HoldBack for RandomPolicy {
    fn decide(&mut self, chunk: &DrainedChunk, context: &HoldContext) -> HoldDecision {
        assert!(context.drained <= context.now);
        assert_eq!(chunk.chunk().metas().len() as u64, chunk.spans(), "the metas are there");
        if self.moods.one_in(8) {
            let ids = chunk.chunk().metas().iter().map(|meta| meta.span_id.0);
            self.dropped.lock().unwrap().extend(ids);
            return HoldDecision::Drop(POLICY_REASON);
        }
        match self.moods.one_in(3) {
            true => HoldDecision::Release,
            false => HoldDecision::Until(context.now + self.moods.millis(4_000)),
        }
    }
}

/// No other outcome of the model has this reason.
pub const POLICY_REASON: DropReason = DropReason::Redirect;
