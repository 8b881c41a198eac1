//! The chunks that wait, each in a place of its own.

use super::held_chunk::HeldChunk;
use crate::tail_sampling::TailDecision;
use spanwise_ledger::DropReason;
use std::ops::Range;

/// A slab of chunks with stable ids.
#[derive(Default)]
pub(super) struct Chunks {
    chunks: Vec<Option<HeldChunk>>,
    free: Vec<u32>,
    /// Sums over `chunks`.
    charged: usize,
    undecided: u64,
}

impl Chunks {
    pub(super) fn get(&self, id: u32) -> Option<&HeldChunk> {
        self.chunks.get(id as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut HeldChunk> {
        self.chunks.get_mut(id as usize)?.as_mut()
    }

    pub(super) fn insert(&mut self, held: HeldChunk) -> u32 {
        self.charged += held.charged();
        self.undecided += u64::from(held.undecided());
        let id = self.free.pop();
        let place = id.and_then(|id| Some((id, self.chunks.get_mut(id as usize)?)));
        match place {
            Some((id, place)) => {
                *place = Some(held);
                id
            }
            None => {
                self.chunks.push(Some(held));
                (self.chunks.len() - 1) as u32
            }
        }
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<HeldChunk> {
        let held = self.take(id)?;
        self.free.push(id);
        self.charged = self.charged.saturating_sub(held.charged());
        self.undecided = self.undecided.saturating_sub(held.undecided().into());
        Some(held)
    }

    /// Takes a chunk out of its place, to change it and another one at once, until [`Self::put_back`].
    pub(super) fn take(&mut self, id: u32) -> Option<HeldChunk> {
        self.chunks.get_mut(id as usize)?.take()
    }

    /// Returns a chunk to its place.
    pub(super) fn put_back(&mut self, id: u32, held: HeldChunk) {
        if let Some(place) = self.chunks.get_mut(id as usize) {
            *place = Some(held);
        }
    }

    /// These spans have a decision.
    pub(super) fn decide(&mut self, id: u32, spans: Range<u32>, decision: TailDecision) {
        let count = spans.end - spans.start;
        let Some(held) = self.get_mut(id) else { return };
        match decision {
            TailDecision::Sampled => held.sample(spans),
            TailDecision::NotSampled => held.leave_out(count),
            TailDecision::Dropped => held.drop_spans(count),
        }
        self.undecided = self.undecided.saturating_sub(count.into());
    }

    /// For each place, whether it has a chunk for which `test` holds.
    pub(super) fn places(&self, test: impl Fn(&HeldChunk) -> bool) -> Vec<bool> {
        self.chunks.iter().map(|held| held.as_ref().is_some_and(&test)).collect()
    }

    /// Bytes charged.
    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    /// Spans of traces that wait.
    pub(super) fn undecided(&self) -> u64 {
        self.undecided
    }

    /// Spans without an outcome.
    pub(super) fn spans(&self) -> u64 {
        self.chunks.iter().flatten().map(HeldChunk::spans).sum()
    }

    /// Books all spans as lost for `reason`.
    pub(super) fn drop_for(self, reason: DropReason) {
        self.chunks.into_iter().flatten().for_each(|held| held.drop_for(reason));
    }
}
