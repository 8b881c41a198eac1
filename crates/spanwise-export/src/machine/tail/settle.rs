//! Spans that leave a chunk after their decision, and chunks that leave the stage.

use super::Tail;
use super::held_chunk::HeldChunk;
use super::runs::Run;
use super::store::Store;
use crate::drained::DrainedChunk;
use crate::ticket_guard::TicketGuard;
use spanwise_batch::{Budget, ChargedChunk};
use spanwise_ledger::{DropReason, Ledger};

impl Tail {
    /// Books the decisions, and moves what was sampled to `sampled` and what is empty to `free`.
    pub(super) fn settle(&mut self) {
        self.names = None;
        let mut output = None;
        let mut left = (0, 0);
        for held in self.touched.iter().filter_map(|id| self.store.chunks.get(*id)) {
            let (spans, bytes) = held.sampled_size();
            left = (left.0 + spans, left.1 + bytes);
        }
        for id in std::mem::take(&mut self.touched) {
            let Some(held) = self.store.chunks.get_mut(id) else { continue };
            held.is_touched = false;
            held.book();
            if held.has_sampled() {
                let (spans, bytes) = held.sampled_size();
                if held.is_decided() && 2 * bytes >= held.chunk().bytes().len() {
                    self.release_chunk(id);
                } else if self.copy_sampled(id, &mut output, left) {
                    self.free_chunk(id);
                } else if self.store.chunks.get(id).is_some_and(HeldChunk::is_decided) {
                    self.release_chunk(id);
                } else {
                    // Without memory they wait for a request that ends, or for the rest of their chunk.
                    self.touch(id);
                }
                left = (left.0.saturating_sub(spans), left.1.saturating_sub(bytes));
            } else {
                self.free_chunk(id);
            }
        }
        self.sampled.extend(output);
    }

    /// Copies the sampled spans of a chunk to `output`. `left`: the number and the bytes of all spans to copy.
    fn copy_sampled(
        &mut self,
        id: u32,
        output: &mut Option<DrainedChunk>,
        (spans, bytes): (usize, usize),
    ) -> bool {
        let Some(held) = self.store.chunks.get_mut(id) else { return false };
        loop {
            if let Some(output) = output {
                if held.move_sampled(output) {
                    return true;
                }
                if output.spans() == 0 {
                    // A new one, and the span does not fit.
                    return false;
                }
            }
            self.sampled.extend(output.take());
            let size = (bytes.min(self.chunk_bytes), spans.min(self.chunk_bytes / MIN_SPAN_BYTES));
            *output = Self::new_chunk(&self.budget, &self.ledger, size);
            if output.is_none() {
                return false;
            }
        }
    }

    /// Moves a chunk that is decided to `sampled`.
    fn release_chunk(&mut self, id: u32) {
        if self.filling == Some(id) {
            self.filling = None;
        }
        self.sampled.extend(self.store.chunks.remove(id).map(HeldChunk::into_sampled));
    }

    /// Frees a chunk if it is decided. None of its spans is sampled.
    fn free_chunk(&mut self, id: u32) {
        if self.store.chunks.get(id).is_some_and(|held| held.is_decided() && !held.has_sampled()) {
            if self.filling == Some(id) {
                self.filling = None;
            }
            self.free.extend(self.store.chunks.remove(id).map(HeldChunk::into_empty));
        }
    }

    /// Moves the last undecided spans of chunks together, so that the memory of the others is free.
    pub(super) fn gather(&mut self) {
        let is_sparse = |held: &HeldChunk| {
            let undecided = held.undecided() as usize;
            undecided > 0 && SPARSE * undecided <= held.chunk().len() && !held.is_filling
        };
        let sparse = self.store.chunks.places(is_sparse);
        if sparse.iter().filter(|is_sparse| **is_sparse).count() < 2 {
            // One alone would move from a chunk to another.
            return;
        }
        let Self { store: Store { chunks, runs }, budget, ledger, filling, .. } = self;
        for run in runs.iter_mut().filter(|run| sparse.get(run.chunk as usize) == Some(&true)) {
            let source = run.chunk;
            let Some(mut held) = chunks.take(source) else { continue };
            for _ in 0..2 {
                let target = filling.and_then(|id| Some((id, chunks.get_mut(id)?)));
                if let Some((id, target)) = target {
                    let start = target.chunk().len() as u32;
                    if held.move_undecided(run.start..run.end, target) {
                        *run = Run { chunk: id, start, end: start + run.end - run.start, ..*run };
                        break;
                    }
                    target.is_filling = false;
                }
                let size = (self.chunk_bytes, self.chunk_bytes / MIN_SPAN_BYTES);
                let Some(chunk) = Self::new_chunk(budget, ledger, size) else { break };
                *filling = Some(chunks.insert(HeldChunk::filling(chunk)));
            }
            chunks.put_back(source, held);
        }
        for id in (0..).zip(sparse).filter_map(|(id, is_sparse)| is_sparse.then_some(id)) {
            self.touch(id);
        }
        self.settle();
    }

    /// An empty chunk for this number of bytes and spans.
    fn new_chunk(
        budget: &Budget,
        ledger: &Ledger,
        (bytes, spans): (usize, usize),
    ) -> Option<DrainedChunk> {
        let chunk = ChargedChunk::reserved(budget, bytes, spans)?;
        let tickets = TicketGuard::new(ledger.tickets(0), DropReason::WorkerUnavailable);
        Some(DrainedChunk::from_parts(chunk, tickets))
    }
}

/// A chunk is sparse with one undecided span of this number.
const SPARSE: usize = 8;
/// Bytes of a small span: a chunk has a meta for each of these.
const MIN_SPAN_BYTES: usize = 128;
