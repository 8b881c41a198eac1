//! The outcomes of spans: of requests that ended, and of all spans at the end of the exporter.

use super::World;
use crate::account::Stage;
use crate::hold_policy::POLICY_REASON;
use crate::sender_event::{Ended, Stored};
use crate::violation::{Checked, Violation, require};
use spanwise_export::ExportEvent;
use spanwise_export::sans_io::QueueAction;
use spanwise_ledger::DropReason;
use spanwise_transport::Delivery;

impl World {
    /// A request ended: the ledger books what the specification demands.
    pub(super) fn end_request(&mut self, ended: Ended) -> Checked {
        let Ended { id, spans, bytes, delivery, exported, reasons, refused } = ended;
        let endpoint = &mut self.endpoints[id.endpoint()];
        let destination = endpoint.destination;
        let ledger = &self.destinations[destination].ledger;
        let before = ledger.snapshot();
        let Some(machine) = &mut self.thread.machine else { return Ok(()) };
        let is_accepted = delivery.as_ref().is_some_and(Delivery::is_accepted);
        let is_present = id.endpoint() != 0 || id.generation() == machine.generation();
        machine.request_ended(self.now, id, delivery);
        let booked = ledger.snapshot().since(&before);
        if is_accepted && is_present {
            endpoint.splits.accepted(bytes);
        }
        if let Some(refusal) = refused
            && endpoint.splits.refused(&spans, refusal, is_present)
        {
            self.line(format_args!("{id:?} is split"));
            let is_right = booked.exported == 0 && booked.dropped_total() == 0;
            require(is_right, "the spans of a request that is too large are sent again", || {
                format!("{id:?}: {booked:?}")
            })?;
            let account = self.spans.account_mut(destination);
            for &id in &spans {
                let Some(span) = account.entry_mut(id) else { continue };
                span.stage = Stage::Waiting(self.now);
                span.is_ambiguous |= refusal.is_ambiguous;
            }
            return self.check();
        }
        self.unreported += 1;
        let lost = spans.len() as u64 - exported;
        let drops: Vec<_> = booked.drops().collect();
        let is_right = match drops[..] {
            [] => lost == 0,
            [(reason, count)] => count == lost && reasons.contains(&reason),
            _ => false,
        };
        require(
            is_right && booked.exported == exported,
            "a request is booked as it ended",
            || {
                format!(
                    "{id:?}: {exported} exported, {lost} lost for one of {reasons:?}, not {booked:?}"
                )
            },
        )?;
        let account = self.spans.account_mut(destination);
        account.export(exported);
        drops.iter().for_each(|&(reason, count)| account.drop_for(reason, count));
        account.move_to(&spans, Stage::Settled);
        self.check()
    }

    pub(super) fn report(&mut self, event: ExportEvent) -> Checked {
        match event {
            ExportEvent::RequestEnded { .. } if self.unreported > 0 => {
                self.unreported -= 1;
                Ok(())
            }
            ExportEvent::RequestEnded { spans, destination, .. } => {
                self.give_up(spans, destination.as_deref())
            }
            ExportEvent::RequestSplit { .. } => Ok(()),
            ExportEvent::Awaiting(since) => {
                let is_past = since.is_none_or(|since| since <= self.now);
                require(is_past, "requests are awaited since a past instant", String::new)
            }
            ExportEvent::Panicked { .. } if self.scenario.has_policy => Ok(()),
            other => Err(Violation { rule: "no other event", details: format!("{other:?}") }),
        }
    }

    /// The exporter has no memory to split the last of the refused requests, and gives it up.
    fn give_up(&mut self, spans: u64, name: Option<&str>) -> Checked {
        self.line(format_args!("{spans} spans are given up"));
        let is_its = |destination: usize| match name {
            None => destination == 0,
            Some(name) => destination > 0 && self.destinations[destination].name == name,
        };
        let mut endpoints = self.endpoints.iter();
        let index =
            endpoints.position(|it| is_its(it.destination) && it.splits.would_give_up(spans));
        let rule = "a request that is given up has its spans";
        let Some(index) = index else {
            return Err(Violation { rule, details: format!("{spans} spans of {name:?}") });
        };
        let rule = "no request is given up whose memory will be free";
        require(!self.is_sending(), rule, String::new)?;
        let ids = self.endpoints[index].splits.give_up();
        let account = self.spans.account_mut(self.endpoints[index].destination);
        account.lose(&ids, DropReason::TooLarge, DropReason::AmbiguousTimeout);
        Ok(())
    }

