//! The callers that flush and shut down, and the deadlines of their replies.

use super::World;
use super::call_list::Call;
use crate::violation::{Checked, require};
use spanwise_export::sans_io::Reply;
use std::time::{Duration, Instant};

impl World {
    /// A thread calls `flush` or `shutdown` with this timeout.
    pub(super) fn call(&mut self, timeout: Duration, is_shutdown: bool) {
        let name = if is_shutdown { "shutdown" } else { "flush" };
        self.line(format_args!("{name} within {timeout:?}"));
        if is_shutdown {
            self.queue.close();
            self.calls.is_closed = true;
        }
        let deadline = self.now + timeout;
        let ended = self.spans.ended();
        let call = Call { deadline, is_shutdown, ended, settled_since: None };
        self.calls.inbox.push(call);
        self.wake();
    }

    /// The turn begins: the machine receives the calls.
    pub(super) fn deliver_calls(&mut self) {
        let Some(machine) = &mut self.thread.machine else { return };
        for call in std::mem::take(&mut self.calls.inbox) {
            let id = match call.is_shutdown {
                true => machine.shutdown(call.deadline),
                false => machine.flush(call.deadline),
            };
            self.calls.waiting.push((id, call));
        }
    }

    /// The machine replies to a call. Returns whether that call is a shutdown.
    pub(super) fn reply(&mut self, reply: Reply) -> Checked<bool> {
        self.line(format_args!("{:?}: {}", reply.id, if reply.is_done { "done" } else { "late" }));
        let index = self.calls.waiting.iter().position(|(id, _)| *id == reply.id);
        require(index.is_some(), "a call is answered once", || format!("{:?}", reply.id))?;
        let Some(index) = index else { return Ok(false) };
        let (_, call) = self.calls.waiting.remove(index);
        let by = self.due(&call);
        require(self.now <= by, "a call is answered by its deadline", || {
            format!("{call:?}, {:?} late", self.now - by)
        })?;
        if reply.is_done {
            require(self.spans.are_settled(call.ended), "a flush waits for its spans", || {
                format!("{:?} with {} spans in flight", reply.id, self.spans.unsettled())
            })?;
        } else {
            let is_closing = self.thread.machine.as_ref().is_some_and(|it| it.is_closing());
            require(
                is_closing || self.now >= call.deadline,
                "a flush waits until its deadline",
                || format!("{call:?}, {:?} early", call.deadline - self.now),
            )?;
        }
        Ok(call.is_shutdown)
    }

    /// After a turn: each call is due before the next one, and is answered when there is no reason to
    /// wait.
    pub(super) fn check_calls(&mut self) -> Checked {
        let wake_at = self.thread.wake_at;
        let is_idle = self.spans.unsettled() == self.open.len() as u64 && self.held_slots == 0;
        let mut waiting = std::mem::take(&mut self.calls.waiting);
        for (id, call) in &mut waiting {
            let by = self.due(call);
            require(wake_at <= by, "the next turn comes before a deadline", || {
                format!("{id:?}, {:?} late", wake_at - by)
            })?;
            call.settled_since = is_idle.then(|| call.settled_since.unwrap_or(self.now));
            let since = call.settled_since.unwrap_or(self.now);
            let waited = self.now.saturating_duration_since(since.max(self.frozen_until));
            require(waited < SOON + self.scenario.lag, "a flush ends with its spans", || {
                format!("{id:?} waits for {waited:?} although every span has an outcome")
            })?;
        }
        self.calls.waiting = waiting;
        Ok(())
    }

    /// The latest time of a reply: a shutdown that is not done cancels its requests, and waits 10 ms for
    /// how far they got.
    fn due(&self, call: &Call) -> Instant {
        let grace = if call.is_shutdown { CANCELLED_WITHIN } else { Duration::ZERO };
        // A flush that comes together with a shutdown is answered with it, at the latest.
        call.deadline.max(self.frozen_until) + grace + 3 * self.scenario.lag
    }
}

/// The documented time for cancelled requests.
const CANCELLED_WITHIN: Duration = Duration::from_millis(10);
/// A drain that missed a slot is repeated after a millisecond; the schedule's tick is 100 ms.
const SOON: Duration = Duration::from_millis(150);
