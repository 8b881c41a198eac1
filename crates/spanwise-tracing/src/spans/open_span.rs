//! [`Slot`]: the memory of one open span.

use super::unstarted::{Builder, Starting};
use opentelemetry::Context;
use spanwise_batch::__private::{TryLock, TryLockGuard};
use spanwise_batch::Charge;
use spanwise_sdk::__private::LayerSpan as _;
use spanwise_sdk::Span;
use spanwise_worker::{clock, fork};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::{hint, mem, thread};

/// Memory for one open span at a time.
///
/// The fields outside of the lock are written while the span is inserted, before any other thread can know its id; of
/// them, `exited_at` and `events` change later, and the others when the span starts. A thread with the id of a span that was closed
/// meanwhile may read those of the next span: it then formats fields in vain, because changes check the id under the lock.
pub(crate) struct Slot {
    /// The id of the `tracing` span; 0 for none.
    id: AtomicU64,
    /// Whether the span records ([`RECORDING`]): events and fields of others are not even formatted. Or whether metrics count
    /// it by its name and its kind alone ([`MEASURED`]).
    effect: AtomicU8,
    /// The reading of the span clock at the start.
    start_ticks: AtomicU64,
    start_unix_nanos: AtomicU64,
    /// The time of the last exit, which ends the span; 0 until then.
    exited_at: AtomicU64,
    /// The events of the span, if the layer counts them.
    events: AtomicU64,
    /// Threads that meet here wait for some dozen instructions. So no thread sleeps on the lock, and a plain store releases it: a span
    /// takes and releases it twice at least, and the unlock of a `Mutex` is a locked instruction.
    open: TryLock<OpenSpan>,
    /// Stands for `open` in a forked child in which the lock stays locked.
    of_child: OnceLock<Box<TryLock<OpenSpan>>>,
    /// [`fork::generation`] of the process the slot was made in.
    process: u32,
    /// Whether a map has it, and no table.
    is_in_map: bool,
    /// Of the byte budget of the provider.
    _charge: Charge,
}

/// The lock of a slot.
pub(super) type OpenGuard<'a> = TryLockGuard<'a, OpenSpan>;

/// An open span. No code of the program runs while its lock is held.
pub(crate) struct OpenSpan {
    pub(crate) state: State,
    /// The context that the span is the current span of, if spans activate contexts.
    pub(crate) context: Option<Context>,
    pub(crate) timings: Timings,
    /// Whether other code has the context of the started span: its ids cannot change any more.
    pub(crate) is_used: bool,
    /// The number of spans that the slot has held: an old reference finds another number.
    pub(crate) generation: u64,
}

pub(crate) enum State {
    /// No span.
    Free,
    /// The span starts when it is first entered, or when its context is first needed.
    Unstarted(Box<Builder>),
    /// A thread starts the span, or decides about it again, and has it.
    Starting(Box<Starting>),
    Started(Span),
}

/// How long the span was entered, and how long it was open without being entered.
#[derive(Default, Clone, Copy)]
pub(crate) struct Timings {
    pub(crate) busy: u64,
    pub(crate) idle: u64,
    /// The time of the last change, in nanoseconds since 1970; 0 if the layer measures nothing.
    pub(crate) last: u64,
    /// The threads that are inside the span, or the times that one is.
    pub(crate) entered: u64,
}

impl Slot {
    /// A slot without a span.
    pub(super) fn new(charge: Charge) -> Self {
        Self {
            id: AtomicU64::new(0),
            effect: AtomicU8::new(0),
            start_ticks: AtomicU64::new(0),
            start_unix_nanos: AtomicU64::new(0),
            exited_at: AtomicU64::new(0),
            events: AtomicU64::new(0),
            open: TryLock::new(OpenSpan::free()),
            of_child: OnceLock::new(),
            process: fork::generation(),
            is_in_map: false,
            _charge: charge,
        }
    }

    /// A slot without a span, for a map.
    pub(super) fn in_map(charge: Charge) -> Self {
        Self { is_in_map: true, ..Self::new(charge) }
    }

    #[inline(always)]
    pub(super) fn is_in_map(&self) -> bool {
        self.is_in_map
    }

    #[inline(always)]
    pub(super) fn id(&self) -> u64 {
        // ORDER: Relaxed. A thread that looks for a span has received the id from the thread that inserted it, and with it
        // the stores of the insertion.
        self.id.load(Relaxed)
    }

    #[inline(always)]
    pub(super) fn set_id(&self, id: u64) {
        self.id.store(id, Relaxed);
    }

