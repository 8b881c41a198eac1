//! The queue that threads push finished spans to, and that the exporter drains.

mod metrics;
mod starts;

use crate::drained::{Drained, DrainedChunk};
use crate::intake::{Intake, State};
use crate::metrics::{ExportMetrics, STALL_BOUNDS, durations, record};
use crate::on_full::OnFull;
use crate::shed::{ShedController, ShedThreshold};
use spanwise_batch::{Budget, ChargedChunk, PushError, Pushed, ShardedBuffer};
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_ledger::{Counter, DropReason, Ledger};
use spanwise_metrics::HistogramRecorder;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::{DroppedCounts, EncodeSpan, FinishedSpan};
use spanwise_worker::{Notifier, deadline};
use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

/// A sharded buffer of finished spans with the ledger that accounts for them: threads push to it, and
/// an exporter drains it.
///
/// It can be a field of the caller's own shared state, so that a span reaches its slot without
/// another pointer in between.
pub struct SpanQueue {
    buffer: ShardedBuffer,
    ledger: Ledger,
    on_full: OnFull,
    intake: Intake,
    /// Set once the exporter runs.
    notifier: OnceLock<Notifier>,
    /// The times for which the ends of spans waited.
    stalls: Option<HistogramRecorder>,
    metrics: ExportMetrics,
}

/// The fill level of a [`SpanQueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueLevel {
    /// Full chunks; the chunk of a large span counts for as many as it is charged for.
    pub ready: usize,
    /// Spans in full chunks.
    pub ready_spans: usize,
    /// Spans of a batch, as the queue rounds [`QueueAction::SetSizes`]; `None` if batches are not counted.
    pub batch_spans: Option<usize>,
    /// Spans that count against the maximum queue size. 0 without one.
    pub queued: usize,
    /// The queue refused a span for lack of space since [`QueueAction::AcceptSpans`].
    pub is_starved: bool,
    /// The queue refuses spans at their start, until [`QueueAction::AcceptSpans`].
    pub is_refusing: bool,
    /// The queue refuses spans, and can open a chunk again.
    pub can_accept: bool,
    /// The queue sheds traces.
    pub is_shedding: bool,
}

/// An operation of an exporter on its queue.
#[derive(Debug)]
pub enum QueueAction {
    /// Drain the full chunks.
    DrainFull,
    /// Drain the open chunks too.
    DrainAll,
    /// Drain the open chunks too if they hold this number of spans together with the full ones.
    DrainBatch {
        /// Spans of a batch.
        spans: usize,
    },
    /// Use these sizes for chunks that are opened from now on.
    SetSizes {
        /// Spans of a batch; `None` counts none.
        batch_spans: Option<usize>,
        /// The maximum number of spans that may wait.
        max_queue_size: Option<usize>,
    },
    /// Reuse these chunks, whose spans were copied into requests.
    Recycle(Vec<ChargedChunk>),
    /// Free the chunks that are cached for reuse, all but `retain`.
    Trim {
        /// Chunks that stay.
        retain: usize,
    },
    /// Accept spans at their start again, and let the next span that is refused for lack of space
    /// notify the exporter.
    AcceptSpans,
}

impl SpanQueue {
    /// A queue on `buffer`, whose spans `ledger` accounts for.
    pub fn new(buffer: ShardedBuffer, ledger: Ledger, on_full: OnFull) -> Self {
        let (intake, notifier) = (Intake::new(), OnceLock::new());
        let (stalls, metrics) = (durations(STALL_BOUNDS), ExportMetrics::new(None));
        Self { buffer, ledger, on_full, intake, notifier, stalls, metrics }
    }

    /// Whether a full chunk notifies the exporter.
    #[cfg(test)]
    pub(crate) fn has_notifier(&self) -> bool {
        self.notifier.get().is_some()
    }

