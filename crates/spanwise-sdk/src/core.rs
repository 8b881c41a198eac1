//! What spans, tracers and the worker share.

use crate::scopes::Scopes;
use spanwise_batch::{Budget, Pushed, Refused, Shards};
use spanwise_ledger::{DropReason, Ledger, Note};
use spanwise_sampling::Live;
use spanwise_wire::write::{FinishedSpan, Losses};
use spanwise_wire::{SpanLimits, SpanMeta};
use spanwise_worker::WakeHandle;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The shared state of one provider. Spans reach it without going through the provider.
pub(crate) struct Core {
    /// `OTEL_SDK_DISABLED`: contexts pass through, nothing is made or counted.
    pub(crate) disabled: bool,
    pub(crate) limits: SpanLimits,
    pub(crate) sampler: Live,
    pub(crate) ledger: Ledger,
    pub(crate) shards: Shards,
    /// What requests are charged to, as the chunks of `shards` are to theirs.
    pub(crate) requests: Budget,
    pub(crate) scopes: Scopes,
    pub(crate) on_full: OnFull,
    /// Set once the worker runs.
    pub(crate) worker: OnceLock<WakeHandle>,
}

/// What a span does that ends while the byte budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// It is dropped and counted as `queue_bytes`. The application never waits.
    #[default]
    Drop,
    /// Its thread waits for room, at most so long; only then it is dropped and counted. For batch
    /// jobs and load generators: it blocks the calling thread, also one of an async runtime.
    Wait(Duration),
}

impl Core {
    /// Hands over an ended span that [`Shards::push_at_home`] did not take.
    #[cold]
    pub(crate) fn store(&self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        match self.shards.push(span, meta) {
            Ok(pushed) => self.after_push(pushed),
            Err(refused) => self.refused(refused, span, meta),
        }
    }

    /// Wakes the worker. Never waits; one system call at most.
    pub(crate) fn wake(&self) {
        if let Some(worker) = self.worker.get() {
            worker.wake();
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn note_losses(&self, losses: &Losses) {
        for (note, count) in [
            (Note::DroppedAttributes, losses.attributes),
            (Note::DroppedEvents, losses.events),
            (Note::DroppedLinks, losses.links),
            (Note::TruncatedValues, losses.truncated_values),
        ] {
            if count > 0 {
                self.ledger.note(note, u64::from(count));
            }
        }
    }

    fn after_push(&self, pushed: Pushed) {
        if pushed.spilled {
            self.ledger.note(Note::Spilled, 1);
        }
        if pushed.wake {
            self.wake();
        }
    }

    fn refused(&self, refused: Refused, span: &FinishedSpan<'_>, meta: SpanMeta) {
        if refused == Refused::Budget && self.shards.ready() == 0 {
            // Nothing is on its way to the worker: all the room is in open chunks.
            self.wake();
        }
        let refused = match (refused, self.on_full) {
            (Refused::Budget, OnFull::Wait(bound)) => {
                let deadline = Instant::now() + bound;
                match self.shards.push_or_wait(span, meta, deadline, || self.wake()) {
                    Ok(pushed) => return self.after_push(pushed),
                    Err(refused) => refused,
                }
            }
            _ => refused,
        };
        let reason = match refused {
            Refused::Closed => DropReason::AfterShutdown,
            Refused::Contended => DropReason::Contended,
            _ => DropReason::QueueBytes,
        };
        self.ledger.dropped(reason, 1);
    }
}
