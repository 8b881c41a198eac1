//! Where threads leave finished spans: a few slots, each with one open chunk.

mod chunks;
mod queues;

use crate::budget::Budget;
use crate::charged_chunk::ChargedChunk;
use crate::config::ShardedBufferConfig;
use crate::push_error::PushError;
use crate::queue::Queue;
use crate::try_lock::TryLock;
use arc_swap::ArcSwapOption;
use crossbeam_queue::ArrayQueue;
use queues::Queues;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::{EncodeSpan, FinishedSpan};
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, Release, SeqCst},
};
use std::time::Instant;

/// A fixed number of slots that any number of threads append spans to, without ever waiting.
///
/// A thread keeps to the slot it used last until it finds it taken, then moves on to the next
/// free one. Full chunks go to a queue that one worker drains; the chunks come back by
/// [`recycle`](Self::recycle) and are used again last-in-first-out, while they are in cache.
///
/// Not a buffer per thread: memory would grow with threads, and what a thread holds when it
/// exits would need a destructor to save it.
pub struct ShardedBuffer {
    slots: Box<[TryLock<Option<ChargedChunk>>]>,
    /// `None` once these shards are [released](Self::release).
    queues: ArcSwapOption<Queues>,
    /// Threads between the check of `closed` and the end of a spill.
    spilling: AtomicUsize,
    free: TryLock<Vec<ChargedChunk>>,
    budget: Budget,
    /// `None` where spans are not counted.
    queue: Option<Queue>,
    config: ShardedBufferConfig,
    /// Chunks in `full` by [`weight`](Self::weight). Never below what can be popped.
    ready: AtomicUsize,
    closed: AtomicBool,
}

/// A span was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Pushed {
    /// Enough chunks wait: the worker should be woken now, outside of all locks.
    pub wake: bool,
    /// Every slot was taken and the span went to a chunk of its own.
    pub spilled: bool,
}

