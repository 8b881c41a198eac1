//! The end of a request: its outcome is booked, or its spans are sent again or stored.

use super::refused::Refused;
use super::spool::Replay;
use super::{ExportMachine, book};
use crate::delivery_outcome::{count_request, is_too_large};
use crate::event::ExportEvent;
use crate::machine::action::{Action, RequestId};
use crate::metrics::Operation;
use spanwise_batch::RequestObservation;
use spanwise_ledger::DropReason;
use spanwise_transport::Delivery;
use std::time::Instant;

impl ExportMachine {
    /// A request ended. `delivery` is `None` when the task that sent it panicked.
    pub fn request_ended(&mut self, now: Instant, id: RequestId, delivery: Option<Delivery>) {
        let Some(request) = self.in_flight.remove(id, now) else { return };
        self.free_encoders();
        self.now = now;
        let spans = request.tickets.spans();
        let latency = now.saturating_duration_since(request.sent);
        let is_accepted = delivery.as_ref().is_some_and(Delivery::is_accepted);
        let is_retried = delivery.as_ref().is_some_and(|delivery| delivery.attempts > 1);
        let bytes = request.bytes;
        let ended = RequestObservation { spans, bytes, latency, is_accepted, is_retried };
        let Some((destination, route)) = self.composer.routes.of_lane(id.lane) else { return };
        count_request(&route.ledger, delivery.as_ref());
        let result = book::operation(delivery.as_ref(), request.is_ambiguous);
        let endpoint = request.endpoint.as_ref();
        let operation = endpoint.map(|endpoint| Operation::record(endpoint, result, latency));
        let message = request.request.message().len();
        self.metrics.request_ended((message, latency), delivery.as_ref());
        let is_replay = request.is_replay;
        let name = (destination > 0).then(|| route.name.clone());
        if destination == 0 {
            self.note_receiver(now, is_replay, delivery.as_ref());
            self.sizing.observe_request(now, self.waiting_in_backlog(), ended);
        }
        self.is_flowing = is_accepted;
        if self.is_flowing {
            self.progress = now;
            if self.in_flight.is_present(id) {
                self.refused.get_mut(id.lane).into_iter().for_each(Refused::accepted);
                self.sizing.accepted(id.lane, bytes);
                self.apply_sizing();
            }
        }
        let request = match &delivery {
            Some(delivery) if is_too_large(delivery) => {
                match self.split(id, request, (delivery, &operation)) {
                    Some(request) => request,
                    None => return,
                }
            }
            _ => request,
        };
        if let Some(request) = self.leave_on_disk(id, request, delivery.as_ref()) {
            book::book(request.tickets, delivery.as_ref(), request.is_ambiguous);
        }
        if is_replay {
            self.settle_replay();
        }
        let event = ExportEvent::RequestEnded { destination: name, spans, delivery, operation };
        self.outbox.push_back(Action::Report(event));
    }

    /// The transport is closed: requests in flight get no response, and no request can be sent any more.
    /// Books the former as `ambiguous_timeout`, and all that is drained as `transport`.
    pub fn transport_closed(&mut self) {
        self.is_transport_closed = true;
        let refused = self.refused.first().is_some_and(Refused::has_replay);
        if self.in_flight.has_replay() || refused {
            // Its spans stay on disk, and it is not acknowledged.
            self.spool.iter_mut().for_each(|spool| spool.replay = Replay::None);
        }
        self.in_flight.drop_waiting(DropReason::Transport);
        self.in_flight.drop_all(DropReason::AmbiguousTimeout);
    }
}
