//! The flow of requests to the spool and back: those that the receiver does not accept are stored, and sent again in order once it
//! accepts requests.

use super::ExportMachine;
use super::compose::ComposedRequest;
use super::in_flight::InFlightRequest;
use super::refused::Refused;
use super::spool::{Replay, Spool};
use super::stage::Stage;
use crate::delivery_outcome::{is_retryable, is_too_large};
use crate::event::{ExportEvent, SpoolReport};
use crate::machine::action::{Action, RequestId};
use crate::machine::memory::Charged;
use crate::queue::QueueLevel;
use crate::spool::{SpoolCommand, SpoolEvent, SpoolLosses, SpoolRecovery};
use crate::ticket_guard::TicketGuard;
use spanwise_ledger::DropReason;
#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};
use spanwise_transport::{Delivery, FramedRequest, PREFIX};
use std::sync::Arc;
use std::time::Instant;

impl ExportMachine {
    /// Takes an event of the [spool](crate::RequestSpool) that carries out the commands of [`Action::Spool`].
    pub fn spool_event(&mut self, now: Instant, event: SpoolEvent) {
        self.now = now;
        let Some(spool) = &mut self.spool else { return };
        match event {
            SpoolEvent::Opened(recovery) => self.spool_opened(now, recovery),
            SpoolEvent::Unavailable { error } => {
                if matches!(spool.replay, Replay::Reading(_)) {
                    spool.replay = Replay::None;
                }
                spool.unavailable();
                self.report_spool(SpoolReport::Unavailable { error });
                self.settle_replay();
            }
            SpoolEvent::Stored { id, result } => self.stored(id, result),
            SpoolEvent::Record { buffer, spans } => self.record_read(now, buffer, spans),
            SpoolEvent::RecordTooLarge { bytes, spans, .. } => self.record_too_large(bytes, spans),
            SpoolEvent::Empty { .. } => {
                spool.replay = Replay::None;
                spool.has_records = false;
                spool.may_be_delivered &= spool.is_storing();
                if !spool.is_storing() && std::mem::take(&mut spool.is_outage) {
                    self.report_spool(SpoolReport::Drained);
                }
            }
            SpoolEvent::ReadFailed { error, .. } => {
                spool.replay = Replay::None;
                spool.failed(now, true);
                self.report_spool(SpoolReport::Failed { error });
            }
            SpoolEvent::Lost(losses) => self.lost_on_disk(losses),
            SpoolEvent::Failed { error } => self.report_spool(SpoolReport::Failed { error }),
            SpoolEvent::Closed => spool.unavailable(),
        }
    }

    fn spool_opened(&mut self, now: Instant, recovery: SpoolRecovery) {
        let Some(spool) = &mut self.spool else { return };
        spool.opened();
        spool.has_records |= recovery.spans > 0;
        spool.may_be_delivered |= recovery.spans > 0;
        spool.next_probe = now;
        spool.is_outage |= recovery.spans > 0;
        if let Some(route) = self.composer.routes.destinations().first() {
            route.ledger.recovered(recovery.spans).spooled();
            let lost = [
                (DropReason::SpoolIo, recovery.damaged),
                (DropReason::Crash, recovery.crash.spans),
            ];
            let endpoint = self.in_flight.endpoint(0).cloned();
            for (reason, spans) in lost {
                let tickets = route.ledger.recovered(spans);
                TicketGuard::replayed(tickets, endpoint.clone()).dropped(reason);
            }
        }
        self.report_spool(SpoolReport::Opened(recovery));
    }

    fn stored(&mut self, id: u64, result: Result<(), Arc<str>>) {
        let Some(spool) = &mut self.spool else { return };
        let Some(request) = spool.stored(id) else { return };
        match result {
            Ok(()) => {
                spool.has_records = true;
                request.on_disk(self.in_flight.endpoint(0));
            }
            Err(error) => {
                if request.lost() {
                    // Its record is read again: a copy behind the others has no space.
                    spool.replay = Replay::None;
                    self.outbox.push_back(Action::Spool(SpoolCommand::Rewind));
                }
                self.report_spool(SpoolReport::Failed { error });
            }
        }
        self.settle_replay();
    }

