//! When traces are due, and when they need a drain.

use super::Tail;
use super::traces::Due;
use std::time::{Duration, Instant};

impl Tail {
    /// A drain of every slot ended at `now`, which `missed` this number of them. Without one, the spans that had ended
    /// before `now` have been accepted.
    pub(in crate::machine) fn drained_all(&mut self, now: Instant, missed: usize) {
        if missed == 0 {
            self.drained_all = Some(now);
        }
        self.next_drain = now + if missed == 0 { DRAIN_AGAIN_AFTER } else { RETRY_DRAIN };
    }

    /// Whether a trace waits for nothing but a drain of every slot. `is_draining`: the full chunks are due.
    pub(in crate::machine) fn needs_drain(&self, now: Instant, is_draining: bool) -> bool {
        // Full chunks come faster than that when there is little time to decide before memory is used up.
        let is_pressed = is_draining && self.charged() > self.share() / 2;
        self.drain_due()
            .is_some_and(|due| due <= now || is_pressed && due < now + DRAIN_AGAIN_AFTER)
    }

    /// The next time at which a trace is due, or a drain of every slot that is possible.
    pub(in crate::machine) fn next_due(&self, can_drain: bool) -> Option<Instant> {
        let after_first = self.traces.first(Due::AfterFirst);
        let after_first =
            after_first.and_then(|(_, it)| it.since.checked_add(self.settings.decision_wait));
        let after_root =
            self.traces.first(Due::AfterRoot).and_then(|(_, it)| self.root_due(it.since));
        let drain = if can_drain { self.drain_due() } else { None };
        after_first.into_iter().chain(after_root).chain(drain).min()
    }

    /// The time of the drain that the earliest trace with a local root waits for.
    fn drain_due(&self) -> Option<Instant> {
        let (_, trace) = self.traces.first(Due::AfterRoot)?;
        let due = trace.since.checked_add(self.settings.wait_after_root)?;
        (!self.is_drained(trace.since, due)).then(|| due.max(self.next_drain))
    }

    /// The time at which a trace is due whose local root arrived at `since`.
    pub(super) fn root_due(&self, since: Instant) -> Option<Instant> {
        let due = since.checked_add(self.settings.wait_after_root)?;
        match self.is_drained(since, due) {
            true => Some(due),
            false => due.checked_add(self.patience),
        }
    }

    /// Whether every slot was drained after a root's arrival at `since` and not before `due`. A drain takes one slot
    /// after the other: the one that had the root may have missed a span that ended before, on another thread.
    fn is_drained(&self, since: Instant, due: Instant) -> bool {
        self.drained_all.is_some_and(|drained| drained > since && drained >= due)
    }
}

/// The wait between two drains of every slot that traces need.
const DRAIN_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// The wait before slots are drained again that a thread was writing to.
const RETRY_DRAIN: Duration = Duration::from_millis(1);
