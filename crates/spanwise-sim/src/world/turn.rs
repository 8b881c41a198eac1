//! The turns of the exporter's thread: the place of `ExportThread`, in virtual time.

use super::{World, scope_name};
use crate::hold_policy::POLICY_REASON;
use crate::otlp::{fill, read_request};
use crate::scenario::batch_config;
use crate::sender_event::{Ended, Stored};
use crate::span_list::Stage;
use crate::violation::{Checked, Violation, require};
use spanwise_export::ExportEvent;
use spanwise_export::sans_io::{Action, Drained, QueueAction, RequestId};
use spanwise_ledger::DropReason;
use spanwise_transport::{Delivery, FramedRequest};
use std::time::Instant;

impl World {
    /// One turn: passes events to the machine and carries out its actions, until it waits.
    pub(super) fn turn(&mut self) -> Checked {
        self.thread.turns_in_a_row += 1;
        require(self.thread.turns_in_a_row < MAX_TURNS, "the exporter does not spin", || {
            format!("{} turns at one instant", self.thread.turns_in_a_row)
        })?;
        let is_notified = self.take_notification();
        self.thread.is_notified = false;
        if let Some(machine) = self.thread.machine.as_mut().filter(|_| is_notified) {
            machine.notified();
        }
        self.deliver_calls();
        for ended in std::mem::take(&mut self.thread.ended) {
            self.end_request(ended)?;
        }
        let mut drains = 0;
        for actions in 0.. {
            require(actions < MAX_ACTIONS, "a turn comes to an end", || format!("{actions}"))?;
            let level = self.queue.level();
            let Some(machine) = &mut self.thread.machine else { return Ok(()) };
            let action = machine.poll(self.now, level);
            self.book_policy();
            if self.is_closed {
                self.book_closed();
            }
            match action {
                Action::Queue(action) => {
                    drains += u32::from(matches!(action, QueueAction::DrainAll));
                    require(drains <= MAX_DRAINS || self.held_slots > 0, ONE_DRAIN, || {
                        format!("{drains} drains")
                    })?;
                    if !self.apply(action)? {
                        return self.fail_turn();
                    }
                }
                Action::Send(id, request) => self.send(id, request)?,
                Action::CancelRequests => {
                    self.line(format_args!("all requests are cancelled"));
                    for stored in self.sender.cancel(self.now) {
                        self.store(stored)?;
                    }
                }
                Action::Reply(reply) => {
                    if self.reply(reply)? {
                        self.book_rest();
                    }
                }
                Action::Report(event) => self.report(event)?,
                Action::WaitUntil(until) => return self.wait(until),
                Action::Finish => return self.finish(),
            }
            self.check()?;
            if self.may_panic() {
                return self.fail_turn();
            }
            self.interfere()?;
        }
        Ok(())
    }

    /// The turn ends, and the next one begins at `until` at the latest.
    fn wait(&mut self, until: Instant) -> Checked {
        self.thread.failed_in_a_row = 0;
        // Rounded by no timer; an instant in the past lets other tasks run first.
        self.thread.wake_at = until.max(self.now);
        if !self.thread.ended.is_empty() || self.calls.has_new() || self.take_notification() {
            self.wake();
        }
        self.check()?;
        self.check_turn(until)
    }

    fn finish(&mut self) -> Checked {
        self.line(format_args!("the exporter has shut down"));
        self.thread.is_finished = true;
        self.thread.ended.clear();
        self.sender.abort();
        require(!self.calls.has_waiting(), "each call is answered", String::new)?;
        self.calls.release();
        self.check()
    }

    /// Applies an action to the queue. False: the thread panicked with drained chunks in its hands.
    fn apply(&mut self, action: QueueAction) -> Checked<bool> {
        match &action {
            QueueAction::Recycle(chunks) => {
                self.line(format_args!("{} chunks are recycled", chunks.len()));
            }
            other => self.line(format_args!("{other:?}")),
        }
        if let QueueAction::SetSizes { max_queue_size, .. } = &action {
            self.queue_size = *max_queue_size;
        }
        let Some(drained) = self.queue.apply(action) else { return Ok(true) };
        let spans = drained.chunks.iter().map(|chunk| chunk.spans()).sum::<u64>();
        let (chunks, missed) = (drained.chunks.len(), drained.missed);
        self.line(format_args!("{chunks} chunks of {spans} spans are drained, {missed} missed"));
        if self.may_panic() {
            self.lose(drained);
            return Ok(false);
        }
        let metas = drained.chunks.iter().flat_map(|chunk| chunk.chunk().metas());
        metas.for_each(|meta| self.spans.drain(meta.span_id.0));
        if let Some(machine) = &mut self.thread.machine {
            machine.drained(drained);
        }
        Ok(true)
    }

