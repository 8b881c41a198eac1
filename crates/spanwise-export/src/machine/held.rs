//! Drained chunks that are held back before they enter the backlog.

use crate::drained::DrainedChunk;
use crate::hold_back::{HoldBack, HoldCause, HoldContext, HoldDecision};
use spanwise_ledger::DropReason;
use spanwise_worker::{CaughtPanic, catch_panic};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The stage between a drain and the backlog. It asks for a decision about each chunk and stores those that are
/// held back, in the order in which they were drained.
///
/// A chunk has no number here: the backlog numbers chunks as they leave this stage, and a flush releases all
/// of them first.
pub(super) struct Held {
    /// The policy of the caller; `None`: each chunk is held back for `time`.
    policy: Option<Box<dyn HoldBack>>,
    time: Duration,
    /// Bytes of spans in a chunk of the usual size.
    chunk_bytes: usize,
    /// Panics of the policy that were not reported yet.
    panics: Vec<CaughtPanic>,
    chunks: VecDeque<HeldChunk>,
    /// Sums over `chunks`.
    charged: usize,
    spans: u64,
    /// The earliest time at which a chunk is due.
    next_due: Option<Instant>,
}

struct HeldChunk {
    chunk: DrainedChunk,
    drained: Instant,
    until: Instant,
}

/// The maximum that may be held back.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldLimits {
    /// Bytes charged for held chunks.
    pub(super) charged: usize,
    pub(super) spans: u64,
}

impl Held {
    pub(super) fn new(
        policy: Option<Box<dyn HoldBack>>,
        time: Duration,
        chunk_bytes: usize,
    ) -> Self {
        let (panics, chunks) = (Vec::new(), VecDeque::new());
        Self { policy, time, chunk_bytes, panics, chunks, charged: 0, spans: 0, next_due: None }
    }

    /// Panics of the policy since the last call.
    pub(super) fn take_panics(&mut self) -> Vec<CaughtPanic> {
        std::mem::take(&mut self.panics)
    }

    /// Replaces the time for which chunks are held back without a policy: for chunks that are held too.
    pub(super) fn set_time(&mut self, time: Duration) {
        self.time = time;
        if self.policy.is_none() {
            for held in &mut self.chunks {
                held.until = held.drained.checked_add(time).unwrap_or(held.drained);
            }
            self.find_next_due();
        }
    }

    /// Spans that are held back.
    pub(super) fn spans(&self) -> u64 {
        self.spans
    }

