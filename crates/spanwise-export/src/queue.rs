//! The queue that threads push finished spans to, and that the exporter drains.

use crate::drained::{Drained, DrainedChunk};
use spanwise_batch::{Budget, ChargedChunk, PushError, Pushed, ShardedBuffer};
use spanwise_ledger::{Counter, DropReason, Ledger};
use spanwise_wire::SpanMeta;
use spanwise_wire::write::{DroppedCounts, EncodeSpan, FinishedSpan};
use spanwise_worker::{Notifier, deadline, fork};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::time::{Duration, Instant};

/// A sharded buffer of finished spans with the ledger that accounts for them: threads push to it, and
/// an exporter drains it.
///
/// It can be a field of the caller's own shared state, so that a span reaches its slot without
/// another pointer in between.
pub struct SpanQueue {
    buffer: ShardedBuffer,
    ledger: Ledger,
    on_full: OnFull,
    /// The discriminant of a [`State`].
    state: AtomicU8,
    /// A span was refused because the budget or the queue was full, since the exporter freed memory.
    is_starved: AtomicBool,
    /// [`fork::generation`] of the process the queue was made in.
    process: u32,
    /// Set once the exporter runs.
    notifier: OnceLock<Notifier>,
}

/// The behaviour of [`SpanQueue::push`] while the byte budget is used up or the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// It drops the span and counts it as `queue_bytes` or `queue_full`. The application never waits.
    #[default]
    Drop,
    /// It blocks the calling thread, also one of an async runtime, until there is space or this time
    /// has passed; only then it drops and counts the span. For batch jobs and load generators.
    Wait(Duration),
}

/// Whether spans are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Open,
    ShutDown,
    Died,
}

/// The fill level of a [`SpanQueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueLevel {
    /// Full chunks; the chunk of a large span counts for as many as it is charged for.
    pub ready: usize,
    /// Spans that count against the maximum queue size. 0 without one.
    pub queued: usize,
    /// The queue refused a span for lack of space since [`QueueAction::RearmNotification`].
    pub is_starved: bool,
}

/// An operation of an exporter on its queue.
#[derive(Debug)]
pub enum QueueAction {
    /// Drain the full chunks.
    DrainFull,
    /// Drain the open chunks too.
    DrainAll,
    /// Reuse these chunks, whose spans were copied into requests.
    Recycle(Vec<ChargedChunk>),
    /// Free the chunks that are cached for reuse, all but `retain`.
    Trim {
        /// Chunks that stay.
        retain: usize,
    },
    /// Let the next span that is refused for lack of space notify the exporter.
    RearmNotification,
}

impl SpanQueue {
    /// A queue on `buffer`, whose spans `ledger` accounts for.
    pub fn new(buffer: ShardedBuffer, ledger: Ledger, on_full: OnFull) -> Self {
        Self {
            buffer,
            ledger,
            on_full,
            state: AtomicU8::new(State::Open as u8),
            is_starved: AtomicBool::new(false),
            process: fork::generation(),
            notifier: OnceLock::new(),
        }
    }

    /// Stores a span that [`Ledger::started`] counted, if the open chunk of this thread's slot takes
    /// it, as it nearly always does. False: nothing was stored; [`push`](Self::push) it.
    ///
    /// # Cost
    /// That of `ShardedBuffer::try_push_local`, which this is.
    #[inline(always)]
    pub fn try_push_local<S: EncodeSpan + ?Sized>(
        &self,
        span: &S,
        meta: impl FnOnce() -> SpanMeta,
    ) -> bool {
        self.buffer.try_push_local(span, meta)
    }

    /// Stores a span that [`Ledger::started`] counted, or drops it and books the reason.
    ///
    /// Notifies the exporter when many chunks are full: one system call at most. Waits only with
    /// [`OnFull::Wait`].
    #[cold]
    pub fn push(&self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        if self.is_forked() {
            return self.ledger.dropped(DropReason::WorkerUnavailable, 1);
        }
        match self.buffer.push(span, meta) {
            Ok(pushed) => self.after_push(pushed),
            Err(refused) => self.refused(refused, span, meta),
        }
    }

    /// Counts the data that the span limits dropped.
    #[cold]
    #[inline(never)]
    pub fn count_dropped(&self, counts: &DroppedCounts) {
        for (counter, count) in [
            (Counter::DroppedAttributes, counts.attributes),
            (Counter::DroppedEvents, counts.events),
            (Counter::DroppedLinks, counts.links),
            (Counter::TruncatedValues, counts.truncated_values),
        ] {
            if count > 0 {
                self.ledger.count(counter, u64::from(count));
            }
        }
    }

    /// The account of all spans.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The budget that chunks and requests are charged to.
    pub fn budget(&self) -> &Budget {
        self.buffer.budget()
    }

