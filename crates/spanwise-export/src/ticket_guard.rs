//! Ledger tickets that are booked under a reason of their own when they are dropped.

use spanwise_ledger::{DropReason, Tickets};
use std::fmt;

/// The [`Tickets`] of spans on their way, which count as lost for `on_drop` when no outcome is
/// booked: a drop is an outcome too.
#[must_use = "dropping it books its spans as lost"]
pub(crate) struct TicketGuard {
    tickets: Tickets,
    on_drop: DropReason,
}

impl TicketGuard {
    pub(crate) fn new(tickets: Tickets, on_drop: DropReason) -> Self {
        Self { tickets, on_drop }
    }

    /// Spans without an outcome.
    pub(crate) fn spans(&self) -> u64 {
        self.tickets.len()
    }

    /// Takes `spans` tickets out, which from here on are booked for `on_drop` when dropped.
    pub(crate) fn split(&mut self, spans: u64, on_drop: DropReason) -> Self {
        Self { tickets: self.tickets.split(spans), on_drop }
    }

    /// Adds the tickets of `other`, which are of the same ledger.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.tickets.merge(other.take());
    }

    /// Books all spans as exported.
    pub(crate) fn exported(mut self) {
        self.take().exported();
    }

    /// Books all spans as lost for `reason`.
    pub(crate) fn dropped(mut self, reason: DropReason) {
        self.take().dropped(reason);
    }

    fn take(&mut self) -> Tickets {
        self.tickets.split(u64::MAX)
    }
}

impl Drop for TicketGuard {
    fn drop(&mut self) {
        if !self.tickets.is_empty() {
            self.take().dropped(self.on_drop);
        }
    }
}

impl fmt::Debug for TicketGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} spans, {} on drop", self.spans(), self.on_drop)
    }
}
