//! The rules that hold after every step.

use super::World;
use crate::violation::{Checked, require};
use spanwise_export::OnFull;
use std::time::{Duration, Instant};

impl World {
    /// Checks the ledger, the budget and the machine's own counts.
    pub(super) fn check(&mut self) -> Checked {
        self.counts.checks += 1;
        self.book_policy();
        let ledger = self.queue.ledger().snapshot();
        self.spans.check(&ledger)?;
        let budget = self.queue.budget();
        require(budget.peak() <= budget.limit(), "memory stays within the budget", || {
            format!("{budget:?}")
        })?;
        let bytes = self.sender.bytes();
        require(bytes <= budget.charged(), "requests are charged to the budget", || {
            format!("{bytes} bytes of requests, {budget:?}")
        })?;
        let level = self.queue.level();
        require(
            !level.is_refusing || self.scenario.on_full == OnFull::Drop,
            "a queue that waits or sheds refuses no span",
            || format!("{level:?}"),
        )?;
        self.check_threshold()?;
        if let Some(max) = self.queue_size {
            let queued = level.queued;
            // A queue that was made smaller has the spans of the larger one until they leave.
            let most = max.max(self.most_queued);
            self.most_queued = if queued > max { most } else { max };
            require(queued <= most, "the queue stays within its size", || {
                format!("{queued} of {max} spans")
            })?;
        }
        let Some(machine) = &self.thread.machine else { return Ok(()) };
        let held = machine.backlog_spans() + machine.in_flight().1;
        require(held <= ledger.in_flight, "the machine holds spans in flight", || {
            format!("{held} of {}", ledger.in_flight)
        })
    }

    /// Checks the end of a turn that asked to be called again at `until`.
    pub(super) fn check_turn(&mut self, until: Instant) -> Checked {
        let Some(machine) = &self.thread.machine else { return Ok(()) };
        if machine.is_closing() {
            return self.check_calls();
        }
        let is_sending = !self.sender.is_empty() || !self.thread.ended.is_empty();
        let level = self.queue.level();
        let is_due = level.is_refusing && level.can_accept;
        let since = is_due.then(|| self.thread.refuses_since.unwrap_or(self.now));
        let by = since.map(|since| since.max(self.frozen_until) + TICK + self.scenario.lag);
        require(
            by.is_none_or(|by| self.now < by && until <= by),
            "free space is used within a tick",
            || {
                format!(
                    "the queue has refused spans since {:?}",
                    since.map(|since| self.now - since)
                )
            },
        )?;
        self.thread.refuses_since = since;
        // Another turn follows at once while there is something to do.
        // The slot of an interrupted thread is looked at again after a millisecond.
        let is_interrupted = self.held_slots > 0 || self.now <= self.released_at + HELD_SLOT;
        let is_idle = until > self.now && !is_sending && !is_interrupted;
        let oldest = self.spans.oldest_waiting().filter(|_| is_idle);
        if is_sending {
            self.busy_until = self.now;
        }
        // A chunk is held back from its drain on, which comes late when no thread runs or no request may be
        // sent.
        let is_held_back = self.scenario.holds_back();
        let late = self.frozen_until.max(self.retuned).max(self.busy_until);
        let from = if is_held_back { late } else { self.start };
        let age = oldest.map_or(Duration::ZERO, |since| self.now - since.max(from));
        let longest = self.scenario.longest_wait() + TICK;
        require(age <= longest, "no span waits longer than the delay", || {
            format!("{age:?}, at most {longest:?}, and no request is in flight")
        })?;
        self.check_calls()
    }

    /// Checks that nothing is charged: no span waits, and cached memory was freed.
    pub(super) fn check_freed(&mut self) -> Checked {
        let budget = self.queue.budget();
        require(budget.charged() == 0, "all memory is freed", || format!("{budget:?}"))?;
        let queued = self.queue.level().queued;
        require(queued == 0, "all queue permits are returned", || format!("{queued} permits"))
    }
}

/// The interval at which the exporter looks at its queue.
const TICK: Duration = Duration::from_millis(100);
/// The time after which it looks at the slot of an interrupted thread again.
const HELD_SLOT: Duration = Duration::from_millis(1);
