//! Ledger tickets that are booked under a reason of their own when they are dropped.

use crate::metrics::EndpointMetrics;
use spanwise_ledger::{DropReason, Ledger, Tickets};
use std::fmt;
use std::sync::Arc;

/// The [`Tickets`] of spans on their way, which count as lost for `on_drop` when no outcome is
/// booked: a drop is an outcome too.
///
/// Spans on their way to several destinations have tickets of each destination's ledger.
#[must_use = "dropping it books its spans as lost"]
pub(crate) struct TicketGuard {
    /// Of the first destination.
    tickets: Tickets,
    /// Of the others, as many each.
    others: Vec<Tickets>,
    on_drop: DropReason,
    /// The endpoint that the spans were passed to, which counts their outcome.
    passed_to: Option<Arc<EndpointMetrics>>,
    /// The spans are on disk too: without an outcome, they stay there.
    is_on_disk: bool,
}

impl TicketGuard {
    pub(crate) fn new(tickets: Tickets, on_drop: DropReason) -> Self {
        Self { tickets, others: Vec::new(), on_drop, passed_to: None, is_on_disk: false }
    }

    /// Tickets of spans that are on disk and sent again to `endpoint`. A drop without an outcome leaves them on disk.
    pub(crate) fn replayed(tickets: Tickets, endpoint: Option<Arc<EndpointMetrics>>) -> Self {
        let mut replayed = Self::new(tickets, DropReason::SpoolIo);
        if let Some(endpoint) = &endpoint {
            endpoint.replayed(replayed.spans());
        }
        (replayed.passed_to, replayed.is_on_disk) = (endpoint, true);
        replayed
    }

    /// Counts the spans in the ledgers of further destinations too, which then need an outcome there.
    pub(crate) fn share_with<'a>(&mut self, ledgers: impl IntoIterator<Item = &'a Ledger>) {
        let spans = self.spans();
        self.others.extend(ledgers.into_iter().map(|ledger| {
            ledger.started_many(spans);
            ledger.tickets(spans)
        }));
    }

    /// The tickets of each destination alone.
    pub(crate) fn into_destinations(mut self) -> impl Iterator<Item = Self> {
        let on_drop = self.on_drop;
        let others = std::mem::take(&mut self.others);
        std::iter::once(self.take()).chain(others).map(move |tickets| Self::new(tickets, on_drop))
    }

    /// The spans are passed to `endpoint`, unless they were before, in a request that was refused as too large.
    pub(crate) fn pass_to(&mut self, endpoint: &Arc<EndpointMetrics>) {
        let spans = self.spans();
        self.passed_to.get_or_insert_with(|| {
            endpoint.passed(spans);
            endpoint.clone()
        });
    }

    /// Books the spans for `on_drop` when they are dropped.
    pub(crate) fn set_on_drop(&mut self, on_drop: DropReason) {
        self.on_drop = on_drop;
    }

    /// Spans without an outcome.
    pub(crate) fn spans(&self) -> u64 {
        self.tickets.len()
    }

    /// Takes `spans` tickets out, which from here on are booked for `on_drop` when dropped.
    pub(crate) fn split(&mut self, spans: u64, on_drop: DropReason) -> Self {
        let others = self.others.iter_mut().map(|tickets| tickets.split(spans)).collect();
        let (passed_to, is_on_disk) = (self.passed_to.clone(), self.is_on_disk);
        Self { tickets: self.tickets.split(spans), others, on_drop, passed_to, is_on_disk }
    }

    /// Adds the tickets of `other`, which are of the same ledger.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.tickets.merge(other.take());
        if self.others.is_empty() {
            self.others = std::mem::take(&mut other.others);
        }
        for (tickets, other) in self.others.iter_mut().zip(std::mem::take(&mut other.others)) {
            tickets.merge(other);
        }
    }

    /// Books all spans as exported.
    pub(crate) fn exported(mut self) {
        if let Some(endpoint) = &self.passed_to {
            endpoint.exported(self.spans());
        }
        self.take_all().for_each(Tickets::exported);
    }

    /// Books all spans as stored on disk, or as still there, after they were passed to `endpoint`.
    pub(crate) fn spooled(mut self, endpoint: Option<&Arc<EndpointMetrics>>) {
        if let Some(endpoint) = endpoint {
            self.pass_to(endpoint);
        }
        self.stay_on_disk();
    }

    fn stay_on_disk(&mut self) {
        if let Some(endpoint) = &self.passed_to {
            endpoint.spooled(self.spans());
        }
        self.take_all().for_each(Tickets::spooled);
    }

    /// Books all spans as lost for `reason`, but for those that are on disk.
    pub(crate) fn given_up(mut self, reason: DropReason) {
        match self.is_on_disk {
            true => self.stay_on_disk(),
            false => self.drop_all(reason),
        }
    }

    /// Books all spans as lost for `reason`.
    pub(crate) fn dropped(mut self, reason: DropReason) {
        self.drop_all(reason);
    }

    fn drop_all(&mut self, reason: DropReason) {
        if let Some(endpoint) = &self.passed_to {
            endpoint.failed(reason, self.spans());
        }
        self.take_all().for_each(|tickets| tickets.dropped(reason));
    }

    /// Books all spans as not sampled by the tail.
    pub(crate) fn tail_not_sampled(mut self) {
        self.take_all().for_each(Tickets::tail_not_sampled);
    }

    /// Books all spans as dropped by a policy of the tail.
    pub(crate) fn tail_dropped(mut self) {
        self.take_all().for_each(Tickets::tail_dropped);
    }

    fn take(&mut self) -> Tickets {
        self.tickets.split(u64::MAX)
    }

    fn take_all(&mut self) -> impl Iterator<Item = Tickets> + use<> {
        std::iter::once(self.take()).chain(std::mem::take(&mut self.others))
    }
}

impl Drop for TicketGuard {
    fn drop(&mut self) {
        if !self.tickets.is_empty() {
            match self.is_on_disk {
                true => self.stay_on_disk(),
                false => self.drop_all(self.on_drop),
            }
        }
    }
}

impl fmt::Debug for TicketGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} spans, {} on drop", self.spans(), self.on_drop)
    }
}
