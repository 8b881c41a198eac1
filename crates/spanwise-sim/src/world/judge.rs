//! The rules that hold after every step.

use super::World;
use crate::violation::{Checked, Violation, require};
use spanwise_export::OnFull;
use std::time::{Duration, Instant};

impl World {
    /// Checks the ledger, the budget and the machine's own counts.
    pub(super) fn check(&mut self) -> Checked {
        self.counts.checks += 1;
        self.book_policy();
        self.book_tail();
        let mut in_flight = 0;
        for (account, destination) in self.spans.accounts().iter().zip(&self.destinations) {
            let ledger = destination.ledger.snapshot();
            account.check(&ledger)?;
            in_flight += ledger.in_flight;
        }
        let budget = self.queue.budget();
        require(budget.peak() <= budget.limit(), "memory stays within the budget", || {
            format!("{budget:?}")
        })?;
        let bytes = self.request_bytes();
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
        require(held <= in_flight, "the machine holds spans in flight", || {
            format!("{held} of {in_flight}")
        })
    }

    /// Checks the end of a turn that asked to be called again at `until`.
    pub(super) fn check_turn(&mut self, until: Instant) -> Checked {
        let Some(machine) = &self.thread.machine else { return Ok(()) };
        if machine.is_closing() {
            return self.check_calls();
        }
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
        if until > self.now && !is_interrupted {
            self.check_waiting()?;
        }
        self.check_calls()
    }

    /// Checks each endpoint to which no request is in flight: no span waits for it, whatever the others do.
    fn check_waiting(&mut self) -> Checked {
        self.spans.skip_settled();
        let busy: Vec<bool> = (0..self.endpoints.len()).map(|it| self.window(it) > 0).collect();
        for (endpoint, is_busy) in self.endpoints.iter_mut().zip(&busy) {
            if *is_busy {
                endpoint.busy_until = self.now;
            }
        }
        let idle = self.endpoints.iter().zip(&busy).filter(|(_, is_busy)| !**is_busy);
        for (endpoint, _) in idle {
            let destination = endpoint.destination;
            if self.spans.account(destination).unseen_losses() > 0 {
                // They are among those that wait.
                continue;
            }
            if self.destinations[destination].routes.is_some() && self.is_a_share_used() {
                // A batch for an endpoint without space is not made, and others wait behind it.
                continue;
            }
            let mut waiting = self.spans.waiting_since(destination);
            let oldest = waiting.find(|(id, _)| self.is_for(endpoint, *id));
            let others = self.endpoints.iter().filter(|other| !std::ptr::eq(*other, endpoint));
            let others_busy_until = others.map(|other| other.busy_until).max();
            let busy_until = (endpoint.busy_until, others_busy_until);
            self.check_age(oldest, busy_until).map_err(|violation| {
                let machine = self.thread.machine.as_ref();
                let holds = machine.map(|it| (it.backlog_spans(), it.in_flight()));
                let budget = self.queue.budget();
                let details = format!(
                    "{}; endpoint {}.{}, the machine holds {holds:?}, {budget:?}",
                    violation.details, endpoint.destination, endpoint.index
                );
                Violation { details, ..violation }
            })?;
        }
        Ok(())
    }

    /// Whether an endpoint may have a share of bytes in requests that it has no space for another.
    fn is_a_share_used(&self) -> bool {
        let share = self.scenario.budget_bytes / 8 * 3 / self.endpoints.len();
        let len = |id: u64| self.spans.get(id).map_or(0, |span| span.len + SPAN_OVERHEAD);
        self.endpoints.iter().any(|endpoint| {
            let sent = endpoint.sender.spans().flatten().copied();
            let waiting = self.spans.waiting_since(endpoint.destination).map(|(id, _)| id);
            let waiting = waiting.filter(|&id| self.is_for(endpoint, id));
            sent.chain(waiting).map(len).sum::<usize>() * MOST_COPIES >= share
        })
    }

    /// Checks the age of the oldest span that waits for an endpoint, which was busy until this instant, and the others
    /// until the second one.
    fn check_age(
        &self,
        oldest: Option<(u64, Instant)>,
        (busy_until, others_busy_until): (Instant, Option<Instant>),
    ) -> Checked {
        // A chunk is held back from its drain on, which comes late when no thread runs or no request may be
        // sent.
        let is_held_back = self.scenario.holds_back();
        // Spans wait for another endpoint that is busy, until it is known to be slow.
        let has_waited = |until| oldest.is_some_and(|(_, since)| until >= since);
        let (may_wait, for_others) = match others_busy_until.is_some_and(has_waited) {
            true => (true, MAX_WAIT_FOR_OTHERS),
            false => (is_held_back, Duration::ZERO),
        };
        let late = self.frozen_until.max(self.retuned).max(busy_until);
        let from = if may_wait { late } else { self.start };
        let age = oldest.map_or(Duration::ZERO, |(_, since)| self.now - since.max(from));
        let longest = self.scenario.longest_wait() + TICK + for_others;
        require(age <= longest, "no span waits longer than the delay", || {
            format!(
                "span {:?} for {age:?}, at most {longest:?}, and no request is in flight",
                oldest.map(|(id, _)| id)
            )
        })
    }

    /// Checks that nothing is charged: no span waits, and cached memory was freed.
    pub(super) fn check_freed(&mut self) -> Checked {
        let budget = self.queue.budget();
        // The decisions of tail sampling stay, for spans that are late.
        let retained = if self.thread.machine.is_some() { self.retained } else { 0 };
        require(budget.charged() == retained, "all memory is freed", || format!("{budget:?}"))?;
        let queued = self.queue.level().queued;
        require(queued == 0, "all queue permits are returned", || format!("{queued} permits"))
    }
}

/// The interval at which the exporter looks at its queue.
const TICK: Duration = Duration::from_millis(100);
/// The time after which it looks at the slot of an interrupted thread again.
const HELD_SLOT: Duration = Duration::from_millis(1);
/// Bytes of a span besides its name, in a request of its own.
const SPAN_OVERHEAD: usize = 200;
/// Memory of a request, in multiples of its length: for each destination and its compression, and rounded up.
const MOST_COPIES: usize = 8;
/// The maximum time for which spans wait for an endpoint that is busy.
const MAX_WAIT_FOR_OTHERS: Duration = Duration::from_secs(2);
