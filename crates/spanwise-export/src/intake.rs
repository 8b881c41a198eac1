//! [`Intake`]: whether a span queue accepts spans, sheds traces, lacks space or is closed.

use crate::shed::{ShedController, ShedThreshold};
use spanwise_ledger::DropReason;
use spanwise_worker::fork;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

/// Whether a queue accepts spans. One word, so that a tracer compares once, and so that a refusal can
/// overwrite neither a close nor the end of another refusal.
pub(crate) struct Intake {
    /// `open` while all spans are accepted, [`TIMED`], [`SHEDDING`] plus a threshold, [`REFUSING`] or [`CLOSED`].
    accepts_in: AtomicU64,
    /// `process`, or [`CHECKED`].
    open: u64,
    /// [`fork::generation`] of the process that the queue was made in.
    process: u32,
    /// The state of a [`ShedController`]. Of two threads that change it at once, the last one wins.
    shedding: AtomicU64,
    /// A span was refused for lack of space, since the exporter freed memory.
    is_starved: AtomicBool,
    /// The queue size, and not the byte budget, was exhausted when the last refusal began.
    is_queue_full: AtomicBool,
    /// The discriminant of a [`State`].
    state: AtomicU8,
}

/// Whether the queue is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Open,
    ShutDown,
    Died,
}

impl Intake {
    pub(crate) fn new() -> Self {
        let process = fork::generation();
        Self {
            accepts_in: AtomicU64::new(process.into()),
            open: process.into(),
            process,
            shedding: AtomicU64::new(ShedController::new().to_bits()),
            is_starved: AtomicBool::new(false),
            is_queue_full: AtomicBool::new(false),
            state: AtomicU8::new(State::Open as u8),
        }
    }

    /// Makes [`is_accepting`](Self::is_accepting) return false for good.
    pub(crate) fn check_starts(&mut self) {
        self.open = CHECKED;
        *self.accepts_in.get_mut() = CHECKED;
    }

    /// Whether spans are accepted without a check: the queue is open, in this process, has space and sheds no
    /// trace.
    #[inline(always)]
    pub(crate) fn is_accepting(&self) -> bool {
        // ORDER: Relaxed. A span that starts at the instant of a change is on either side of it.
        self.accepts_in.load(Relaxed) == u64::from(fork::generation())
    }

    /// Makes the next start check the queue once, unless it does so anyway.
    pub(crate) fn check_next_start(&self) {
        if self.open != CHECKED {
            let _other = self.accepts_in.compare_exchange(self.open, TIMED, Relaxed, Relaxed);
        }
    }

    /// A start has checked the queue, as [`check_next_start`](Self::check_next_start) requested.
    pub(crate) fn next_start_checked(&self) {
        let _other = self.accepts_in.compare_exchange(TIMED, self.open, Relaxed, Relaxed);
    }

    /// Whether spans are accepted, also by a start that is to check once.
    pub(crate) fn accepts_starts(&self) -> bool {
        let accepts_in = self.accepts_in.load(Relaxed);
        accepts_in == TIMED || accepts_in == u64::from(fork::generation())
    }

    /// The threshold that local roots have to reach: [`ShedThreshold::NONE`] unless the queue sheds.
    #[inline]
    pub(crate) fn shed_threshold(&self) -> ShedThreshold {
        let value = self.accepts_in.load(Relaxed).wrapping_sub(SHEDDING);
        ShedThreshold::new(value).unwrap_or(ShedThreshold::NONE)
    }

    /// Sheds local roots from now on as `control` returns, unless the queue is closed.
    pub(crate) fn shed(&self, control: impl FnOnce(&mut ShedController) -> ShedThreshold) {
        let mut controller = ShedController::from_bits(self.shedding.load(Relaxed));
        let threshold = control(&mut controller);
        self.shedding.store(controller.to_bits(), Relaxed);
        let next = match threshold {
            ShedThreshold::NONE => self.open,
            _ => SHEDDING + threshold.value(),
        };
        let before = self.accepts_in.load(Relaxed);
        if before != next && before < REFUSING {
            // A thread that was faster, or a close, stays: the next chunk that is opened brings the next threshold.
            let _outrun = self.accepts_in.compare_exchange(before, next, Relaxed, Relaxed);
        }
    }

    /// Whether spans are refused at their start for lack of space.
    #[inline]
    pub(crate) fn is_refusing(&self) -> bool {
        self.accepts_in.load(Relaxed) == REFUSING
    }

    /// Whether a span was refused since [`accept`](Self::accept).
    pub(crate) fn is_starved(&self) -> bool {
        self.is_starved.load(Relaxed)
    }

    /// Records that a push found no space. Returns whether it is the first one since
    /// [`accept`](Self::accept): its caller notifies the exporter.
    pub(crate) fn starve(&self) -> bool {
        // A load first: all but the first find it set, and a store would cost them the cache line.
        !self.is_starved.load(Relaxed) && !self.is_starved.swap(true, Relaxed)
    }

    /// Refuses spans at their start for `reason` from now on. Returns whether that is new.
    pub(crate) fn start_refusing(&self, reason: DropReason) -> bool {
        self.is_queue_full.store(reason == DropReason::QueueFull, Relaxed);
        self.is_starved.store(true, Relaxed);
        let refuse = |from| self.accepts_in.compare_exchange(from, REFUSING, Relaxed, Relaxed);
        refuse(self.open).is_ok() || refuse(TIMED).is_ok()
    }

    /// Accepts spans again, unless the queue is closed.
    pub(crate) fn accept(&self) {
        self.is_starved.store(false, Relaxed);
        let _closed = self.accepts_in.compare_exchange(REFUSING, self.open, Relaxed, Relaxed);
    }

    /// Accepts no more spans, for good; only the first `state` counts.
    pub(crate) fn close(&self, state: State) {
        // ORDER: Relaxed. `ShardedBuffer::close` is what orders pushes and the last drain.
        let open = State::Open as u8;
        let _already_closed = self.state.compare_exchange(open, state as u8, Relaxed, Relaxed);
        self.accepts_in.store(CLOSED, Relaxed);
    }

    /// Whether the exporter died before a shutdown.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.load(Relaxed) == State::Died as u8
    }

    /// Whether this process was forked from the one the queue was made in.
    pub(crate) fn is_forked(&self) -> bool {
        fork::generation() != self.process
    }

    /// The reason for a span that is not accepted, or that was not when it started.
    pub(crate) fn reason(&self) -> DropReason {
        let state = self.state.load(Relaxed);
        if self.is_forked() || state == State::Died as u8 {
            DropReason::WorkerUnavailable
        } else if state == State::ShutDown as u8 {
            DropReason::AfterShutdown
        } else if self.is_queue_full.load(Relaxed) {
            DropReason::QueueFull
        } else {
            DropReason::QueueBytes
        }
    }
}

// `fork::generation` has 32 bits, and counts the forks since the first ancestor.
const CHECKED: u64 = 1 << 59;
/// Open, and the next start checks the queue.
const TIMED: u64 = CHECKED + 1;
/// Plus a threshold, which has 57 bits.
const SHEDDING: u64 = 1 << 60;
const REFUSING: u64 = u64::MAX - 1;
const CLOSED: u64 = u64::MAX;
