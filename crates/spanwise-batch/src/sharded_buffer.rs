//! The sharded buffer of finished spans: a few slots, each with one open chunk.

mod chunks;
mod fill;
mod handover;
mod local_slot;
mod queues;
mod resize;
mod sizes;

use crate::budget::Budget;
use crate::charged_chunk::ChargedChunk;
use crate::chunk_counts::ChunkCounters;
use crate::config::ShardedBufferConfig;
use crate::push_error::PushError;
use crate::queue::Queue;
use crate::try_lock::{CachePadded, TryLock};
use arc_swap::ArcSwapOption;
use local_slot::local_slot;
pub use local_slot::set_local_slot;
use queues::Queues;
use sizes::Sizes;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_wire::SpanMeta;
use spanwise_wire::write::{EncodeSpan, FinishedSpan};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, Release, SeqCst},
};
use std::time::Instant;

/// A sharded span buffer: any number of threads append to a fixed number of slots, and none waits.
///
/// A thread uses the slot it used last until another thread holds it, then moves to the next free
/// one. Full chunks go to a queue that one worker drains; [`recycle`](Self::recycle) returns the
/// chunks, which are reused last-in-first-out, while they are in cache.
///
/// A buffer per thread would let memory grow with the number of threads, and would need a destructor
/// to save the spans of a thread that exits.
pub struct ShardedBuffer {
    slots: Box<[CachePadded<TryLock<Option<ChargedChunk>>>]>,
    /// `None` once the buffer is [released](Self::release).
    queues: ArcSwapOption<Queues>,
    /// Threads between the check of `closed` and the end of a spill.
    spilling: AtomicUsize,
    free: CachePadded<TryLock<Vec<ChargedChunk>>>,
    /// Length of `free`.
    cached: AtomicUsize,
    /// Slots with an open chunk.
    open: AtomicUsize,
    budget: Budget,
    queue: Queue,
    /// The configuration that was requested, with the sizes that were set last.
    requested: Mutex<ShardedBufferConfig>,
    /// The sizes in spans. A push to an open chunk does not read them.
    sizes: Sizes,
    /// The configuration at the start, with the sizes in bytes, which never change. Its ordinary chunk is the
    /// unit of `ready`: a chunk counts the same when it is queued and when it is drained.
    initial: ShardedBufferConfig,
    /// The part of the budget that chunks may use, at the start.
    limit: usize,
    /// Sum of the [`weight`](Self::weight) of the chunks in `full`. Never below what can be popped.
    ready: AtomicUsize,
    /// Spans of the chunks in `full`. Never below what can be popped.
    ready_spans: AtomicUsize,
    closed: AtomicBool,
    counts: ChunkCounters,
}

/// Success of a push: the span was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Pushed {
    /// Enough chunks are full: the caller should wake the worker now, outside of all locks.
    pub wake: bool,
    /// Other threads held every slot, and the span went to the spill queue in a chunk of its own.
    pub spilled: bool,
}

impl ShardedBuffer {
    /// Creates a buffer whose chunks are charged to `budget`.
    ///
    /// # Cost
    /// Allocates the queue of full chunks: 104 bytes for each chunk that fits the budget.
    pub fn new(config: ShardedBufferConfig, budget: Budget) -> Self {
        let requested = Mutex::new(config);
        let limit = budget.limit() - budget.reserve();
        let config = config.fitted(limit);
        // No chunk in the queue has a smaller charge: the queue has capacity for each chunk that
        // can exist, up to a budget of some GiB.
        let queue = (budget.limit() / config.chunk_bytes).saturating_add(1).min(MAX_QUEUE);
        Self {
            slots: (0..config.slots).map(|_| CachePadded::default()).collect(),
            queues: ArcSwapOption::from_pointee(Queues::new(queue, SPILL)),
            spilling: AtomicUsize::new(0),
            free: CachePadded::default(),
            cached: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            queue: Queue::new(config.max_queue_size, budget.clone()),
            budget,
            requested,
            limit,
            initial: config,
            sizes: Sizes::new(&config),
            ready: AtomicUsize::new(0),
            ready_spans: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            counts: ChunkCounters::default(),
        }
    }

    /// Stores a complete `Span` message and its meta.
    ///
    /// Never waits, never does I/O; allocates only when it needs a chunk and none is free.
    ///
    /// # Errors
    /// The reason why the span was not stored.
    pub fn push<S: EncodeSpan + ?Sized>(
        &self,
        span: &S,
        meta: SpanMeta,
    ) -> Result<Pushed, PushError> {
        // Read once: a caller's `as_ref` may return other bytes the second time.
        self.push_finished(&span.as_finished(), meta)
    }

