//! The transports of the endpoints: the present ones, and earlier ones of the first endpoint that have requests.

use crate::dynamic_transport::DynamicTransport;
use crate::machine::{ExportMachine, RequestId};
use spanwise_transport::Transport;
use spanwise_worker::{CaughtPanic, catch_panic};
use std::time::Instant;

/// The transport of each endpoint. They may hold sinks of the user's, whose drop may panic.
pub(super) struct Transports {
    present: Vec<Transport>,
    /// Earlier ones of the first endpoint, each with its generation: at most [`DynamicTransport::MAX_RETIRED`].
    retired: Vec<(u32, Transport)>,
    /// Earlier ones whose requests have ended.
    unneeded: Vec<Transport>,
    next: Option<DynamicTransport>,
}

impl Transports {
    pub(super) fn new(present: Vec<Transport>) -> Self {
        Self { present, retired: Vec::new(), unneeded: Vec::new(), next: None }
    }

    /// Replaces the first transport by each that `next` gets.
    pub(super) fn follow(&mut self, next: DynamicTransport) {
        self.next = Some(next);
    }

    /// The transport of a request.
    pub(super) fn get(&self, id: RequestId) -> Option<&Transport> {
        if id.endpoint() == 0 {
            let mut retired = self.retired.iter();
            if let Some((_, transport)) = retired.find(|(of, _)| *of == id.generation()) {
                return Some(transport);
            }
        }
        self.present.get(id.endpoint())
    }

    /// Takes the next transport of the first endpoint over, if there is one and few earlier ones have requests.
    pub(super) fn take_next(&mut self, machine: &mut ExportMachine, now: Instant) {
        self.retain_needed(machine);
        let Some(next) = &self.next else { return };
        if self.retired.len() >= DynamicTransport::MAX_RETIRED {
            return;
        }
        let generation = machine.generation();
        let Some(taken) = next.take_next(|next| machine.set_transport(now, next)) else { return };
        let Some(first) = self.present.first_mut() else { return };
        let before = std::mem::replace(first, taken.transport);
        // Its requests are compressed already, but for those that wait.
        before.free_idle_encoders();
        self.retired.push((generation, before));
        self.retain_needed(machine);
    }

    /// Retains the earlier transports that have requests.
    pub(super) fn retain_needed(&mut self, machine: &ExportMachine) {
        let is_unneeded = |(generation, _): &mut (u32, Transport)| {
            machine.retired_generations().all(|needed| needed != *generation)
        };
        if !self.retired.is_empty() {
            let unneeded = self.retired.extract_if(.., is_unneeded);
            self.unneeded.extend(unneeded.map(|(_, transport)| transport));
        }
    }

    /// Drops the transports whose requests have ended.
    pub(super) fn drop_unneeded(&mut self) -> impl Iterator<Item = CaughtPanic> {
        let unneeded = std::mem::take(&mut self.unneeded).into_iter();
        unneeded.filter_map(|transport| catch_panic(|| drop(transport)).err())
    }

    /// Drops all transports.
    pub(super) fn drop_all(&mut self) -> impl Iterator<Item = CaughtPanic> {
        let closed = self.next.take().and_then(|next| catch_panic(|| next.close()).err());
        let retired = std::mem::take(&mut self.retired).into_iter().map(|(_, transport)| transport);
        let unneeded = std::mem::take(&mut self.unneeded);
        let all = std::mem::take(&mut self.present).into_iter().chain(retired).chain(unneeded);
        closed.into_iter().chain(all.filter_map(|transport| catch_panic(|| drop(transport)).err()))
    }
}