    /// The chunks are dropped, which books their spans.
    fn lose(&mut self, drained: Drained) {
        let metas = drained.chunks.iter().flat_map(|chunk| chunk.chunk().metas());
        let ids: Vec<u64> = metas.map(|meta| meta.span_id.0).collect();
        self.spans.drop_for(DropReason::WorkerUnavailable, ids.len() as u64);
        self.spans.move_to(&ids, Stage::Settled);
        drop(drained);
    }

    /// A panic in the turn, which its caller catches.
    fn fail_turn(&mut self) -> Checked {
        self.line(format_args!("the turn panics"));
        self.thread.failed_in_a_row += 1;
        if self.thread.failed_in_a_row == MAX_FAILED_TURNS {
            return self.die();
        }
        if let Some(machine) = &mut self.thread.machine {
            machine.abort_turn();
        }
        self.thread.wake_at = self.now;
        self.check()
    }

    /// The thread ends before a shutdown, and books all spans.
    pub(super) fn die(&mut self) -> Checked {
        self.line(format_args!("the exporter's thread dies"));
        self.queue.abandon();
        drop(self.queue.apply(QueueAction::DrainAll));
        self.thread.machine = None;
        let sent: Vec<u64> = self.requests().concat();
        let waiting = self.spans.waiting();
        let panicked = DropReason::ExporterPanic;
        self.spans.lose(&sent, panicked, panicked);
        self.spans.lose(&waiting, DropReason::WorkerUnavailable, panicked);
        self.splits.clear();
        self.sender.abort();
        self.thread.ended.clear();
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
        let sent: Vec<u64> = self.requests().concat();
        self.spans.drop_for(DropReason::AmbiguousTimeout, sent.len() as u64);
        self.spans.move_to(&sent, Stage::Settled);
        self.thread.ended.clear();
        self.sender.abort();
        self.wake();
        self.check()
    }

    /// The settings of batching change.
    pub(super) fn retune(&mut self) -> Checked {
        let mut batch = batch_config(&mut self.random);
        // The queue counts spans from the start of a world on, or never.
        if let Some(old) = self.scenario.batch.max_queue_size {
            let queue = batch.max_queue_size.unwrap_or(old);
            batch.max_queue_size = Some(queue);
            batch.max_export_batch_size = batch.max_export_batch_size.min(queue);
        } else {
            batch.max_queue_size = None;
        }
        self.line(format_args!("{batch:?}"));
        let Some(machine) = self.thread.machine.as_mut().filter(|_| !self.is_closed) else {
            return Ok(());
        };
        machine.set_batch_config(&batch).map_err(|error| Violation {
            rule: "settings are accepted",
            details: error.to_string(),
        })?;
        self.splits.retuned(self.scenario.batch.max_request_bytes, batch.max_request_bytes);
        self.scenario.batch = batch;
        self.retuned = self.now;
        self.wake();
        self.check()
    }

    /// The policy that holds chunks back has dropped spans.
    pub(super) fn book_policy(&mut self) {
        let ids = self.by_policy.take();
        self.spans.drop_for(POLICY_REASON, ids.len() as u64);
        self.spans.move_to(&ids, Stage::Settled);
    }

    /// The spans that the machine holds are lost when the transport is closed.
    fn book_closed(&mut self) {
        let ledger = self.queue.ledger().snapshot();
        let (lost, ambiguous) = (DropReason::Transport, DropReason::AmbiguousTimeout);
        if [lost, ambiguous].iter().all(|&it| ledger.dropped(it) == self.spans.dropped(it)) {
            return;
        }
        // The machine drops its whole backlog, and the requests that it would split.
        let drained = self.spans.drained();
        self.spans.lose(&drained, lost, ambiguous);
        self.splits.clear();
    }

    /// Everything that a shutdown leaves is booked.
    fn book_rest(&mut self) {
        let sent: Vec<u64> = self.requests().concat();
        let waiting = self.spans.waiting();
        let ambiguous = DropReason::AmbiguousShutdown;
        self.spans.lose(&sent, ambiguous, ambiguous);
        self.spans.lose(&waiting, DropReason::ShutdownDeadline, ambiguous);
        self.splits.clear();
        self.thread.ended.clear();
        self.sender.abort();
    }

    /// The spans of each request without an outcome in the ledger.
    fn requests(&self) -> Vec<Vec<u64>> {
        let ended = self.thread.ended.iter().map(|ended| ended.spans.clone());
        self.sender.spans().map(<[u64]>::to_vec).chain(ended).collect()
    }