    /// Stores a span if it fits the open chunk of this thread's slot, the usual case. Returns false
    /// if nothing was stored: call [`push`](Self::push) then.
    ///
    /// Separate from `push` because it is meant to be inlined: `span` and the result of `meta` are
    /// then written to the chunk and nowhere else. `meta` runs while the slot is held.
    #[inline(always)]
    pub fn try_push_local<S: EncodeSpan + ?Sized>(
        &self,
        span: &S,
        meta: impl FnOnce() -> SpanMeta,
    ) -> bool {
        let span = span.as_finished();
        // No division brings the index into range, because it would cost more than the lock: a slot
        // out of range counts as held, and `push` tries one in range.
        if let Some(slot) = self.slots.get(local_slot())
            && let Some(mut open) = slot.try_lock()
            && let Some(buffer) = &mut *open
            // Read while the slot is held: `close` comes before the last drain, which takes the slot.
            && !self.closed.load(Relaxed)
        {
            return buffer.chunk.try_push(&span, meta);
        }
        false
    }

    /// As [`push`](Self::push), but if the budget is used up or the queue is full, blocks until there
    /// is space or until `deadline`, and calls `wake` so that the worker frees some.
    ///
    /// [`recycle`](Self::recycle), [`trim`](Self::trim), a dropped buffer and any other dropped
    /// charge of the budget free space. A span that would not fit the whole budget fails without
    /// waiting.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_until<S: EncodeSpan + ?Sized>(
        &self,
        span: &S,
        meta: SpanMeta,
        deadline: Instant,
        wake: impl Fn(),
    ) -> Result<Pushed, PushError> {
        let span = &span.as_finished();
        let mut may_wait = self.can_fit(span.encoded_len());
        loop {
            let seen = self.budget.space().version();
            match self.push_finished(span, meta) {
                Err(PushError::Budget | PushError::QueueFull) if may_wait => {
                    wake();
                    // At the deadline, push once more.
                    may_wait = self.budget.space().wait_until(seen, deadline);
                }
                done => return done,
            }
        }
    }

    /// Drains all chunks, open ones included. Returns the number of slots that were skipped because
    /// a thread held them: call again for those.
    pub fn drain_all(&self, into: &mut Vec<ChargedChunk>) -> usize {
        self.drain_full(into, usize::MAX);
        let mut missed = 0;
        for slot in &self.slots {
            match slot.try_lock() {
                None => missed += 1,
                Some(mut open) => {
                    let taken = open.take();
                    drop(open);
                    self.open.fetch_sub(usize::from(taken.is_some()), Relaxed);
                    into.extend(taken.map(|mut buffer| {
                        buffer.release_unused();
                        buffer
                    }));
                }
            }
        }
        // ORDER: SeqCst with `spill`, see `close`; it also acquires what ended spills pushed.
        missed += self.spilling.load(SeqCst);
        // Again, now that the threads have left the slots: the chunks that they have queued or spilled
        // since are in the queues. After a close, none can follow.
        self.drain_full(into, usize::MAX);
        missed
    }

    /// Closes the buffer: every later push fails. A [`drain_all`](Self::drain_all) that then skips no slot
    /// has returned all remaining spans, because each push either came before or failed.
    pub fn close(&self) {
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::CloseAfterDrain) {
            return;
        }
        // ORDER: SeqCst with `spill`, which increments `spilling` and then reads `closed`: either
        // it sees the close, or the drain after the close sees it.
        self.closed.store(true, SeqCst);
        self.budget.space().notify_all();
    }

    /// Frees all memory but that of the slots: for a buffer that is closed and drained, and to which
    /// a long-lived reference may remain. Drops spans that were not drained.
    pub fn release(&self) {
        self.close();
        self.queues.store(None);
        self.trim(0);
    }

    /// Holds a slot until the result is dropped, as a thread does that is interrupted while it stores a
    /// span. For the simulator of this repository.
    #[doc(hidden)]
    pub fn hold_slot(&self, slot: usize) -> Option<impl Sized + '_> {
        self.slots.get(slot)?.try_lock()
    }

    /// Whether a span message of `len` bytes fits the budget when nothing else is charged to it.
    pub fn can_fit(&self, len: usize) -> bool {
        let max = self.budget.limit() - self.budget.reserve();
        len <= MAX_SPAN && self.initial.min_charge(len) <= max
    }

    /// Number of full chunks for the worker; the chunk of a large span counts as many times as its
    /// charge is a multiple of an ordinary one.
    pub fn ready(&self) -> usize {
        self.ready.load(Relaxed)
    }

    /// Number of spans in full chunks for the worker.
    pub fn ready_spans(&self) -> usize {
        self.ready_spans.load(Relaxed)
    }

    /// Spans that count against [`ShardedBufferConfig::max_queue_size`]: waiting spans, and those that open
    /// chunks hold permits for. 0 without a queue size.
    pub fn queued(&self) -> usize {
        if self.queue.is_limited() { self.queue.taken() } else { 0 }
    }

    /// The budget that chunks are charged to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The configuration in use.
    pub fn config(&self) -> ShardedBufferConfig {
        self.sizes.apply(self.initial).with_max_queue_size(self.queue.max())
    }

    #[inline(always)]
    fn push_finished(&self, span: &FinishedSpan<'_>, meta: SpanMeta) -> Result<Pushed, PushError> {
        if self.try_push_local(span, || meta) {
            return Ok(Pushed { wake: false, spilled: false });
        }
        self.push_slow(local_slot(), span, meta)
    }

    /// Pushes to any slot, when the local one is held or needs a new chunk. A thread whose slot is
    /// held uses the next free one from then on.
    #[cold]
    #[inline(never)]
    fn push_slow(
        &self,
        local: usize,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<Pushed, PushError> {
        for round in 0..ROUNDS {
            for step in 0..self.slots.len() {
                let index = (local + step) % self.slots.len();
                let Some(slot) = self.slots.get(index) else { continue };
                if let Some(mut open) = slot.try_lock() {
                    set_local_slot(index);
                    return match self.store(&mut open, span, meta) {
                        Err(error @ (PushError::Budget | PushError::QueueFull)) => {
                            drop(open);
                            self.store_in_open(index, span, meta).ok_or(error)
                        }
                        done => done,
                    };
                }
            }
            if round + 1 < ROUNDS {
                std::thread::yield_now();
            }
        }
        self.spill(span, meta)
    }

    fn store(
        &self,
        open: &mut Option<ChargedChunk>,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<Pushed, PushError> {
        // Read while the slot is held: `close` comes before the last drain, which takes the slot.
        if self.closed.load(Relaxed) {
            return Err(PushError::Closed);
        }
        if let Some(buffer) = open
            && buffer.chunk.try_push(span, || meta)
        {
            return Ok(Pushed { wake: false, spilled: false });
        }
        self.store_in_next(open, span, meta)
    }

    /// Stores the span in the open chunk of any slot but `full`, and makes that slot this thread's: there
    /// is no memory for another chunk.
    #[cold]
    fn store_in_open(
        &self,
        full: usize,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Option<Pushed> {
        let count = self.slots.len();
        (1..count).map(|step| (full + step) % count).find_map(|index| {
            let mut open = self.slots.get(index)?.try_lock()?;
            let buffer = open.as_mut().filter(|buffer| buffer.chunk.fits(span.encoded_len()))?;
            // As in `store`.
            if self.closed.load(Relaxed) {
                return None;
            }
            buffer.chunk.push(span, meta);
            set_local_slot(index);
            Some(Pushed { wake: false, spilled: false })
        })
    }

    /// Opens a new chunk for the span: the open one is full, or there is none.
    #[cold]
    fn store_in_next(
        &self,
        open: &mut Option<ChargedChunk>,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<Pushed, PushError> {
        if self.initial.is_oversize(span.encoded_len()) {
            // Larger than any chunk: the span gets one of its own, and the open chunk stays open.
            let buffer = self.single_chunk(span, meta)?;
            let wake = self.enqueue(buffer).map_err(|_| PushError::Budget)?;
            return Ok(Pushed { wake, spilled: false });
        }
        let was_open = open.is_some();
        let wake = match open.take() {
            // The full chunk goes to the worker even if there is no memory for a next one, because its export
            // frees space. If it cannot go, it stays in the slot with all its spans.
            Some(full) => self.enqueue(full).map_err(|full| {
                *open = Some(full);
                PushError::Budget
            })?,
            None => false,
        };
        let next = self.next_chunk();
        match (was_open, next.is_ok()) {
            (false, true) => _ = self.open.fetch_add(1, Relaxed),
            (true, false) => _ = self.open.fetch_sub(1, Relaxed),
            _ => {}
        }
        let mut buffer = next?;
        buffer.chunk.push(span, meta);
        *open = Some(buffer);
        Ok(Pushed { wake, spilled: false })
    }

    /// Pushes the span to the spill queue in a chunk of its own, when every slot is held.
    #[cold]
    fn spill(&self, span: &FinishedSpan<'_>, meta: SpanMeta) -> Result<Pushed, PushError> {
        self.spilling.fetch_add(1, SeqCst);
        let result = if self.closed.load(SeqCst) {
            Err(PushError::Closed)
        } else {
            self.single_chunk(span, meta).and_then(|buffer| self.enqueue_spilled(buffer))
        };
        // ORDER: Release publishes the push; pairs with the load in `drain_all`.
        self.spilling.fetch_sub(1, Release);
        result
    }
}

/// Formats numbers only, because spans may contain confidential values.
impl fmt::Debug for ShardedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedBuffer")
            .field("config", &self.config())
            .field("budget", &self.budget)
            .field("ready", &self.ready())
            .field("queued", &self.queued())
            .field("closed", &self.closed.load(Relaxed))
            .finish_non_exhaustive()
    }
}

/// Rounds over all slots, with a yield in between, before a span spills.
const ROUNDS: usize = 2;
/// Largest span message in bytes: offsets in a chunk have 32 bits.
const MAX_SPAN: usize = (u32::MAX >> 1) as usize;
/// Capacity of the spill queue, in spans.
const SPILL: usize = 1024;
/// Largest capacity of the queue of full chunks, whatever the budget.
const MAX_QUEUE: usize = 1 << 16;

#[cfg(test)]
mod tests;
