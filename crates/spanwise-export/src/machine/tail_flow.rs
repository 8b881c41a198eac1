//! The flow of spans through tail sampling.

use super::ExportMachine;
use super::stage::Drain;
use super::tail::TailLimits;
use crate::drained::DrainedChunk;
use crate::event::ExportEvent;
use crate::hold_back::HoldCause;
use crate::machine::action::Action;
use crate::queue::QueueLevel;
use spanwise_ledger::{Counter, DropReason};
use std::time::Instant;

impl ExportMachine {
    /// Takes the chunks of a drain that missed this number of slots. Returns those that tail sampling does not hold.
    pub(super) fn accept_in_tail(
        &mut self,
        chunks: Vec<DrainedChunk>,
        drain: Option<Drain>,
        missed: usize,
    ) -> Vec<DrainedChunk> {
        let Some(tail) = &mut self.tail else { return chunks };
        let now = self.now;
        if let Some(route) = self.composer.routes.destinations().first() {
            let metas = chunks.iter().flat_map(|chunk| chunk.chunk().metas());
            let record_only = metas.filter(|meta| !meta.trace_flags().is_sampled()).count();
            route.ledger.record_only_ended(record_only as u64);
        }
        chunks.into_iter().for_each(|chunk| tail.accept(chunk, now));
        let is_rest = matches!(drain, Some(Drain::Rest(_)));
        if is_rest || matches!(drain, Some(Drain::All(_) | Drain::Roots | Drain::ForMemory)) {
            tail.drained_all(now, missed);
            if missed == 0 && (is_rest || self.flushes.need_drain()) {
                tail.decide_all(now, is_rest || self.flushes.have_shutdown());
            }
        }
        self.take_decided()
    }

    /// Whether a trace waits for a drain of every slot. Not while no more can be sent: half-empty chunks that cannot
    /// leave use more memory than they hold.
    pub(super) fn tail_needs_drain(&self, now: Instant, is_draining: bool) -> bool {
        !self.is_blocked
            && self.tail.as_ref().is_some_and(|tail| tail.needs_drain(now, is_draining))
    }

    /// Decides the traces that are due, and the earliest ones of those that use too much memory.
    pub(super) fn release_tail(&mut self, now: Instant, level: QueueLevel) {
        let Some(tail) = &mut self.tail else { return };
        let limits = match level.is_starved || level.is_shedding {
            // Half of them, until there is space.
            true => TailLimits { charged: tail.charged() / 2, spans: tail.undecided() / 2 },
            false => TailLimits {
                charged: tail.share(),
                spans: self.max_queue_size.map_or(u64::MAX, |spans| spans as u64 / 2),
            },
        };
        let was_due = tail.release(now, limits);
        let sampled = self.take_decided();
        // They have waited for longer than those that still wait for a batch.
        self.sends_all |= was_due && !sampled.is_empty();
        let held = &mut self.held;
        let chunks = sampled.into_iter();
        let chunks = chunks.filter_map(|chunk| held.accept(chunk, now, HoldCause::Drained));
        self.composer.backlog.extend(chunks.collect());
    }

    /// The chunks of sampled spans. Reports what happened meanwhile.
    pub(super) fn take_decided(&mut self) -> Vec<DrainedChunk> {
        let Some(tail) = &mut self.tail else { return Vec::new() };
        let (sampled, free, early) =
            (tail.take_sampled(), tail.take_free(), tail.take_decided_early());
        let (panics, panic) = tail.take_panics();
        if let Some(route) = self.composer.routes.destinations().first() {
            route.ledger.count(Counter::TailDecidedEarly, early);
            route.ledger.count(Counter::TailPanicked, panics);
        }
        self.policy_panics = self.policy_panics.saturating_add(panics);
        // One for all of a turn: as many reports as traces would need memory without a bound.
        if let Some(panic) = panic {
            let (code, count) = ("the tail sampler", self.policy_panics);
            self.outbox.push_back(Action::Report(ExportEvent::Panicked { code, panic, count }));
        }
        self.recycle(free);
        sampled
    }

    /// Books the spans that wait for a decision as lost for `reason`.
    pub(super) fn drop_tail(&mut self, reason: DropReason) {
        self.tail.iter_mut().for_each(|tail| tail.drop_all(reason));
    }
}
