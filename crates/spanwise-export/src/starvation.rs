//! [`Starvation`]: whether a span queue lacks space, and refuses spans at their start for that.

use spanwise_ledger::DropReason;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// The state of a queue that refused a span for lack of space, from then until the exporter has freed
/// memory.
pub(crate) struct Starvation {
    /// [`STARVED`], [`REFUSING`] and [`QUEUE_FULL`].
    bits: AtomicU8,
}

impl Starvation {
    pub(crate) const fn new() -> Self {
        Self { bits: AtomicU8::new(0) }
    }

    /// Whether spans are refused at their start.
    #[inline(always)]
    pub(crate) fn is_refusing(&self) -> bool {
        // ORDER: Relaxed. A span that starts while memory is freed is on either side of it.
        self.bits.load(Relaxed) & REFUSING != 0
    }

    /// Whether a span was refused since [`end`](Self::end).
    pub(crate) fn is_starved(&self) -> bool {
        self.bits.load(Relaxed) & STARVED != 0
    }

    /// The reason for which spans are refused at their start, or were refused last.
    pub(crate) fn reason(&self) -> DropReason {
        match self.bits.load(Relaxed) & QUEUE_FULL {
            0 => DropReason::QueueBytes,
            _ => DropReason::QueueFull,
        }
    }

    /// A span was refused; with `refusing`, spans are refused at their start for this reason from now
    /// on. Returns whether that is new, so that the caller notifies the exporter.
    pub(crate) fn begin(&self, refusing: Option<DropReason>) -> bool {
        let set = match refusing {
            None => STARVED,
            Some(DropReason::QueueFull) => STARVED | REFUSING | QUEUE_FULL,
            Some(_) => STARVED | REFUSING,
        };
        // The usual case by far, without a store to a line that all threads read.
        if self.bits.load(Relaxed) & set == set {
            return false;
        }
        let reason = if refusing.is_some() { QUEUE_FULL } else { 0 };
        // ORDER: SeqCst with `SpanQueue::close`: see `SpanQueue::starve`.
        let before = self
            .bits
            .fetch_update(SeqCst, Relaxed, |bits| Some((bits & !reason) | set))
            .unwrap_or_else(|bits| bits);
        let is_new = set & (STARVED | REFUSING);
        before & is_new != is_new
    }

    /// There is space again, or none is needed any more. The reason stays readable.
    pub(crate) fn end(&self) {
        self.bits.fetch_and(QUEUE_FULL, SeqCst);
    }
}

/// A span was refused for lack of space.
const STARVED: u8 = 1;
/// Spans are refused at their start.
const REFUSING: u8 = 2;
/// They are refused as [`DropReason::QueueFull`], otherwise as [`DropReason::QueueBytes`].
const QUEUE_FULL: u8 = 4;
