//! Where threads leave finished spans: a few slots, each with one open chunk.

use crate::budget::Budget;
use crate::buffer::Buffer;
use crate::room::Room;
use crate::try_lock::TryLock;
use crossbeam_queue::ArrayQueue;
use spanwise_wire::SpanMeta;
use std::cell::Cell;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
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
#[derive(Debug)]
pub struct Shards {
    slots: Box<[TryLock<Option<Buffer>>]>,
    /// Chunks ready for the worker.
    full: ArrayQueue<Buffer>,
    /// Single spans that found every slot taken.
    spilled: ArrayQueue<Buffer>,
    /// Threads between the check of `closed` and the end of a spill.
    spilling: AtomicUsize,
    free: TryLock<Vec<Buffer>>,
    budget: Budget,
    config: ShardsConfig,
    /// Chunks in `full`, kept beside it: its own `len` reads two shared lines.
    ready: AtomicUsize,
    closed: AtomicBool,
    room: Room,
}

/// Sizes of the pieces of a [`Shards`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardsConfig {
    /// Slots. Default: twice the cores, 2 to 64.
    pub slots: usize,
    /// Bytes of spans in a chunk. Default 64 KiB; a larger span gets a chunk of its own size.
    pub chunk_bytes: usize,
    /// Spans in a chunk. Default 512.
    pub chunk_spans: usize,
    /// Ready chunks at which [`push`](Shards::push) asks for the worker. Waking a thread costs
    /// more than all else a span does, so below this the worker's own tick finds them.
    /// Default 32, and at most a quarter of what the budget holds.
    pub wake_at: usize,
}

impl Default for ShardsConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            slots: (2 * cores).clamp(2, 64),
            chunk_bytes: 64 * 1024,
            chunk_spans: 512,
            wake_at: 32,
        }
    }
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

/// Why a span was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The byte budget is used up.
    Budget,
    /// Every slot was taken and there was no room to spill.
    Contended,
    /// [`Shards::close`] was called.
    Closed,
}

impl Shards {
    /// Shards whose chunks are charged to `budget`.
    pub fn new(mut config: ShardsConfig, budget: Budget) -> Self {
        config.slots = config.slots.clamp(1, 64);
        config.chunk_spans = config.chunk_spans.max(1);
        config.chunk_bytes = config.chunk_bytes.max(1024);
        let chunk = config.chunk_bytes + config.chunk_spans * size_of::<SpanMeta>();
        let chunks = budget.limit() / chunk;
        config.wake_at = config.wake_at.min(chunks / 4).max(1);
        // No chunk in the queue is charged for less: there is a place for each that can exist.
        let queue = budget.limit() / (config.chunk_bytes - SLACK) + 1;
        Self {
            slots: (0..config.slots).map(|_| TryLock::default()).collect(),
            full: ArrayQueue::new(queue),
            spilled: ArrayQueue::new(SPILL),
            spilling: AtomicUsize::new(0),
            free: TryLock::default(),
            budget,
            config,
            ready: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            room: Room::default(),
        }
    }

    /// Stores a complete `Span` message and its meta.
    ///
    /// Never waits, never does I/O; allocates only when a chunk is needed and none came back yet.
    ///
    /// # Errors
    /// The span was not stored, for the reason given.
    #[inline]
    pub fn push(&self, span: &[u8], meta: SpanMeta) -> Result<Pushed, Refused> {
        let first = home_slot();
        let count = self.slots.len();
        let home = first % count;
        if let Some(slot) = self.slots.get(home)
            && let Some(mut open) = slot.try_lock()
        {
            return self.store(&mut open, span, meta);
        }
        self.push_elsewhere(home, span, meta)
    }