impl ShardedBuffer {
    /// ShardedBuffer whose chunks are charged to `budget`.
    ///
    /// # Cost
    /// The queue of ready chunks is made here, 104 bytes for each chunk that the budget can pay.
    pub fn new(config: ShardedBufferConfig, budget: Budget) -> Self {
        let config = config.fitted(budget.limit() - budget.reserve());
        // No chunk in the queue is charged for less than this: there is a place for each that
        // can exist, up to a budget of some GiB.
        let queue = (budget.limit() / config.chunk_bytes).saturating_add(1).min(MAX_QUEUE);
        let queues = Queues { full: ArrayQueue::new(queue), spilled: ArrayQueue::new(SPILL) };
        Self {
            slots: (0..config.slots).map(|_| TryLock::default()).collect(),
            queues: ArcSwapOption::from_pointee(queues),
            spilling: AtomicUsize::new(0),
            free: TryLock::default(),
            queue: config.max_queue_size.map(|max| Queue::new(max, budget.clone())),
            budget,
            config,
            ready: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Stores a complete `Span` message and its meta.
    ///
    /// Never waits, never does I/O; allocates only when a chunk is needed and none came back yet.
    ///
    /// # Errors
    /// The span was not stored, for the reason given.
    pub fn push<S: EncodeSpan + ?Sized>(
        &self,
        span: &S,
        meta: SpanMeta,
    ) -> Result<Pushed, PushError> {
        // Read once: a caller's `as_ref` may answer differently the second time.
        self.push_finished(&span.as_finished(), meta)
    }

    /// Stores a span if the open chunk of this thread's slot takes it, as it nearly always does.
    /// False: nothing was stored; [`push`](Self::push) it.
    ///
    /// Apart from `push` because it is meant to become part of its caller: `span` and what `meta`
    /// puts together need no place in memory then but the one in the chunk. `meta` runs with the
    /// slot taken.
    #[inline(always)]
    pub fn try_push_local<S: EncodeSpan + ?Sized>(
        &self,
        span: &S,
        meta: impl FnOnce() -> SpanMeta,
    ) -> bool {
        let span = span.as_finished();
        // Not brought into range by a division, which would cost more than the lock: a slot that
        // is not there is as good as one that is taken, and `push` tries one in range.
        if let Some(slot) = self.slots.get(home_slot())
            && let Some(mut open) = slot.try_lock()
            && let Some(buffer) = &mut *open
            && buffer.chunk.fits(span.encoded_len())
            // Read with the slot held: `close` comes before the last sweep, which takes the slot.
            && !self.closed.load(Relaxed)
        {
            buffer.chunk.push(&span, meta());
            return true;
        }
        false
    }

    /// As [`push`](Self::push), and when the budget is used up or the queue is full waits for room
    /// until `deadline`, calling `wake` so that the worker makes some.
    ///
    /// SpaceNotifier is what [`recycle`](Self::recycle), [`trim`](Self::trim), a dropped buffer or any
    /// other dropped charge of the budget gives back. A span that could not be stored if the
    /// whole budget were free is refused without waiting.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_or_wait<S: EncodeSpan + ?Sized>(
        &self,
        span: &S,
        meta: SpanMeta,
        deadline: Instant,
        wake: impl Fn(),
    ) -> Result<Pushed, PushError> {
        let span = &span.as_finished();
        let mut patient = self.can_fit(span.encoded_len());
        loop {
            let seen = self.budget.room().version();
            match self.push_finished(span, meta) {
                Err(PushError::Budget | PushError::QueueFull) if patient => {
                    wake();
                    // At the deadline one last try.
                    patient = self.budget.room().wait(seen, deadline);
                }
                done => return done,
            }
        }
    }

    /// Takes the open chunks too. Returns how many slots could not be looked at because a thread
    /// was in them: call again for those.
    pub fn drain_all(&self, into: &mut Vec<ChargedChunk>) -> usize {
        self.drain_full(into, usize::MAX);
        let mut missed = 0;
        for slot in &self.slots {
            match slot.try_lock() {
                None => missed += 1,
                Some(mut open) => {
                    let taken = open.take();
                    drop(open);
                    into.extend(taken.map(|mut buffer| {
                        buffer.release_unused();
                        buffer
                    }));
                }
            }
        }
        // ORDER: SeqCst with `spill`, see `close`; it also acquires what ended spills pushed.
        missed += self.spilling.load(SeqCst);
        // Again, now that the threads that were in the slots are out: what they have handed over
        // or spilled since is in the queues. After a close nothing can come behind this.
        self.drain_full(into, usize::MAX);
        missed
    }

    /// Refuses all spans from now on. What [`drain_all`](Self::drain_all) returns once it has missed no
    /// slot is then the rest: every push either came before or was refused.
    pub fn close(&self) {
        // ORDER: SeqCst with `spill`, which raises `spilling` and then looks at `closed`: either
        // it sees the close, or the sweep after the close sees it.
        self.closed.store(true, SeqCst);
        self.budget.room().open();
    }

    /// Frees all memory but the slots': for shards that are closed and swept, of which somebody may
    /// keep a reference for long. What is not swept yet is dropped.
    pub fn release(&self) {
        self.close();
        self.queues.store(None);
        self.trim(0);
    }

    /// Whether a span message of `len` bytes could be stored if nothing else were charged to the
    /// budget.
    pub fn can_fit(&self, len: usize) -> bool {
        let most = self.budget.limit() - self.budget.reserve();
        len <= MAX_SPAN && self.config.least_charge(len) <= most
    }

    /// Chunks ready for the worker; one of a large span counts for as many as it is charged for.
    pub fn ready(&self) -> usize {
        self.ready.load(Relaxed)
    }

    /// Spans that count against [`ShardedBufferConfig::max_queue_size`]: those that wait, and those that
    /// open chunks hold permits for. 0 without one.
    pub fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, Queue::taken)
    }

    /// The budget that chunks are charged to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The sizes in force.
    pub fn config(&self) -> ShardedBufferConfig {
        self.config
    }

    #[inline(always)]
    fn push_finished(&self, span: &FinishedSpan<'_>, meta: SpanMeta) -> Result<Pushed, PushError> {
        if self.try_push_local(span, || meta) {
            return Ok(Pushed { wake: false, spilled: false });
        }
        self.push_slow(home_slot(), span, meta)
    }

    /// The home slot is taken, or needs a new chunk. A thread that finds its slot taken keeps to
    /// the next free one from then on.
    #[cold]
    #[inline(never)]
    fn push_slow(
        &self,
        home: usize,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<Pushed, PushError> {
        for round in 0..ROUNDS {
            for step in 0..self.slots.len() {
                let index = (home + step) % self.slots.len();
                let Some(slot) = self.slots.get(index) else { continue };
                if let Some(mut open) = slot.try_lock() {
                    set_home_slot(index);
                    return self.store(&mut open, span, meta);
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
        // Read with the slot held: `close` comes before the last sweep, the sweep takes the slot.
        if self.closed.load(Relaxed) {
            return Err(PushError::Closed);
        }
        match open {
            Some(buffer) if buffer.chunk.fits(span.encoded_len()) => {
                buffer.chunk.push(span, meta);
                Ok(Pushed { wake: false, spilled: false })
            }
            _ => self.store_in_next(open, span, meta),
        }
    }

    /// The open chunk is full, or there is none.
    #[cold]
    fn store_in_next(
        &self,
        open: &mut Option<ChargedChunk>,
        span: &FinishedSpan<'_>,
        meta: SpanMeta,
    ) -> Result<Pushed, PushError> {
        if self.config.is_oversize(span.encoded_len()) {
            // Larger than any chunk: it gets one of its own, and the open chunk stays open.
            let buffer = self.chunk_of_one(span, meta)?;
            let wake = self.hand_over(buffer).map_err(|_| PushError::Budget)?;
            return Ok(Pushed { wake, spilled: false });
        }
        let wake = match open.take() {
            // Even when there will be no next chunk the full one goes to the worker: it makes
            // room. When it cannot go, it stays where it is, and nothing in it is lost.
            Some(full) => self.hand_over(full).map_err(|full| {
                *open = Some(full);
                PushError::Budget
            })?,
            None => false,
        };
        let mut buffer = self.next_chunk()?;
        buffer.chunk.push(span, meta);
        *open = Some(buffer);
        Ok(Pushed { wake, spilled: false })
    }

    /// Every slot is taken: the span goes to the queue in a chunk of its own.
    #[cold]
    fn spill(&self, span: &FinishedSpan<'_>, meta: SpanMeta) -> Result<Pushed, PushError> {
        self.spilling.fetch_add(1, SeqCst);
        let result = if self.closed.load(SeqCst) {
            Err(PushError::Closed)
        } else {
            self.chunk_of_one(span, meta).and_then(|buffer| self.hand_over_spilled(buffer))
        };
        // ORDER: Release publishes the push; pairs with the load in `drain_all`.
        self.spilling.fetch_sub(1, Release);
        result
    }
}

/// Numbers; never the spans, which hold whatever a program put into them.
impl fmt::Debug for ShardedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedBuffer")
            .field("config", &self.config)
            .field("budget", &self.budget)
            .field("ready", &self.ready())
            .field("queued", &self.queued())
            .field("closed", &self.closed.load(Relaxed))
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// The slot this thread used last, of whatever `ShardedBuffer`: a hint, so one is enough for all.
    static HOME: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[inline(always)]
fn home_slot() -> usize {
    // Const-initialised and without a destructor: it can be read at any time of a thread's life.
    HOME.with(|home| match home.get() {
        usize::MAX => assign_home(home),
        slot => slot,
    })
}

#[cold]
fn assign_home(home: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let slot = NEXT.fetch_add(1, Relaxed) & 0xffff;
    home.set(slot);
    slot
}

fn set_home_slot(slot: usize) {
    HOME.with(|home| home.set(slot));
}

/// Times all slots are tried, with a yield in between, before a span spills.
const ROUNDS: usize = 2;
/// Offsets in a chunk have 32 bits.
const MAX_SPAN: usize = (u32::MAX >> 1) as usize;
/// Spans that can wait spilled.
const SPILL: usize = 1024;
/// Full chunks that can wait at most, whatever the budget.
const MAX_QUEUE: usize = 1 << 16;

#[cfg(test)]
mod tests;