    /// Sends a record that was read.
    fn record_read(&mut self, now: Instant, buffer: Vec<u8>, spans: u64) {
        let Some(spool) = &mut self.spool else { return };
        let Replay::Reading(charged) = std::mem::replace(&mut spool.replay, Replay::None) else {
            return;
        };
        if self.stage.is_closing() {
            // `Close` follows, and rewinds.
            return;
        }
        let Some(route) = self.composer.routes.destinations().first() else { return };
        let Charged { request: memory, copies, .. } = charged;
        let endpoint = self.in_flight.endpoint(0).cloned();
        let tickets = TicketGuard::replayed(route.ledger.unspool(spans), endpoint);
        let bytes = buffer.len();
        let request = FramedRequest::in_prefixed_memory(buffer, |bytes| memory.share(bytes));
        let Ok(request) = request else {
            tickets.dropped(DropReason::SpoolIo);
            self.outbox.push_back(Action::Spool(SpoolCommand::Acknowledge));
            return;
        };
        spool.read_bytes = None;
        spool.sending();
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::AcknowledgedBeforeDelivery) {
            self.outbox.push_back(Action::Spool(SpoolCommand::Acknowledge));
        }
        let copy_factor = self.composer.routes.copies_of(std::iter::once(0));
        let in_flight = InFlightRequest {
            tickets,
            first_chunk: u64::MAX,
            bytes,
            charged: self.composer.memory.charge_of(bytes, copy_factor, false),
            sent: now,
            request: request.clone(),
            is_ambiguous: spool.may_be_delivered,
            is_replay: true,
            endpoint: None,
            charge: copies.map(Arc::new),
        };
        if self.insert(ComposedRequest { lane: 0, bytes: request, request: in_flight })
            && let Some(spool) = &mut self.spool
        {
            spool.split();
        }
    }

    /// A record does not fit the memory that it was to be read into.
    fn record_too_large(&mut self, bytes: usize, spans: u64) {
        let Some(spool) = &mut self.spool else { return };
        spool.replay = Replay::None;
        if self.stage.is_closing() {
            // `Close` follows, and rewinds.
            return;
        }
        let needed = bytes.saturating_add(PREFIX);
        let copies = self.composer.routes.copies_of(std::iter::once(0));
        if needed.saturating_mul(copies) <= self.composer.memory.most_of_one_span() {
            spool.read_bytes = Some(needed);
            self.outbox.push_back(Action::Spool(SpoolCommand::Rewind));
            return;
        }
        // An earlier process had a larger budget.
        if let Some(route) = self.composer.routes.destinations().first() {
            let endpoint = self.in_flight.endpoint(0).cloned();
            let tickets = TicketGuard::replayed(route.ledger.unspool(spans), endpoint);
            tickets.dropped(DropReason::TooLarge);
        }
        self.outbox.push_back(Action::Spool(SpoolCommand::Acknowledge));
        let error = format!("a record of {bytes} bytes exceeds the budget, and is lost");
        self.report_spool(SpoolReport::Failed { error: error.into() });
    }

    fn lost_on_disk(&mut self, losses: SpoolLosses) {
        let Some(route) = self.composer.routes.destinations().first() else { return };
        let lost = [
            (DropReason::SpoolEvicted, losses.evicted),
            (DropReason::SpoolExpired, losses.expired),
            (DropReason::SpoolIo, losses.io),
        ];
        let endpoint = self.in_flight.endpoint(0).cloned();
        for (reason, spans) in lost {
            let tickets = route.ledger.unspool(spans);
            TicketGuard::replayed(tickets, endpoint.clone()).dropped(reason);
        }
        self.report_spool(SpoolReport::Lost(losses));
    }

    /// Reads the next record, if the first endpoint has a slot for it. A receiver that is down gets one as a probe, if no live
    /// request is one.
    pub(super) fn read_spool(&mut self, now: Instant) {
        // A part that found no memory was the last one.
        self.settle_replay();
        let Some(spool) = &mut self.spool else { return };
        let is_due = spool.is_open()
            && spool.has_records
            && matches!(spool.replay, Replay::None)
            && !self.is_transport_closed
            && !self.flushes.have_any_shutdown()
            && !self.stage.is_closing();
        if !is_due || !self.in_flight.has_slot(0) {
            return;
        }
        let may_send = match spool.is_up {
            true => !spool.yields,
            false => self.in_flight.is_idle(0) && now >= spool.next_probe,
        };
        if !may_send || self.refused.first().is_some_and(|refused| !refused.is_empty()) {
            return;
        }
        let memory = &self.composer.memory;
        let copies = self.composer.routes.copies_of(std::iter::once(0));
        let bytes = spool.read_bytes.unwrap_or(memory.usual());
        let Some(mut charged) = memory.try_take(bytes, copies, false) else { return };
        let mut buffer = charged.request.take();
        buffer.resize(PREFIX, 0);
        spool.replay = Replay::Reading(charged);
        self.outbox.push_back(Action::Spool(SpoolCommand::Read { buffer }));
    }

    /// Decides whether the next requests to the first endpoint go to the disk: it has no slot, and memory runs short.
    pub(super) fn divert(&mut self, now: Instant, level: QueueLevel) {
        let Some(spool) = &self.spool else { return };
        let is_disk_idle = !spool.is_storing();
        let is_diverted = spool.accepts(self.composer.memory.usual())
            && match self.stage {
                Stage::StoreRest => true,
                _ => {
                    !self.in_flight.has_slot(0)
                        && self.is_pressed(now, level)
                        && self.composer.backlog.bytes() >= self.composer.complete_bytes() / 4
                }
            };
        self.in_flight.set_diverted(is_diverted, is_disk_idle);
    }

    /// Whether full chunks are drained for the disk.
    pub(super) fn spills(&self, now: Instant, level: QueueLevel) -> bool {
        level.ready > 0
            && self.spool.as_ref().is_some_and(|it| it.accepts(self.composer.memory.usual()))
            && !self.in_flight.has_slot(0)
            && self.is_pressed(now, level)
    }

    /// Whether the queue refuses spans, or soon will. While the receiver accepts nothing, that is sooner.
    fn is_pressed(&self, now: Instant, level: QueueLevel) -> bool {
        if level.is_starved || level.is_shedding {
            return true;
        }
        let budget = self.composer.memory.budget();
        let is_stalled = now >= self.progress + super::STALLED_AFTER;
        let share = |of: usize| if is_stalled { of / 2 } else { of / 4 * 3 };
        let charged = budget.charged() > share(budget.limit().saturating_sub(budget.reserve()));
        let queued = self.max_queue_size.is_some_and(|spans| level.queued > share(spans));
        charged || queued
    }

    /// Hands a request to the spool.
    pub(super) fn store(&mut self, request: InFlightRequest) {
        let Some(spool) = &mut self.spool else {
            return request.tickets.given_up(DropReason::SpoolIo);
        };
        let (id, request, spans) = spool.store(request);
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::SpooledBeforeStored)
            && let Some(request) = spool.stored(id)
        {
            spool.has_records = true;
            request.on_disk(self.in_flight.endpoint(0));
        }
        if !std::mem::replace(&mut spool.is_outage, true) {
            self.outbox.push_back(Action::Report(ExportEvent::Spool(SpoolReport::Storing)));
        }
        self.outbox.push_back(Action::Spool(SpoolCommand::Store { id, request, spans }));
    }

    /// Takes note of the receiver's state as the end of a request to the first destination shows it.
    pub(super) fn note_receiver(
        &mut self,
        now: Instant,
        is_replay: bool,
        delivery: Option<&Delivery>,
    ) {
        let Some(spool) = &mut self.spool else { return };
        match delivery {
            Some(delivery) if delivery.is_accepted() => spool.accepted(is_replay),
            Some(delivery) if is_retryable(delivery) => spool.failed(now, is_replay),
            Some(delivery) if is_too_large(delivery) => {}
            _ => spool.rejected(now),
        }
        spool.yields |= is_replay;
    }

    /// Leaves the spans of a request that has failed on disk, or stores them there. Returns the request if another attempt would be of
    /// no use, or the spool does not take it.
    pub(super) fn leave_on_disk(
        &mut self,
        id: RequestId,
        request: InFlightRequest,
        delivery: Option<&Delivery>,
    ) -> Option<InFlightRequest> {
        let is_first = self.composer.routes.of_lane(id.lane).is_some_and(|(index, _)| index == 0);
        let Some(delivery) = delivery.filter(|it| is_first && is_retryable(it)) else {
            return Some(request);
        };
        let Some(spool) = &mut self.spool else { return Some(request) };
        let is_moved = |spool: &mut Spool| spool.accepts(request.bytes) && spool.is_last_failure();
        if request.is_replay && !spool.is_split() && !is_moved(spool) {
            spool.replay = Replay::None;
            spool.may_be_delivered |= delivery.may_have_been_accepted();
            request.tickets.given_up(DropReason::SpoolIo);
            self.outbox.push_back(Action::Spool(SpoolCommand::Rewind));
            return None;
        }
        // Nothing else needs the memory of what is left at the end.
        let is_last = self.stage.is_closing() && spool.may_store();
        if !is_last && !spool.accepts(request.bytes) {
            return Some(request);
        }
        spool.may_be_delivered |= request.is_ambiguous || delivery.may_have_been_accepted();
        self.store(request);
        None
    }

    /// Acknowledges the record once all of its spans have outcomes, or are stored anew.
    pub(super) fn settle_replay(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        // One that has ended needs no acknowledgement.
        let is_open = spool.is_open() && matches!(spool.replay, Replay::Sending { .. });
        let refused = self.refused.first().is_some_and(Refused::has_replay);
        if is_open && !refused && !self.in_flight.has_replay() && !spool.is_storing_replay() {
            spool.replay = Replay::None;
            self.outbox.push_back(Action::Spool(SpoolCommand::Acknowledge));
        }
    }

    /// Requests and spans that the spool has and has not stored yet.
    pub fn storing_spans(&self) -> u64 {
        self.spool.as_ref().map_or(0, Spool::storing_spans)
    }

    pub(super) fn report_spool(&mut self, report: SpoolReport) {
        self.outbox.push_back(Action::Report(ExportEvent::Spool(report)));
    }
}