    /// A request leaves the machine: the judge reads it as the receiver would.
    fn send(&mut self, id: RequestId, request: FramedRequest) -> Checked {
        let message = request.message();
        let mut ids = Vec::new();
        let spans = &mut self.spans;
        let scopes: Vec<String> = (0..self.scenario.scopes).map(scope_name).collect();
        let read = read_request(message, |span| {
            ids.push(span.id);
            let Some(sent) = spans.get_mut(span.id) else { return Err("no such span".to_owned()) };
            let is_waiting = matches!(sent.stage, Stage::Waiting(_));
            sent.stage = Stage::Sent;
            let is_whole =
                span.name.len() == sent.len && span.name.iter().all(|&byte| byte == fill(span.id));
            let is_scope = scopes.get(sent.scope).is_some_and(|name| name.as_bytes() == span.scope);
            match () {
                () if !is_waiting => Err(format!("span {} does not wait", span.id)),
                () if !is_whole => Err(format!("span {} is not the one that ended", span.id)),
                () if !is_scope => Err(format!("span {} is in another scope", span.id)),
                () => Ok(()),
            }
        });
        read.map_err(|details| Violation {
            rule: "a request has whole spans, once each",
            details,
        })?;
        self.line(format_args!("{id:?}: {} spans, {} bytes", ids.len(), message.len()));
        let (count, limit) = (ids.len(), self.scenario.batch.max_export_batch_size);
        require((1..=limit).contains(&count), "a request has at most its limit of spans", || {
            format!("{count} spans, at most {limit}")
        })?;
        let limit = self.scenario.batch.max_request_bytes;
        require(
            count == 1 || message.len() <= limit,
            "a request has at most its limit of bytes",
            || format!("{} bytes, at most {limit}", message.len()),
        )?;
        let was_ambiguous = self.splits.sent(&ids, message.len(), &mut self.spans)?;
        self.counts.requests += 1;
        self.sender.send(self.now, id, request, (ids, was_ambiguous));
        let window = self.sender.len() + self.thread.ended.len();
        require(
            window <= self.scenario.batch.max_in_flight,
            "requests in flight are limited",
            || format!("{window} of {}", self.scenario.batch.max_in_flight),
        )
    }

    /// A request ended: the ledger books what the specification demands.
    fn end_request(&mut self, ended: Ended) -> Checked {
        let before = self.queue.ledger().snapshot();
        let Ended { id, spans, delivery, exported, reasons, refused } = ended;
        let Some(machine) = &mut self.thread.machine else { return Ok(()) };
        let is_accepted = delivery.as_ref().is_some_and(Delivery::is_accepted);
        machine.request_ended(self.now, id, delivery);
        let booked = self.queue.ledger().snapshot().since(&before);
        if is_accepted {
            self.splits.accepted();
        }
        if let Some(refusal) = refused
            && self.splits.refused(&spans, refusal)
        {
            self.line(format_args!("{id:?} is split"));
            let is_right = booked.exported == 0 && booked.dropped_total() == 0;
            require(is_right, "the spans of a request that is too large are sent again", || {
                format!("{id:?}: {booked:?}")
            })?;
            for &id in &spans {
                let Some(span) = self.spans.get_mut(id) else { continue };
                span.stage = Stage::Waiting(self.now);
                span.is_ambiguous |= refusal.is_ambiguous;
            }
            return self.check();
        }
        self.splits.unreported += 1;
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
        self.spans.export(exported);
        drops.iter().for_each(|&(reason, count)| self.spans.drop_for(reason, count));
        self.spans.move_to(&spans, Stage::Settled);
        self.check()
    }

    fn report(&mut self, event: ExportEvent) -> Checked {
        match event {
            ExportEvent::RequestEnded { .. } if self.splits.unreported > 0 => {
                self.splits.unreported -= 1;
                Ok(())
            }
            ExportEvent::RequestEnded { spans, .. } => self.give_up(spans),
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
    fn give_up(&mut self, spans: u64) -> Checked {
        let ids = self.splits.give_up();
        self.line(format_args!("{spans} spans are given up"));
        require(ids.len() as u64 == spans, "a request that is given up has its spans", || {
            format!("{spans} spans, not {}", ids.len())
        })?;
        let is_alone = self.sender.is_empty() && self.thread.ended.is_empty();
        require(is_alone, "no request is given up whose memory will be free", String::new)?;
        self.spans.lose(&ids, DropReason::TooLarge, DropReason::AmbiguousTimeout);
        Ok(())
    }

    /// The receiver stores spans.
    pub(super) fn store(&mut self, stored: Stored) -> Checked {
        let count = stored.spans.len();
        self.line(format_args!("the receiver stores {count} spans"));
        for id in stored.spans {
            if let Some(span) = self.spans.get_mut(id) {
                span.stored += 1;
            }
        }
        Ok(())
    }

    fn may_panic(&mut self) -> bool {
        self.scenario.panics && !self.calls.is_closed() && self.random.one_in(400)
    }
}

/// Turns at one instant, each of which lets a request end or a thread run.
const MAX_TURNS: u32 = 5_000;
const MAX_ACTIONS: u32 = 100_000;
/// Drains of every slot in a turn: for age, for a flush and for memory.
const MAX_DRAINS: u32 = 4;
const ONE_DRAIN: &str = "slots that no thread holds are drained once";
/// Turns in a row after which the thread ends.
const MAX_FAILED_TURNS: u32 = 3;