    /// Bytes of spans in a chunk of the usual size.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.buffer.config().chunk_bytes
    }

    /// The fill level of the queue.
    pub fn level(&self) -> QueueLevel {
        QueueLevel {
            ready: self.buffer.ready(),
            queued: self.buffer.queued(),
            is_starved: self.is_starved.load(Relaxed),
        }
    }

    /// Carries out an action of the exporter. A drain returns the chunks, with their tickets.
    pub fn apply(&self, action: QueueAction) -> Option<Drained> {
        let mut chunks = Vec::new();
        let missed = match action {
            QueueAction::DrainFull => {
                self.buffer.drain_full(&mut chunks, usize::MAX);
                0
            }
            QueueAction::DrainAll => self.buffer.drain_all(&mut chunks),
            QueueAction::Recycle(chunks) => {
                self.buffer.recycle(chunks);
                return None;
            }
            QueueAction::Trim { retain } => {
                self.buffer.trim(retain);
                return None;
            }
            QueueAction::RearmNotification => {
                self.is_starved.store(false, Relaxed);
                return None;
            }
        };
        let chunks = chunks.into_iter().map(|chunk| DrainedChunk::new(chunk, &self.ledger));
        Some(Drained { chunks: chunks.collect(), missed })
    }

    /// Refuses all spans from now on, and books them as `after_shutdown`. The spans in the
    /// queue can still be drained.
    pub fn close(&self) {
        self.close_as(State::ShutDown);
    }

    /// As [`close`](Self::close), for an exporter that died: spans are booked as `worker_unavailable`.
    pub(crate) fn abandon(&self) {
        self.close_as(State::Died);
    }

    /// Frees all memory but the slots': the owner of a span may hold the queue for long.
    pub(crate) fn release(&self) {
        self.buffer.release();
    }

    /// Whether the exporter died before a shutdown.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.load(Relaxed) == State::Died as u8
    }

    /// Whether this process was forked from the one the queue was made in. It has no exporter, and
    /// another thread may have held one of the locks at the fork.
    pub fn is_forked(&self) -> bool {
        fork::generation() != self.process
    }

    pub(crate) fn set_notifier(&self, notifier: Notifier) {
        // The first exporter of a queue is its only one.
        let _already_set = self.notifier.set(notifier);
    }

    pub(crate) fn notify(&self) {
        if let Some(notifier) = self.notifier.get() {
            notifier.notify();
        }
    }

    fn close_as(&self, state: State) {
        let open = State::Open as u8;
        // ORDER: Relaxed. `ShardedBuffer::close` is what orders pushes and the last drain.
        let _already_closed = self.state.compare_exchange(open, state as u8, Relaxed, Relaxed);
        self.buffer.close();
    }

    fn after_push(&self, pushed: Pushed) {
        if pushed.spilled {
            self.ledger.count(Counter::Spilled, 1);
        }
        if pushed.wake {
            self.notify();
        }
    }

    fn refused(&self, refused: PushError, span: &FinishedSpan<'_>, meta: SpanMeta) {
        // The first refused span notifies the exporter, which frees memory; a notification for each
        // would cost a core.
        if matches!(refused, PushError::Budget | PushError::QueueFull)
            && !self.is_starved.load(Relaxed)
            && !self.is_starved.swap(true, Relaxed)
        {
            self.notify();
        }
        let refused = match (refused, self.on_full) {
            (PushError::Budget | PushError::QueueFull, OnFull::Wait(bound)) => {
                let until = deadline(Instant::now(), bound);
                let notify = || {
                    self.is_starved.store(true, Relaxed);
                    self.notify();
                };
                match self.buffer.push_until(span, meta, until, notify) {
                    Ok(pushed) => return self.after_push(pushed),
                    Err(refused) => refused,
                }
            }
            _ => refused,
        };
        let reason = match refused {
            PushError::Closed if self.is_abandoned() => DropReason::WorkerUnavailable,
            PushError::Closed => DropReason::AfterShutdown,
            PushError::Contended => DropReason::Contended,
            PushError::QueueFull => DropReason::QueueFull,
            _ if !self.buffer.can_fit(span.encoded_len()) => DropReason::TooLarge,
            _ => DropReason::QueueBytes,
        };
        self.ledger.dropped(reason, 1);
    }
}

impl AsRef<SpanQueue> for SpanQueue {
    fn as_ref(&self) -> &SpanQueue {
        self
    }
}

/// Prints numbers, never the spans, which contain the program's data.
impl fmt::Debug for SpanQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanQueue")
            .field("buffer", &self.buffer)
            .field("ledger", &self.ledger)
            .field("on_full", &self.on_full)
            .finish_non_exhaustive()
    }
}
