//! What spans, tracers and the worker share.

use crate::scopes::Scopes;
use spanwise_batch::{Budget, PushError, Pushed, ShardedBuffer};
use spanwise_ledger::{Counter, DropReason, Ledger};
use spanwise_sampling::{DynamicSampler, Sampler};
use spanwise_wire::write::{DroppedCounts, FinishedSpan};
use spanwise_wire::{SpanLimits, SpanMeta};
use spanwise_worker::{CaughtPanic, Notifier, catch_panic, deadline, fork};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The shared state of one provider. Spans reach it without going through the provider.
pub(crate) struct Core {
    phase: AtomicU8,
    /// `process` while the provider runs: one comparison says whether spans can be recorded.
    running_in: AtomicU32,
    /// [`fork::generation`] of the process the provider was built in.
    pub(crate) process: u32,
    pub(crate) limits: SpanLimits,
    pub(crate) sampler: DynamicSampler,
    pub(crate) ledger: Ledger,
    pub(crate) shards: ShardedBuffer,
    pub(crate) scopes: Scopes,
    pub(crate) on_full: OnFull,
    /// Set once the worker runs.
    pub(crate) worker: OnceLock<Notifier>,
    /// A span was refused because the budget or the queue was full, since the worker last made room.
    starved: AtomicBool,
}

/// How far a provider has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// `OTEL_SDK_DISABLED`: contexts pass through, nothing is made or counted.
    Disabled,
    /// `OTEL_TRACES_EXPORTER=none`: spans have ids, flags and a trace state to propagate and to log;
    /// nothing is recorded or counted, and there is no worker.
    NotExporting,
    /// As disabled, from the shutdown on.
    ShutDown,
    /// The worker died before a shutdown: spans are lost and counted.
    WorkerGone,
}

/// What a span does that ends while the byte budget is used up or the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// It is dropped and counted as `queue_bytes` or `queue_full`. The application never waits.
    #[default]
    Drop,
    /// Its thread waits for room, at most so long; only then it is dropped and counted. For batch
    /// jobs and load generators: it blocks the calling thread, also one of an async runtime.
    Wait(Duration),
}

impl Core {
    pub(crate) fn new(
        phase: Phase,
        limits: SpanLimits,
        sampler: DynamicSampler,
        scopes: Scopes,
        shards: ShardedBuffer,
        on_full: OnFull,
    ) -> Self {
        let process = fork::generation();
        Self {
            phase: AtomicU8::new(phase as u8),
            running_in: AtomicU32::new(if phase == Phase::Running { process } else { NOWHERE }),
            process,
            limits,
            sampler,
            ledger: Ledger::new(),
            shards,
            scopes,
            on_full,
            worker: OnceLock::new(),
            starved: AtomicBool::new(false),
        }
    }

    /// Whether spans that start now can be recorded: the provider runs, in this very process.
    #[inline(always)]
    pub(crate) fn is_running(&self) -> bool {
        // ORDER: Relaxed. A span that starts at the instant of a shutdown is on either side of it.
        self.running_in.load(Relaxed) == fork::generation()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            phase if phase == Phase::Disabled as u8 => Phase::Disabled,
            phase if phase == Phase::NotExporting as u8 => Phase::NotExporting,
            phase if phase == Phase::ShutDown as u8 => Phase::ShutDown,
            phase if phase == Phase::WorkerGone as u8 => Phase::WorkerGone,
            _ if self.is_forked() => Phase::WorkerGone,
            _ => Phase::Running,
        }
    }

    /// Whether spans that start now get ids of their own, recorded or not.
    pub(crate) fn generates_ids(&self) -> bool {
        self.is_running() || self.phase() == Phase::NotExporting
    }

    /// Leaves [`Phase::Running`] or [`Phase::NotExporting`] for `phase`; any other phase is final.
    pub(crate) fn leave_running(&self, phase: Phase) {
        // ORDER: Relaxed; see `is_running`. `ShardedBuffer::close` is what orders spans and the last sweep.
        for alive in [Phase::Running, Phase::NotExporting] {
            let _final = self.phase.compare_exchange(alive as u8, phase as u8, Relaxed, Relaxed);
        }
        self.running_in.store(NOWHERE, Relaxed);
    }

    /// Whether this process was forked from the one the provider was built in. Its worker, and who
    /// may hold one of its locks, are not here.
    pub(crate) fn is_forked(&self) -> bool {
        fork::generation() != self.process
    }

    /// Drops the sampler, which may be the user's and panic in its drop, where it hurts nobody.
    pub(crate) fn drop_sampler(&self) -> Result<(), CaughtPanic> {
        catch_panic(|| self.sampler.set(Sampler::always_off()))
    }

    /// The one budget that chunks and requests are charged to.
    pub(crate) fn budget(&self) -> &Budget {
        self.shards.budget()
    }

    /// Whether a span was refused because the budget or the queue was full since [`set_fed`](Self::set_fed).
    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Relaxed)
    }

    /// The next refusal notifies the worker again.
    pub(crate) fn set_fed(&self) {
        self.starved.store(false, Relaxed);
    }

    /// Hands over an ended span that [`ShardedBuffer::try_push_local`] did not take.
    #[cold]
    pub(crate) fn store(&self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        if self.is_forked() {
            return self.ledger.dropped(DropReason::WorkerUnavailable, 1);
        }
        match self.shards.push(span, meta) {
            Ok(pushed) => self.after_push(pushed),
            Err(refused) => self.refused(refused, span, meta),
        }
    }

    /// Wakes the worker. Never waits; one system call at most.
    pub(crate) fn wake(&self) {
        if let Some(worker) = self.worker.get() {
            worker.notify();
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn note_losses(&self, losses: &DroppedCounts) {
        for (note, count) in [
            (Counter::DroppedAttributes, losses.attributes),
            (Counter::DroppedEvents, losses.events),
            (Counter::DroppedLinks, losses.links),
            (Counter::TruncatedValues, losses.truncated_values),
        ] {
            if count > 0 {
                self.ledger.count(note, u64::from(count));
            }
        }
    }

    fn after_push(&self, pushed: Pushed) {
        if pushed.spilled {
            self.ledger.count(Counter::Spilled, 1);
        }
        if pushed.wake {
            self.wake();
        }
    }

    fn refused(&self, refused: PushError, span: &FinishedSpan<'_>, meta: SpanMeta) {
        // The first one refused asks the worker to make room; waking it for each would cost a core.
        if matches!(refused, PushError::Budget | PushError::QueueFull)
            && !self.starved.load(Relaxed)
            && !self.starved.swap(true, Relaxed)
        {
            self.wake();
        }
        let refused = match (refused, self.on_full) {
            (PushError::Budget | PushError::QueueFull, OnFull::Wait(bound)) => {
                let until = deadline(Instant::now(), bound);
                let wake = || {
                    self.starved.store(true, Relaxed);
                    self.wake();
                };
                match self.shards.push_until(span, meta, until, wake) {
                    Ok(pushed) => return self.after_push(pushed),
                    Err(refused) => refused,
                }
            }
            _ => refused,
        };
        let reason = match refused {
            PushError::Closed if self.phase() == Phase::WorkerGone => DropReason::WorkerUnavailable,
            PushError::Closed => DropReason::AfterShutdown,
            PushError::Contended => DropReason::Contended,
            PushError::QueueFull => DropReason::QueueFull,
            _ if !self.shards.can_fit(span.encoded_len()) => DropReason::TooLarge,
            _ => DropReason::QueueBytes,
        };
        self.ledger.dropped(reason, 1);
    }
}

/// No process is that far from its first ancestor.
const NOWHERE: u32 = u32::MAX;