    /// The earliest time at which a chunk is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.next_due
    }

    fn find_next_due(&mut self) {
        self.next_due = self.chunks.iter().map(|held| held.until).min();
    }

    /// Takes a chunk that was drained at `now`, and returns it if it is not held back.
    pub(super) fn accept(
        &mut self,
        chunk: DrainedChunk,
        now: Instant,
        cause: HoldCause,
    ) -> Option<DrainedChunk> {
        if self.policy.is_none() && self.time.is_zero() {
            return Some(chunk);
        }
        self.decide(HeldChunk { chunk, drained: now, until: now }, now, cause)
    }

    /// Removes the chunks that are due at `now` and, oldest first, those beyond the `limits`.
    pub(super) fn release(&mut self, now: Instant, limits: HeldLimits) -> Vec<DrainedChunk> {
        let mut released = Vec::new();
        let exceeds = self.charged > limits.charged || self.spans > limits.spans;
        if !exceeds && self.next_due.is_none_or(|due| due > now) {
            return released;
        }
        for _ in 0..self.chunks.len() {
            let Some(held) = self.chunks.pop_front() else { break };
            let exceeds = self.charged > limits.charged || self.spans > limits.spans;
            let cause = match held.until <= now {
                _ if exceeds => HoldCause::Pressure,
                true => HoldCause::Due,
                false => {
                    // To the back: after one round, the order is the one before.
                    self.chunks.push_back(held);
                    continue;
                }
            };
            self.subtract(&held);
            released.extend(self.decide(held, now, cause));
        }
        self.find_next_due();
        released
    }

    /// Removes all chunks, because a flush waits for them.
    pub(super) fn release_all(&mut self, now: Instant) -> Vec<DrainedChunk> {
        let chunks = std::mem::take(&mut self.chunks);
        (self.charged, self.spans, self.next_due) = (0, 0, None);
        chunks.into_iter().filter_map(|held| self.decide(held, now, HoldCause::Flush)).collect()
    }

    /// Books all spans as lost for `reason`.
    pub(super) fn drop_all(&mut self, reason: DropReason) {
        (self.charged, self.spans, self.next_due) = (0, 0, None);
        self.chunks.drain(..).for_each(|held| held.chunk.drop_for(reason));
    }

    /// Returns the chunk if it is to be framed; otherwise stores or drops it.
    fn decide(&mut self, held: HeldChunk, now: Instant, cause: HoldCause) -> Option<DrainedChunk> {
        let HeldChunk { mut chunk, drained, .. } = held;
        let context = HoldContext { now, drained, cause };
        let decision = match &mut self.policy {
            None => self.time.decide(&chunk, &context),
            Some(policy) => {
                catch_panic(|| policy.decide(&chunk, &context)).unwrap_or_else(|panic| {
                    self.panics.push(panic);
                    HoldDecision::Release
                })
            }
        };
        match decision {
            HoldDecision::Until(until) if until > now && !cause.must_release() => {
                // A chunk that was drained half empty is charged for more than it holds. A full one stays as
                // it is, because a compacted chunk is not reused; the charge of a large span pays for its
                // request, too; and a policy may read the metas, which a compacted chunk lacks.
                let bytes = chunk.chunk().bytes().len();
                let is_sparse = bytes <= self.chunk_bytes && bytes < chunk.charged() / 2;
                if is_sparse && self.policy.is_none() {
                    chunk.compact();
                }
                self.charged += chunk.charged();
                self.spans += chunk.spans();
                self.next_due = Some(self.next_due.map_or(until, |due| due.min(until)));
                self.chunks.push_back(HeldChunk { chunk, drained, until });
                None
            }
            HoldDecision::Release | HoldDecision::Until(_) => Some(chunk),
            HoldDecision::Drop(reason) => {
                chunk.drop_for(reason);
                None
            }
        }
    }

    fn subtract(&mut self, held: &HeldChunk) {
        self.charged = self.charged.saturating_sub(held.chunk.charged());
        self.spans = self.spans.saturating_sub(held.chunk.spans());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_full::OnFull;
    use crate::queue::{QueueAction, SpanQueue};
    use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
    use spanwise_ledger::Ledger;
    use spanwise_wire::SpanMeta;
    use spanwise_wire::write::FinishedSpan;

    fn drained(queue: &SpanQueue) -> Vec<DrainedChunk> {
        queue.ledger().started();
        queue.push(&FinishedSpan::encoded(b"\x0a\x00"), SpanMeta::default());
        queue.apply(QueueAction::DrainAll).into_iter().flat_map(|it| it.chunks).collect()
    }

    fn queue() -> SpanQueue {
        let buffer = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(1 << 20));
        SpanQueue::new(buffer, Ledger::new(), OnFull::Drop)
    }

    #[test]
    fn the_chunk_that_was_drained_first_is_due_first() {
        let (queue, now, second) = (queue(), Instant::now(), Duration::from_secs(1));
        let mut held = Held::new(None, 60 * second, 1 << 16);
        for at in [now, now + second, now + 2 * second] {
            let held_all = drained(&queue)
                .into_iter()
                .all(|chunk| held.accept(chunk, at, HoldCause::Drained).is_none());
            assert!(held_all);
        }
        held.set_time(10 * second);
        assert_eq!(held.next_due(), Some(now + 10 * second));
        let unlimited = HeldLimits { charged: usize::MAX, spans: u64::MAX };
        assert_eq!(held.release(now + 10 * second, unlimited).len(), 1);
        assert_eq!((held.next_due(), held.spans()), (Some(now + 11 * second), 2));
    }

    #[test]
    fn chunks_beyond_a_limit_are_released_and_those_at_it_are_held() {
        let (queue, now) = (queue(), Instant::now());
        let mut held = Held::new(None, Duration::from_secs(3600), 1 << 16);
        for chunk in drained(&queue) {
            assert!(held.accept(chunk, now, HoldCause::Drained).is_none());
        }
        let charged = held.chunks.iter().map(|held| held.chunk.charged()).sum();
        assert!(charged > 0 && held.spans() == 1);
        assert!(held.release(now, HeldLimits { charged, spans: 1 }).is_empty());
        assert_eq!(held.release(now, HeldLimits { charged: charged - 1, spans: 1 }).len(), 1);
        assert_eq!(held.spans(), 0);
    }
}