    /// Makes [`is_accepting`](Self::is_accepting) return false for good, for a tracer that does more at
    /// each start than to record the span: it then needs no test of its own in front of the usual start.
    /// The queue stores, refuses and drops spans as before.
    #[must_use]
    pub fn with_checked_starts(mut self) -> Self {
        self.intake.check_starts();
        self
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
    /// Notifies the exporter when many chunks are full, or when the span is the first to be refused for
    /// lack of space: one system call at most. Waits only with [`OnFull::Wait`].
    ///
    /// # Cost
    /// While the queue [refuses](Self::is_refusing) spans, that of
    /// [`try_push_local`](Self::try_push_local) and of a counter.
    #[cold]
    pub fn push(&self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        #[cfg(feature = "planted-bugs")]
        let is_forked = self.is_forked() && !planted(Bug::ChildStoresSpans);
        #[cfg(not(feature = "planted-bugs"))]
        let is_forked = self.is_forked();
        if is_forked {
            return self.drop_span(DropReason::WorkerUnavailable, &meta);
        }
        if self.is_refusing() {
            return self.push_local_or_drop(span, meta);
        }
        match self.buffer.push(span, meta) {
            Ok(pushed) => self.after_push(pushed),
            Err(refused) => self.after_failed_push(refused, span, meta),
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

    /// The buffer of the queue. For the simulator of this repository.
    #[doc(hidden)]
    pub fn buffer(&self) -> &ShardedBuffer {
        &self.buffer
    }

    /// The fill level of the queue.
    pub fn level(&self) -> QueueLevel {
        // Requests that ended have freed memory.
        self.update_shedding();
        let is_refusing = self.is_refusing();
        QueueLevel {
            ready: self.buffer.ready(),
            ready_spans: self.buffer.ready_spans(),
            batch_spans: self.buffer.config().batch_spans,
            queued: self.buffer.queued(),
            // A refusal may begin while the exporter ends the one before.
            is_starved: is_refusing || self.intake.is_starved(),
            is_refusing,
            can_accept: is_refusing && self.buffer.can_open_chunk(),
            is_shedding: self.shed_threshold() != ShedThreshold::NONE,
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
            QueueAction::DrainBatch { spans } => self.buffer.drain_batch(spans, &mut chunks),
            QueueAction::SetSizes { batch_spans, max_queue_size } => {
                self.buffer.set_sizes(batch_spans, max_queue_size);
                self.accept_again();
                return None;
            }
            QueueAction::Recycle(chunks) => {
                self.buffer.recycle(chunks);
                self.accept_again();
                self.update_shedding();
                return None;
            }
            QueueAction::Trim { retain } => {
                self.buffer.trim(retain);
                self.accept_again();
                return None;
            }
            QueueAction::AcceptSpans => {
                self.intake.accept();
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
    ///
    /// For an event loop around an `ExportMachine`, whose drop books the other spans.
    pub fn abandon(&self) {
        self.close_as(State::Died);
    }

    /// Frees all memory but the slots': the owner of a span may hold the queue for long.
    pub fn release(&self) {
        self.buffer.release();
    }

    /// Whether the exporter died before a shutdown.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.intake.is_abandoned()
    }

    /// Whether this process was forked from the one the queue was made in. It has no exporter, and
    /// another thread may have held one of the locks at the fork.
    pub fn is_forked(&self) -> bool {
        self.intake.is_forked()
    }

    /// Sets the end through which pushes notify the exporter. `PreparedExporter::spawn` calls it; an
    /// event loop around an `ExportMachine` calls it once, and passes notifications to
    /// `ExportMachine::notified`.
    pub fn set_notifier(&self, notifier: Notifier) {
        // The first exporter of a queue is its only one.
        let _already_set = self.notifier.set(notifier);
    }

    pub(crate) fn notify(&self) {
        if let Some(notifier) = self.notifier.get() {
            notifier.notify();
        }
    }

    fn close_as(&self, state: State) {
        self.intake.close(state);
        self.buffer.close();
    }

    /// Accepts spans at their start again if there is space: at once when memory is freed, and not at the
    /// end of the exporter's turn, which may frame several requests.
    fn accept_again(&self) {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::RefusalNeverEnds) {
            return;
        }
        if self.is_refusing() && self.buffer.can_open_chunk() {
            self.intake.accept();
        }
    }

    /// Sheds by the threshold of the present fill.
    fn update_shedding(&self) {
        if self.sheds_by_trace() {
            self.intake.shed(|controller| controller.observe(self.buffer.fill()));
        }
    }

    fn after_push(&self, pushed: Pushed) {
        if pushed.spilled {
            self.ledger.count(Counter::Spilled, 1);
        }
        if pushed.wake {
            self.notify();
        }
        // The thread has opened a chunk, as one push in some hundred does.
        self.update_shedding();
    }

    /// Pushes to the open chunk of this thread's slot and nowhere else, while the queue refuses spans.
    fn push_local_or_drop(&self, span: &FinishedSpan<'_>, meta: SpanMeta) {
        if !self.buffer.try_push_local(span, || meta) {
            let can_fit = self.buffer.can_fit(span.encoded_len());
            let reason = if can_fit { self.intake.reason() } else { DropReason::TooLarge };
            self.drop_span(reason, &meta);
        }
    }

    /// Books a span that was not stored.
    fn drop_span(&self, reason: DropReason, meta: &SpanMeta) {
        if !meta.trace_flags().is_sampled() {
            self.ledger.record_only_ended(1);
        }
        self.ledger.dropped(reason, 1);
    }

    /// A span was refused for lack of space. The first one notifies the exporter, which frees memory; a
    /// notification for each would cost a core.
    fn starve(&self, reason: DropReason) {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::MissedWakeup) {
            let _first = self.intake.starve();
            return;
        }
        if self.sheds_by_trace() {
            self.intake.shed(ShedController::exhausted);
        }
        // A large span may find no space where usual ones do.
        let is_full = self.on_full == OnFull::Drop && !self.buffer.can_open_chunk();
        if if is_full { self.intake.start_refusing(reason) } else { self.intake.starve() } {
            self.notify();
        }
    }

    fn after_failed_push(&self, refused: PushError, span: &FinishedSpan<'_>, meta: SpanMeta) {
        match refused {
            PushError::QueueFull => self.starve(DropReason::QueueFull),
            // No memory that is freed would make space for a span that never fits.
            PushError::Budget if self.buffer.can_fit(span.encoded_len()) => {
                self.starve(DropReason::QueueBytes);
            }
            _ => {}
        }
        let refused = match (refused, self.on_full) {
            (PushError::Budget | PushError::QueueFull, OnFull::Wait(bound)) => {
                let until = deadline(Instant::now(), bound);
                let notify = || {
                    self.intake.starve();
                    self.notify();
                };
                let began = Instant::now();
                let pushed = self.buffer.push_until(span, meta, until, notify);
                record(&self.stalls, began.elapsed());
                match pushed {
                    Ok(pushed) => return self.after_push(pushed),
                    Err(refused) => refused,
                }
            }
            _ => refused,
        };
        let reason = match refused {
            PushError::Closed => self.intake.reason(),
            PushError::Contended => DropReason::Contended,
            PushError::QueueFull => DropReason::QueueFull,
            _ if !self.buffer.can_fit(span.encoded_len()) => DropReason::TooLarge,
            _ => DropReason::QueueBytes,
        };
        self.drop_span(reason, &meta);
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
