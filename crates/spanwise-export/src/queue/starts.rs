//! The queue at the start of a span: whether it accepts, refuses or sheds it.

use super::SpanQueue;
use crate::on_full::OnFull;
use crate::shed::ShedThreshold;
use spanwise_ledger::{DropReason, ParentOrigin};

impl SpanQueue {
    /// Whether each span that starts now may be recorded. False while the queue refuses spans, because the
    /// budget or the queue was full and no memory was freed since (only with [`OnFull::Drop`]), while it
    /// sheds traces ([`OnFull::ShedByTrace`]), after a [`close`](Self::close), in a forked child, and
    /// [if each start is checked](Self::with_checked_starts).
    ///
    /// A tracer that reads false asks for the [`shed_threshold`](Self::shed_threshold) if the queue
    /// [sheds by trace](Self::sheds_by_trace). In all other cases it records no span, calls
    /// [`count_refused`](Self::count_refused) instead of [`Ledger::started`](spanwise_ledger::Ledger::started), and propagates a context that is
    /// not sampled, for the children to follow. A span that is pushed all the same is dropped and counted,
    /// unless the queue is open and the chunk of its thread's slot has space.
    ///
    /// # Cost
    /// A load and a comparison. The word changes only when the queue becomes full and when memory is
    /// freed.
    #[inline(always)]
    pub fn is_accepting(&self) -> bool {
        self.intake.is_accepting()
    }

    /// Makes [`is_accepting`](Self::is_accepting) return false until a start has called
    /// [`next_start_checked`](Self::next_start_checked): for work that a tracer does at few starts, so that no other
    /// start counts down to it. Has no effect while the queue sheds, refuses or is closed.
    pub fn check_next_start(&self) {
        self.intake.check_next_start();
    }

    /// Ends the effect of [`check_next_start`](Self::check_next_start).
    pub fn next_start_checked(&self) {
        self.intake.next_start_checked();
    }

    /// As [`is_accepting`](Self::is_accepting), without the effect of [`check_next_start`](Self::check_next_start).
    pub fn accepts_starts(&self) -> bool {
        self.intake.accepts_starts()
    }

    /// Whether the queue refuses spans at their start for lack of space. False after a `close` and in a
    /// forked child, where [`is_accepting`](Self::is_accepting) is false too.
    #[inline]
    pub fn is_refusing(&self) -> bool {
        self.intake.is_refusing()
    }

    /// Whether the queue was made with [`OnFull::ShedByTrace`].
    #[inline]
    pub fn sheds_by_trace(&self) -> bool {
        self.on_full == OnFull::ShedByTrace
    }

    /// The threshold that the randomness of a local root has to reach to be recorded, while the queue
    /// [sheds by trace](Self::sheds_by_trace): [`ShedThreshold::NONE`] while the fill is low.
    ///
    /// A tracer sheds a root with a lower randomness as [`is_accepting`](Self::is_accepting) describes; it
    /// writes the threshold to the trace state of a root that it records, unless the sampler's is higher. It
    /// records each sampled span below a sampled span of this process.
    ///
    /// # Cost
    /// A load.
    #[inline]
    pub fn shed_threshold(&self) -> ShedThreshold {
        self.intake.shed_threshold()
    }

    /// Counts a span that was refused or shed at its start, as created and as dropped.
    ///
    /// # Cost
    /// As [`Ledger::dropped_at_start`](spanwise_ledger::Ledger::dropped_at_start).
    pub fn count_refused(&self) {
        self.count_refused_from(ParentOrigin::None);
    }

    /// As [`count_refused`](Self::count_refused), for a span below a parent of this origin.
    #[inline(never)]
    pub fn count_refused_from(&self, origin: ParentOrigin) {
        let reason = match self.intake.reason() {
            DropReason::QueueBytes | DropReason::QueueFull if self.sheds_by_trace() => {
                DropReason::Shed
            }
            reason => reason,
        };
        self.ledger.dropped_at_start_from(origin, reason);
    }
}