    /// All requests are cancelled: most tasks notice at once.
    pub(super) fn cancel_requests(&mut self) {
        for index in 0..self.endpoints.len() {
            let endpoint = &mut self.endpoints[index];
            let destination = endpoint.destination;
            for stored in endpoint.sender.cancel(self.now) {
                self.store(destination, stored);
            }
        }
    }

    /// The receiver of a destination stores spans.
    pub(super) fn store(&mut self, destination: usize, stored: Stored) {
        let count = stored.spans.len();
        self.line(format_args!("destination {destination} stores {count} spans"));
        let account = self.spans.account_mut(destination);
        for id in stored.spans {
            if let Some(span) = account.entry_mut(id) {
                span.stored += 1;
            }
        }
    }

    /// The thread ends before a shutdown, and books all spans.
    pub(super) fn die(&mut self) -> Checked {
        self.line(format_args!("the exporter's thread dies"));
        self.queue.abandon();
        drop(self.queue.apply(QueueAction::DrainAll));
        self.thread.machine = None;
        self.lose_all(DropReason::WorkerUnavailable, DropReason::ExporterPanic);
        self.calls.release();
        self.check()
    }

    /// The transport is closed: its requests get no response, and all that is drained is lost.
    pub(super) fn close_transport(&mut self) -> Checked {
        if self.scenario.holds_back() {
            // The list could not know which of the spans are held back.
            return Ok(());
        }
        self.line(format_args!("the transport is closed"));
        let Some(machine) = &mut self.thread.machine else { return Ok(()) };
        machine.transport_closed();
        self.is_closed = true;
        for destination in 0..self.destinations.len() {
            let sent: Vec<u64> = self.requests(destination).concat();
            let account = self.spans.account_mut(destination);
            account.drop_for(DropReason::AmbiguousTimeout, sent.len() as u64);
            account.move_to(&sent, Stage::Settled);
        }
        self.endpoints.iter_mut().for_each(|it| it.sender.abort());
        self.thread.ended.clear();
        self.book_unseen()?;
        self.wake();
        self.check()
    }

    /// The policy that holds chunks back has dropped spans.
    pub(super) fn book_policy(&mut self) {
        let ids = self.by_policy.take();
        self.spans.drop_everywhere(&ids, POLICY_REASON);
    }

    /// Tail sampling has decided about spans: no request states which.
    pub(super) fn book_tail(&mut self) {
        for (index, destination) in self.destinations.iter().enumerate() {
            let ledger = destination.ledger.snapshot();
            let account = self.spans.account_mut(index);
            let left_out = ledger.tail_not_sampled.saturating_sub(account.tail_not_sampled());
            account.leave_out_unseen(left_out);
        }
    }

    /// The spans that the machine holds are lost when the transport is closed.
    pub(super) fn book_closed(&mut self) {
        let (lost, ambiguous) = (DropReason::Transport, DropReason::AmbiguousTimeout);
        for (index, destination) in self.destinations.iter().enumerate() {
            let ledger = destination.ledger.snapshot();
            let has_lost =
                |reason| ledger.dropped(reason) != self.spans.account(index).dropped(reason);
            let mut drained = self.spans.drained(index);
            match self.endpoints.len() {
                // The machine drops its whole backlog, and the requests that it would split.
                1 if has_lost(lost) || has_lost(ambiguous) => {}
                // Those that wait for their endpoint are lost before the others, and unseen.
                2.. if has_lost(ambiguous) => {
                    let account = self.spans.account_mut(index);
                    drained.retain(|&id| account.entry_mut(id).is_some_and(|it| it.is_ambiguous));
                }
                _ => continue,
            }
            self.spans.account_mut(index).lose(&drained, lost, ambiguous);
            let endpoints = self.endpoints.iter_mut().filter(|it| it.destination == index);
            endpoints.for_each(|it| it.splits.clear());
        }
    }

    /// Everything that a shutdown leaves is booked.
    pub(super) fn book_rest(&mut self) {
        self.lose_all(DropReason::ShutdownDeadline, DropReason::AmbiguousShutdown);
    }

    /// All spans are lost: for `ambiguous` those that a receiver may have.
    fn lose_all(&mut self, reason: DropReason, ambiguous: DropReason) {
        self.book_tail();
        for destination in 0..self.destinations.len() {
            let sent: Vec<u64> = self.requests(destination).concat();
            let waiting = self.spans.waiting(destination);
            let account = self.spans.account_mut(destination);
            account.lose(&sent, ambiguous, ambiguous);
            account.lose_waiting(&waiting, reason, ambiguous);
        }
        self.abort_requests();
    }
}