    #[inline(always)]
    pub(super) fn lock(&self) -> OpenGuard<'_> {
        match self.try_lock() {
            Some(open) => open,
            None => self.lock_contended(),
        }
    }

    /// Waits for the lock. A forked child may have no thread that would release it: there, the slot has no span any more.
    #[cold]
    #[inline(never)]
    fn lock_contended(&self) -> OpenGuard<'_> {
        let mut attempt = 0_u32;
        loop {
            if let Some(open) = self.lock_now(attempt).try_lock() {
                return open;
            }
            match attempt < SPINS {
                true => hint::spin_loop(),
                // The thread with the lock may wait for a core.
                false => thread::yield_now(),
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// The lock that a thread waits for.
    fn lock_now(&self, attempt: u32) -> &TryLock<OpenSpan> {
        if fork::generation() == self.process {
            return &self.open;
        }
        match self.of_child.get() {
            Some(lock) => lock,
            // Another thread of the child may have it.
            None if attempt < CHILD_ATTEMPTS => &self.open,
            None => self.of_child.get_or_init(|| Box::new(TryLock::new(OpenSpan::free()))),
        }
    }

    /// Makes the slot one without a span, and returns the parts of the span. The caller drops them outside of the lock.
    #[inline(always)]
    pub(super) fn free(&self, open: &mut OpenSpan) -> (State, Option<Context>) {
        self.set_id(0);
        open.generation += 1;
        (mem::replace(&mut open.state, State::Free), open.context.take())
    }

    /// The lock, if no other thread holds it.
    #[inline(always)]
    fn try_lock(&self) -> Option<OpenGuard<'_>> {
        self.open.try_lock()
    }

    /// Takes the slot for the span `id`, if it has none.
    #[inline(always)]
    pub(super) fn take_for(&self, id: u64) -> Option<OpenGuard<'_>> {
        if self.id() != 0 {
            return None;
        }
        let open = self.try_lock()?;
        if self.id() != 0 {
            return None;
        }
        self.set_id(id);
        Some(open)
    }

    #[inline(always)]
    pub(super) fn is_recording(&self) -> bool {
        self.effect.load(Relaxed) & RECORDING != 0
    }

    /// Whether the span records, or metrics count it: its name, its kind and its end have an effect.
    #[inline(always)]
    pub(super) fn is_counted(&self) -> bool {
        self.effect.load(Relaxed) != 0
    }

    /// Stores what a reader needs to know of a started span without its lock.
    #[inline(always)]
    pub(super) fn publish(&self, span: &Span) {
        let clock::Start { ticks, unix_nanos } = span.clock_start();
        let is_recording = u8::from(span.is_recording()) * RECORDING;
        let is_measured = u8::from(span.is_measured()) * MEASURED;
        self.effect.store(is_recording | is_measured, Relaxed);
        self.start_ticks.store(ticks, Relaxed);
        self.start_unix_nanos.store(unix_nanos, Relaxed);
        self.exited_at.store(0, Relaxed);
    }

    /// As [`publish`](Self::publish), for a span that has not started.
    pub(super) fn publish_unstarted(&self) {
        self.effect.store(RECORDING, Relaxed);
        self.start_ticks.store(0, Relaxed);
        self.start_unix_nanos.store(0, Relaxed);
        self.exited_at.store(0, Relaxed);
    }

    /// The current time, on the timeline of the span's start.
    #[inline(always)]
    pub(super) fn now(&self) -> u64 {
        clock::end(clock::Start {
            ticks: self.start_ticks.load(Relaxed),
            unix_nanos: self.start_unix_nanos.load(Relaxed),
        })
    }

    #[inline(always)]
    pub(super) fn set_exited_at(&self, unix_nanos: u64) {
        self.exited_at.store(unix_nanos, Relaxed);
    }

    pub(super) fn count_event(&self) {
        self.events.fetch_add(1, Relaxed);
    }

    /// The number of events since the last call.
    pub(super) fn take_events(&self) -> u64 {
        self.events.swap(0, Relaxed)
    }

    #[inline(always)]
    pub(super) fn exited_at(&self) -> Option<u64> {
        Some(self.exited_at.load(Relaxed)).filter(|&at| at != 0)
    }
}

impl OpenSpan {
    /// No span.
    fn free() -> Self {
        Self {
            state: State::Free,
            context: None,
            timings: Timings::default(),
            is_used: false,
            generation: 0,
        }
    }

    /// Makes `state` that of the slot, which has had no span.
    #[inline(always)]
    pub(super) fn begin(&mut self, state: State) {
        self.is_used = false;
        // Without the code that drops a span: there is none.
        if let before @ (State::Unstarted(_) | State::Starting(_) | State::Started(_)) =
            mem::replace(&mut self.state, state)
        {
            drop_state(before);
        }
    }

    /// The started span.
    #[inline(always)]
    pub(super) fn started(&mut self) -> Option<&mut Span> {
        match &mut self.state {
            State::Started(span) => Some(span),
            State::Free | State::Unstarted(_) | State::Starting(_) => None,
        }
    }

    /// The started span, for code that passes its context on: the span is used from now on.
    #[inline(always)]
    pub(super) fn used(&mut self) -> Option<&mut Span> {
        self.is_used = true;
        self.started()
    }
}

#[cold]
#[inline(never)]
fn drop_state(state: State) {
    drop(state);
}

/// Attempts before a waiting thread gives up its core.
const SPINS: u32 = 64;
/// Attempts after which a lock counts as one of a thread that the child does not have: a thread of the child has had its turn meanwhile.
const CHILD_ATTEMPTS: u32 = SPINS + 8;
const RECORDING: u8 = 1;
const MEASURED: u8 = 2;
