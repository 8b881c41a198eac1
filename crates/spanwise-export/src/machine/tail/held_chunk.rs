//! A chunk whose spans wait for the decisions about their traces.

use crate::drained::DrainedChunk;
use spanwise_batch::ChargedChunk;
use spanwise_ledger::DropReason;
use spanwise_wire::{Chunk, SpanMeta};
use std::ops::Range;

/// A chunk with the number of its spans in each state.
pub(super) struct HeldChunk {
    chunk: DrainedChunk,
    /// Spans of traces that wait.
    undecided: u32,
    /// Spans whose outcome is not booked yet.
    not_sampled: u32,
    dropped: u32,
    /// Spans of sampled traces that are still here.
    sampled: Vec<Range<u32>>,
    /// The chunk is in the list of those to settle.
    pub(super) is_touched: bool,
    /// Spans of other chunks are moved here.
    pub(super) is_filling: bool,
}

impl HeldChunk {
    /// A chunk whose spans are all undecided.
    pub(super) fn new(chunk: DrainedChunk) -> Self {
        Self {
            undecided: chunk.chunk().len() as u32,
            chunk,
            not_sampled: 0,
            dropped: 0,
            sampled: Vec::new(),
            is_touched: false,
            is_filling: false,
        }
    }

    /// A chunk that takes the undecided spans of others.
    pub(super) fn filling(chunk: DrainedChunk) -> Self {
        Self { is_filling: true, ..Self::new(chunk) }
    }

    pub(super) fn chunk(&self) -> &Chunk {
        self.chunk.chunk()
    }

    pub(super) fn charged(&self) -> usize {
        self.chunk.charged()
    }

    /// Spans without an outcome.
    pub(super) fn spans(&self) -> u64 {
        self.chunk.spans()
    }

    pub(super) fn undecided(&self) -> u32 {
        self.undecided
    }

    /// The metas of some spans.
    pub(super) fn metas(&self, spans: Range<u32>) -> &[SpanMeta] {
        self.chunk().metas().get(spans.start as usize..spans.end as usize).unwrap_or_default()
    }

    /// These spans are sampled.
    pub(super) fn sample(&mut self, spans: Range<u32>) {
        self.undecided = self.undecided.saturating_sub(spans.end - spans.start);
        self.sampled.push(spans);
    }

    /// This number of spans is not sampled.
    pub(super) fn leave_out(&mut self, spans: u32) {
        self.undecided = self.undecided.saturating_sub(spans);
        self.not_sampled += spans;
    }

    /// This number of spans is dropped.
    pub(super) fn drop_spans(&mut self, spans: u32) {
        self.undecided = self.undecided.saturating_sub(spans);
        self.dropped += spans;
    }

    /// Books the spans that are decided and not sampled.
    pub(super) fn book(&mut self) {
        let (not_sampled, dropped) = (self.not_sampled, self.dropped);
        (self.not_sampled, self.dropped) = (0, 0);
        let (chunk, tickets) = self.chunk.parts_mut();
        // Tickets that are lost on the way count as lost.
        let on_drop = DropReason::WorkerUnavailable;
        if not_sampled > 0 {
            tickets.split(not_sampled.into(), on_drop).tail_not_sampled();
        }
        if dropped > 0 {
            tickets.split(dropped.into(), on_drop).tail_dropped();
        }
        chunk.release_permits_beyond(usize::try_from(tickets.spans()).unwrap_or(usize::MAX));
    }

    pub(super) fn has_sampled(&self) -> bool {
        !self.sampled.is_empty()
    }

    /// Number and bytes of the sampled spans.
    pub(super) fn sampled_size(&self) -> (usize, usize) {
        let size = |spans: &Range<u32>| {
            let metas = self.metas(spans.clone());
            (metas.len(), metas.iter().map(|meta| meta.len as usize).sum::<usize>())
        };
        self.sampled.iter().map(size).fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }

    /// Whether all spans but the sampled ones have their outcome.
    pub(super) fn is_decided(&self) -> bool {
        self.undecided == 0
    }

    /// The chunk with the sampled spans alone, of one that is decided.
    pub(super) fn into_sampled(mut self) -> DrainedChunk {
        let (spans, _) = self.sampled_size();
        if spans < self.chunk().len() {
            self.sampled.sort_unstable_by_key(|spans| spans.start);
            let mut sampled = self.sampled.iter().peekable();
            self.chunk.parts_mut().0.retain(|index| {
                while sampled.peek().is_some_and(|spans| spans.end as usize <= index) {
                    sampled.next();
                }
                sampled.peek().is_some_and(|spans| spans.start as usize <= index)
            });
        }
        self.chunk
    }

    /// Moves sampled spans to `target` until it is full. Returns whether none is left.
    pub(super) fn move_sampled(&mut self, target: &mut DrainedChunk) -> bool {
        while let Some(spans) = self.sampled.pop() {
            let moved = self.move_spans(spans.clone(), target);
            let left = spans.start + moved..spans.end;
            if !left.is_empty() {
                self.sampled.push(left);
                return false;
            }
        }
        true
    }

    /// Moves undecided spans to `target`, all or none. Returns whether it did.
    pub(super) fn move_undecided(&mut self, spans: Range<u32>, target: &mut Self) -> bool {
        let bytes: usize = self.metas(spans.clone()).iter().map(|meta| meta.len as usize).sum();
        let count = spans.end - spans.start;
        if !target.chunk().has_capacity_for(bytes, count as usize) {
            return false;
        }
        let moved = self.move_spans(spans, &mut target.chunk);
        self.undecided = self.undecided.saturating_sub(moved);
        target.undecided += moved;
        moved == count
    }

    /// Copies the first spans that fit, with their tickets, and returns their number.
    fn move_spans(&mut self, spans: Range<u32>, target: &mut DrainedChunk) -> u32 {
        let (source, tickets) = self.chunk.parts_mut();
        let (target, target_tickets) = target.parts_mut();
        let source = source.chunk();
        let metas = source.metas().get(spans.start as usize..spans.end as usize);
        let metas = metas.unwrap_or_default().iter();
        let moved =
            metas.take_while(|meta| target.try_push_field(source.field(meta), meta)).count();
        target_tickets.merge(tickets.split(moved as u64, DropReason::WorkerUnavailable));
        moved as u32
    }

    /// The memory of a chunk without spans.
    pub(super) fn into_empty(self) -> ChargedChunk {
        self.chunk.into_parts().0
    }

    /// Books all spans as lost for `reason`.
    pub(super) fn drop_for(mut self, reason: DropReason) {
        self.book();
        self.chunk.drop_for(reason);
    }
}
