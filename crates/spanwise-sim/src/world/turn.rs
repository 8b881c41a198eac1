//! The turns of the exporter's thread: the place of `ExportThread`, in virtual time.

use super::{World, scope_name};
use crate::account::Stage;
use crate::in_flight::InFlight;
use crate::otlp::{fill, read_request, trace_id};
use crate::scenario::batch_config;
use crate::sender_event::SentSpans;
use crate::violation::{Checked, Violation, require};
use spanwise_export::sans_io::{Action, Drained, QueueAction, RequestId};
use spanwise_ledger::DropReason;
use spanwise_transport::FramedRequest;
use std::collections::HashSet;
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
            self.book_unseen()?;
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
                    self.cancel_requests();
                }
                Action::Reply(reply) => {
                    if self.reply(reply)? {
                        self.book_rest();
                    }
                }
                Action::Report(event) => self.report(event)?,
                Action::WaitUntil(until) => return self.wait(until),
                Action::Spool(command) => {
                    let details = format!("{command:?}");
                    return Err(Violation { rule: "no spool is used without one", details });
                }
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
        self.abort_requests();
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
        // The machine has not shared them with other destinations.
        self.spans.first().drop_for(DropReason::WorkerUnavailable, ids.len() as u64);
        self.spans.first().move_to(&ids, Stage::Settled);
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
        let (before, after) = (self.scenario.batch.max_request_bytes, batch.max_request_bytes);
        self.endpoints.iter_mut().for_each(|it| it.splits.retuned(before, after));
        let (spans, bytes) = self.most;
        self.most = (spans.max(batch.max_export_batch_size), bytes.max(after));
        self.scenario.batch = batch;
        self.retuned = self.now;
        self.wake();
        self.check()
    }

    /// A request leaves the machine: the judge reads it as the receiver would.
    fn send(&mut self, id: RequestId, request: FramedRequest) -> Checked {
        let message = request.message();
        let endpoint = &self.endpoints[id.endpoint()];
        let destination = endpoint.destination;
        let mut ids = Vec::new();
        let (spans, account) = (&self.spans, self.spans.account(destination));
        let scopes: Vec<String> = (0..self.scenario.scopes).map(scope_name).collect();
        let read = read_request(message, |span| {
            ids.push(span.id);
            let Some(sent) = spans.get(span.id) else { return Err("no such span".to_owned()) };
            let is_waiting = matches!(account.stage(span.id), Stage::Waiting(_));
            let is_whole = span.name.len() == sent.len
                && span.name.iter().all(|&byte| byte == fill(span.id))
                && span.trace == trace_id(sent.trace);
            let is_scope = scopes.get(sent.scope).is_some_and(|name| name.as_bytes() == span.scope);
            match () {
                () if !is_waiting => Err(format!("span {} does not wait", span.id)),
                () if !is_whole => Err(format!("span {} is not the one that ended", span.id)),
                () if !is_scope => Err(format!("span {} is in another scope", span.id)),
                () if !self.scenario.is_tail_sampled(sent.trace) => {
                    Err(format!("span {} is of a trace that is not sampled", span.id))
                }
                () if !self.is_for(endpoint, span.id) => {
                    Err(format!("span {} is for another endpoint", span.id))
                }
                () => Ok(()),
            }
        });
        read.map_err(|details| Violation {
            rule: "a request has whole spans, once each",
            details,
        })?;
        let distinct = ids.iter().collect::<HashSet<_>>().len();
        require(distinct == ids.len(), "a request has whole spans, once each", || {
            format!("{} of {} spans", distinct, ids.len())
        })?;
        self.spans.account_mut(destination).move_to(&ids, Stage::Sent);
        self.line(format_args!("{id:?}: {} spans, {} bytes", ids.len(), message.len()));
        let count = ids.len();
        let (limit, max_bytes) = match self.has_one_endpoint() {
            true => {
                (self.scenario.batch.max_export_batch_size, self.scenario.batch.max_request_bytes)
            }
            // It may have waited since before a change of the settings.
            false => self.most,
        };
        require((1..=limit).contains(&count), "a request has at most its limit of spans", || {
            format!("{count} spans, at most {limit}")
        })?;
        let limit = max_bytes;
        require(
            count == 1 || message.len() <= limit,
            "a request has at most its limit of bytes",
            || format!("{} bytes, at most {limit}", message.len()),
        )?;
        let account = self.spans.account_mut(destination);
        let mut is_ambiguous = |&id: &u64| account.entry_mut(id).is_some_and(|it| it.is_ambiguous);
        let was_ambiguous = ids.iter().any(&mut is_ambiguous);
        let bytes = message.len();
        let is_alone = self.has_one_endpoint();
        let endpoint = &mut self.endpoints[id.endpoint()];
        let is_part = endpoint.splits.sent(&ids, bytes, is_alone)?;
        self.counts.requests += 1;
        let sent = SentSpans { spans: ids, was_ambiguous, is_part };
        endpoint.sender.send(self.now, id, request, sent)?;
        let fresh = endpoint.sender.requests(id.generation()).filter(|request| !request.is_part);
        let len = |request: &InFlight| request.request.message().len();
        let (fresh, bytes) = fresh.fold((0, 0), |(count, bytes), it| (count + 1, bytes + len(it)));
        let share = self.scenario.budget_bytes / 8 * 3 / self.endpoints.len();
        let is_within = is_alone || fresh <= 1 || is_part || bytes <= share;
        require(is_within, "the requests to an endpoint stay within its share", || {
            format!("{fresh} requests of {bytes} bytes, the share is {share}")
        })?;
        // Requests to a transport that was replaced hold back none.
        let window = self.window_of(id);
        require(
            window <= self.scenario.batch.max_in_flight,
            "requests in flight are limited",
            || format!("{window} of {}", self.scenario.batch.max_in_flight),
        )
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