    /// As [`push`](Self::push), and when the budget is used up waits for room until `deadline`,
    /// calling `wake` so that the worker makes some.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_or_wait(
        &self,
        span: &[u8],
        meta: SpanMeta,
        deadline: Instant,
        wake: impl Fn(),
    ) -> Result<Pushed, Refused> {
        loop {
            let seen = self.room.version();
            match self.push(span, meta) {
                Err(Refused::Budget) => {
                    wake();
                    if !self.room.wait(seen, deadline) {
                        return Err(Refused::Budget);
                    }
                }
                done => return done,
            }
        }
    }

    /// Moves what is ready to `into`: full chunks and spilled spans. Chunks still open stay.
    pub fn drain(&self, into: &mut Vec<Buffer>, max_chunks: usize) {
        let before = into.len();
        while into.len() - before < max_chunks {
            let Some(buffer) = self.full.pop() else { break };
            self.ready.fetch_sub(1, Relaxed);
            into.push(buffer);
        }
        while let Some(buffer) = self.spilled.pop() {
            into.push(buffer);
        }
    }

    /// Takes the open chunks too. Returns how many slots could not be looked at because a thread
    /// was in them: call again for those.
    pub fn sweep(&self, into: &mut Vec<Buffer>) -> usize {
        self.drain(into, usize::MAX);
        let mut missed = 0;
        for slot in &self.slots {
            match slot.try_lock() {
                None => missed += 1,
                Some(mut open) => {
                    if open.as_ref().is_some_and(|buffer| !buffer.chunk.is_empty()) {
                        into.extend(open.take());
                    }
                }
            }
        }
        missed + self.spilling.load(Acquire)
    }

    /// Refuses all spans from now on. What [`sweep`](Self::sweep) returns once it has missed no
    /// slot is then the rest: every push either came before or was refused.
    pub fn close(&self) {
        // ORDER: SeqCst with `spill`, which raises `spilling` and then looks at `closed`: either
        // it sees the close, or the sweep after the close sees it.
        self.closed.store(true, SeqCst);
        self.room.open();
    }

    /// Gives chunks back for new spans.
    pub fn recycle(&self, buffers: impl IntoIterator<Item = Buffer>) {
        let mut free = self.free.try_lock();
        for mut buffer in buffers {
            let reusable = buffer.chunk.bytes().len() <= self.config.chunk_bytes
                && buffer.charged() == self.chunk_charge();
            if let (Some(free), true) = (&mut free, reusable) {
                buffer.chunk.clear();
                free.push(buffer);
            }
            // Else it is dropped and its bytes return to the budget.
        }
        drop(free);
        self.room.open();
    }

    /// Lets go of chunks that wait for reuse, all but `keep`. Returns how many went.
    pub fn trim(&self, keep: usize) -> usize {
        let Some(mut free) = self.free.try_lock() else { return 0 };
        let excess = free.len().saturating_sub(keep);
        free.drain(..excess);
        free.shrink_to(keep);
        excess
    }

    /// Chunks ready for the worker.
    pub fn ready(&self) -> usize {
        self.ready.load(Relaxed)
    }

    /// The budget that chunks are charged to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The sizes in force.
    pub fn config(&self) -> ShardsConfig {
        self.config
    }

    /// The home slot was taken: use the next free one from now on.
    #[cold]
    fn push_elsewhere(&self, home: usize, span: &[u8], meta: SpanMeta) -> Result<Pushed, Refused> {
        for round in 0..ROUNDS {
            for step in 1..=self.slots.len() {
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

    #[inline(always)]
    fn store(
        &self,
        open: &mut Option<Buffer>,
        span: &[u8],
        meta: SpanMeta,
    ) -> Result<Pushed, Refused> {
        // Read with the slot held: `close` comes before the last sweep, the sweep takes the slot.
        if self.closed.load(Relaxed) {
            return Err(Refused::Closed);
        }
        match open {
            Some(buffer) if buffer.chunk.fits(span.len()) => {
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
        open: &mut Option<Buffer>,
        span: &[u8],
        meta: SpanMeta,
    ) -> Result<Pushed, Refused> {
        let fresh = if span.len() + SLACK > self.config.chunk_bytes {
            // Larger than any chunk: it gets one of its own, and the open chunk stays open.
            let buffer = Buffer::of_one(&self.budget, span, meta).ok_or(Refused::Budget)?;
            return Ok(Pushed { wake: self.hand_over(buffer), spilled: false });
        } else {
            self.next_chunk()
        };
        // Even when there is no next chunk the full one goes to the worker: it makes room.
        let wake = match open.take() {
            Some(full) => self.hand_over(full),
            None => false,
        };
        match fresh {
            Some(mut buffer) => {
                buffer.chunk.push(span, meta);
                *open = Some(buffer);
                Ok(Pushed { wake, spilled: false })
            }
            None => Err(Refused::Budget),
        }
    }

    fn next_chunk(&self) -> Option<Buffer> {
        let reused = self.free.try_lock().and_then(|mut free| free.pop());
        reused
            .or_else(|| Buffer::new(&self.budget, self.config.chunk_bytes, self.config.chunk_spans))
    }

    /// Queues a chunk for the worker. True when the worker should be woken.
    fn hand_over(&self, buffer: Buffer) -> bool {
        // Counted before it can be popped: the count never goes below zero.
        let ready = self.ready.fetch_add(1, Relaxed) + 1;
        // The queue has a place for every chunk that the budget can pay for.
        let pushed = self.full.push(buffer);
        debug_assert!(pushed.is_ok());
        ready >= self.config.wake_at
    }

    /// Every slot is taken: the span goes to the queue in a chunk of its own.
    #[cold]
    fn spill(&self, span: &[u8], meta: SpanMeta) -> Result<Pushed, Refused> {
        self.spilling.fetch_add(1, SeqCst);
        let result = if self.closed.load(SeqCst) {
            Err(Refused::Closed)
        } else {
            match Buffer::of_one(&self.budget, span, meta) {
                None => Err(Refused::Budget),
                Some(buffer) => match self.spilled.push(buffer) {
                    Ok(()) => Ok(Pushed { wake: self.spilled.len() > SPILL / 2, spilled: true }),
                    Err(_) => Err(Refused::Contended),
                },
            }
        };
        // ORDER: Release publishes the push; pairs with the Acquire in `sweep`.
        self.spilling.fetch_sub(1, Release);
        result
    }

    fn chunk_charge(&self) -> usize {
        self.config.chunk_bytes + self.config.chunk_spans * size_of::<SpanMeta>()
    }
}

thread_local! {
    /// The slot this thread used last, of whatever `Shards`: a hint, so one is enough for all.
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
/// Spans that can wait spilled.
const SPILL: usize = 1024;
/// Tag and length in front of a span in a chunk.
const SLACK: usize = 8;
