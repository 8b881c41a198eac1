//! The flow of spans through the machine: drain, hold back, send, and the settings that govern it.

use super::ExportMachine;
use super::compose::{Composed, ComposedRequest};
use super::held::HeldLimits;
use super::in_flight::InFlightRequest;
use super::patience::MayWait;
use super::refused::Refused;
use super::spool::Spool;
use super::stage::Drain;
use super::{RETRY_DRAIN, trim};
use crate::batch_config::BatchConfig;
use crate::event::ExportEvent;
use crate::machine::action::{Action, RequestId};
use crate::metrics::Operation;
use crate::queue::{QueueAction, QueueLevel};
use spanwise_batch::{ChargedChunk, FlushAction, FlushScheduleConfig, FullChunks};
use spanwise_ledger::{Counter, DropReason};
use spanwise_transport::Delivery;
use std::time::{Duration, Instant};

impl ExportMachine {
    /// Applies the settings that `sizing` does not determine, then those that it does.
    pub(super) fn apply(&mut self, config: &BatchConfig) {
        let schedule = self.schedule.config().with_scheduled_delay(config.scheduled_delay);
        self.schedule.set_config(schedule);
        self.in_flight.set_max(config.max_in_flight);
        self.held.set_time(config.hold_back);
        self.tail.iter_mut().for_each(|tail| tail.set_delay(config.scheduled_delay));
        self.max_queue_size = config.max_queue_size;
        self.apply_sizing();
    }

    /// Applies the limits of the next batch, if they have changed.
    pub(super) fn apply_sizing(&mut self) {
        let Some(limits) = self.sizing.take_changed() else { return };
        self.composer.set_limits(self.sizing.hard_limits(limits), limits);
        let counts_spans = self.sizing.counts_spans();
        let batch_spans = counts_spans.then_some(limits.spans);
        let chunks = match counts_spans {
            // A request leaves once it is full.
            true => self.composer.complete_bytes().div_ceil(self.chunk_bytes).max(1),
            false => FlushScheduleConfig::default().chunks,
        };
        self.schedule.set_config(self.schedule.config().with_chunks(chunks));
        let sizes = (batch_spans, self.max_queue_size);
        if self.sizes.replace(sizes) != Some(sizes) {
            let (batch_spans, max_queue_size) = sizes;
            let action = QueueAction::SetSizes { batch_spans, max_queue_size };
            self.outbox.push_back(Action::Queue(action));
        }
    }

    /// Requests the drain that is due.
    pub(super) fn drain(&mut self, now: Instant, level: QueueLevel) -> Option<Action> {
        if self.schedule.config().batch_spans != level.batch_spans {
            // A whole number of chunks, as the queue rounds it.
            self.schedule.set_config(self.schedule.config().with_batch_spans(level.batch_spans));
        }
        if self.sizing.is_dynamic() {
            self.sizing.observe_turn(now, level.ready_spans, self.waiting_in_backlog());
            self.apply_sizing();
        }
        let is_notified = std::mem::take(&mut self.is_notified);
        if level.ready >= self.schedule.config().chunks {
            // For their bytes, whatever the number of spans.
            self.sends_all = true;
        }
        let drain = match self.schedule.poll(now, self.full_chunks(level)) {
            _ if self.flushes.need_drain() => Drain::All(now),
            // Half-empty chunks that cannot be sent would only be charged for more than they hold.
            FlushAction::DrainAll if !self.is_blocked => Drain::All(now),
            FlushAction::DrainFull if self.tail_needs_drain(now, true) => Drain::Roots,
            FlushAction::DrainAll | FlushAction::DrainFull => Drain::Full,
            FlushAction::DrainBatch(_) | FlushAction::WaitUntil(_) if is_notified => Drain::Full,
            FlushAction::DrainBatch(spans) => {
                self.schedule.counted(now);
                if self.is_blocked {
                    return None;
                }
                let waiting = usize::try_from(self.composer.backlog.spans()).unwrap_or(usize::MAX);
                Drain::Batch(spans.saturating_sub(waiting).max(1))
            }
            // The threshold falls with the fill: the last full chunks do not wait for their schedule.
            FlushAction::WaitUntil(_) if level.is_shedding && level.ready > 0 => Drain::Full,
            // No span waits, and none comes that would find the queue full: open chunks have its permits, or
            // caches have its memory.
            FlushAction::WaitUntil(_) if level.is_shedding && self.backlog_spans() == 0 => {
                self.composer.memory.trim();
                self.outbox.push_back(trim(0));
                Drain::ForMemory
            }
            FlushAction::WaitUntil(_) if self.spills(now, level) => Drain::Full,
            FlushAction::WaitUntil(_) if self.tail_needs_drain(now, false) => Drain::Roots,
            FlushAction::WaitUntil(_) => return None,
        };
        Some(self.request_drain(drain))
    }

    pub(super) fn request_drain(&mut self, drain: Drain) -> Action {
        self.draining = Some(drain);
        Action::Queue(match drain {
            Drain::Full => QueueAction::DrainFull,
            Drain::Batch(spans) => QueueAction::DrainBatch { spans },
            Drain::All(_) | Drain::Roots | Drain::ForMemory | Drain::Rest(_) => {
                QueueAction::DrainAll
            }
        })
    }

    /// Moves held chunks that are due to the backlog, and those that use too much memory.
    pub(super) fn release_held(&mut self, now: Instant, level: QueueLevel) {
        self.release_tail(now, level);
        // Held chunks keep the fill up: a queue that sheds traces for them would do so for as long as they are held.
        let limits = match level.is_starved || level.is_shedding {
            true => HeldLimits { charged: 0, spans: 0 },
            false => HeldLimits {
                charged: self.composer.memory.budget().limit() / 4,
                spans: self.max_queue_size.map_or(u64::MAX, |spans| spans as u64 / 2),
            },
        };
        let released = self.held.release(now, limits);
        // They have waited for longer than those that still wait for a batch.
        self.sends_all |= !released.is_empty() || level.is_starved;
        self.composer.backlog.extend(released);
        for panic in self.held.take_panics() {
            self.policy_panics = self.policy_panics.saturating_add(1);
            let (code, count) = ("the hold-back policy", self.policy_panics);
            self.outbox.push_back(Action::Report(ExportEvent::Panicked { code, panic, count }));
        }
    }

    /// Makes the next request, as long as requests may be in flight and their memory is free.
    pub(super) fn send(&mut self, now: Instant, level: QueueLevel) -> Option<Action> {
        self.is_blocked = false;
        self.waits_until = None;
        let budget = self.composer.memory.budget();
        let times = (now, self.flushes.next_deadline());
        let may_wait = MayWait::new(budget, self.max_queue_size, level, times);
        if self.is_transport_closed {
            self.drop_tail(DropReason::Transport);
            self.held.drop_all(DropReason::Transport);
            self.composer.backlog.drop_all(DropReason::Transport);
            let drop_all =
                |it: &mut Refused| it.drop_all(DropReason::Transport, DropReason::AmbiguousTimeout);
            self.refused.iter_mut().for_each(drop_all);
        }
        if let Some(action) = self.send_refused(now) {
            return Some(action);
        }
        self.read_spool(now);
        loop {
            // A request counts as sent from here on, so no other action may come between.
            if let Some(action) = self.outbox.pop_front() {
                return Some(action);
            }
            if let Some((id, request)) = self.in_flight.next_to_send(now) {
                self.metrics.request_sent();
                return Some(Action::Send(id, request));
            }
            if !self.has_batch() {
                if let Some(spool) = &mut self.spool
                    && std::mem::take(&mut spool.yields)
                {
                    self.read_spool(now);
                    continue;
                }
                return None;
            }
            self.divert(now, level);
            // The memory of refused requests is not for others.
            if self.in_flight.is_full() || self.are_all_refused() {
                self.is_blocked = true;
                return None;
            }
            self.in_flight.set_to_split(self.refused.iter().map(Refused::bytes));
            match self.composer.next_requests(now, &mut self.in_flight, may_wait) {
                Composed::Requests(requests, framed) => {
                    if self.in_flight.is_empty() && self.is_flowing {
                        self.progress = now;
                    }
                    let mut is_split = false;
                    for request in requests {
                        is_split |= self.insert(request);
                    }
                    self.recycle(framed);
                    if is_split && let Some(action) = self.send_refused(now) {
                        return Some(action);
                    }
                }
                Composed::Nothing(framed) => self.recycle(framed),
                Composed::TrimFirst => return Some(trim(0)),
                Composed::LaneFull(until) => {
                    self.waits_until = Some(until);
                    self.is_blocked = true;
                    return None;
                }
                Composed::NoMemory | Composed::NoLane => {
                    self.is_blocked = true;
                    return None;
                }
            }
        }
    }

    /// Adds a request to its lane, or to those that are sent in parts, because its endpoint refuses its size.
    /// Returns whether it is one of the latter.
    pub(super) fn insert(&mut self, request: ComposedRequest) -> bool {
        let ComposedRequest { lane, bytes, mut request } = request;
        if !request.is_replay
            && lane == 0
            && let Some(spool) = &mut self.spool
        {
            spool.yields = false;
            if self.in_flight.is_diverted(0) {
                self.store(request);
                return false;
            }
        }
        let max_bytes = self.sizing.max_bytes_of(lane);
        if request.bytes > max_bytes
            && let Some(refused) = self.refused.get_mut(lane)
        {
            match refused.push_large(request, max_bytes) {
                Some(whole) => request = whole,
                None => return true,
            }
        }
        self.in_flight.insert(lane, bytes, request);
        false
    }

    /// The receiver refused `request` as too large: its spans are sent again in smaller requests, as all spans
    /// to this endpoint from now on. Returns a request that cannot be split.
    pub(super) fn split(
        &mut self,
        id: RequestId,
        request: InFlightRequest,
        (delivery, operation): (&Delivery, &Option<Operation>),
    ) -> Option<InFlightRequest> {
        let (spans, floor) = (request.tickets.spans(), self.composer.least_max_bytes());
        let lane = id.lane;
        // The limit of an endpoint that was left is not that of the next one.
        if self.in_flight.is_present(id) {
            self.sizing.refused(lane, request.bytes, floor);
            self.apply_sizing();
        }
        let Some(refused) = self.refused.get_mut(lane) else { return Some(request) };
        let is_replay = request.is_replay;
        if let Some(request) = refused.push(request, delivery, floor) {
            return Some(request);
        }
        self.spool.iter_mut().filter(|_| is_replay).for_each(Spool::split);
        let (_, route) = self.composer.routes.of_lane(lane)?;
        route.ledger.count(Counter::RequestsSplit, 1);
        let (max_bytes, delivery) = (self.sizing.max_bytes_of(lane), delivery.clone());
        let event =
            ExportEvent::RequestSplit { spans, max_bytes, delivery, operation: operation.clone() };
        self.outbox.push_back(Action::Report(event));
        None
    }

    /// Sends the next part of a refused request: its spans are older than those of the backlog, and its
    /// memory is needed.
    fn send_refused(&mut self, now: Instant) -> Option<Action> {
        for (lane, refused) in self.refused.iter_mut().enumerate() {
            while !refused.is_empty() {
                let is_idle = self.in_flight.is_idle(lane);
                if !self.in_flight.is_ready(lane) {
                    break;
                }
                let max_bytes = self.sizing.max_bytes_of(lane);
                match self.composer.next_part(refused, (lane, max_bytes), now, is_idle) {
                    Composed::Requests(requests, _) => {
                        if self.in_flight.is_empty() && self.is_flowing {
                            self.progress = now;
                        }
                        for ComposedRequest { lane, bytes, request } in requests {
                            self.in_flight.insert(lane, bytes, request);
                        }
                        let (id, request) = self.in_flight.next_to_send(now)?;
                        self.metrics.request_sent();
                        return Some(Action::Send(id, request));
                    }
                    Composed::Nothing(_) => {}
                    Composed::TrimFirst => return Some(trim(0)),
                    // No request will end and free memory: that of a refused one has to do.
                    Composed::NoMemory if self.in_flight.is_empty() => {
                        let (spans, delivery) = refused.give_up()?;
                        let (destination, route) = self.composer.routes.of_lane(lane)?;
                        let destination = (destination > 0).then(|| route.name.clone());
                        let delivery = Some(delivery);
                        let event = ExportEvent::RequestEnded {
                            destination,
                            spans,
                            delivery,
                            operation: None,
                        };
                        return Some(Action::Report(event));
                    }
                    Composed::NoMemory | Composed::NoLane | Composed::LaneFull(_) => {
                        self.is_blocked = true;
                        break;
                    }
                }
            }
        }
        // Refused requests of one endpoint hold back no span for another.
        self.is_blocked |= self.are_all_refused();
        None
    }

    /// Whether each endpoint has refused requests, whose memory is not for other spans.
    fn are_all_refused(&self) -> bool {
        self.refused.iter().all(|refused| !refused.is_empty())
    }

    /// Whether the backlog has a request's worth of spans, or any that are due.
    fn has_batch(&mut self) -> bool {
        let backlog = &self.composer.backlog;
        if backlog.is_empty() {
            self.sends_all = false;
            return false;
        }
        let Some(batch) = self.schedule.config().batch_spans else { return true };
        self.sends_all
            || backlog.spans() >= batch as u64
            || backlog.bytes() >= self.composer.complete_bytes()
    }

    /// The time of the next turn, unless an event comes first.
    pub(super) fn wait_until(&self, now: Instant, level: QueueLevel) -> Instant {
        let mut until = match self.schedule.poll(now, self.full_chunks(level)) {
            FlushAction::WaitUntil(until) => until,
            // Due already, but no more can be sent before a request ends.
            _ if self.is_blocked => now + self.schedule.config().tick,
            _ => now,
        };
        if let Some(due) = self.held.next_due() {
            // A policy that is always due must not keep the thread busy.
            until = until.min(due.max(now + SHORTEST_HOLD));
        }
        if let Some(due) = self.tail.as_ref().and_then(|tail| tail.next_due(!self.is_blocked)) {
            until = until.min(due.max(now + SHORTEST_HOLD));
        }
        if let Some(waits_until) = self.waits_until {
            until = until.min(waits_until.max(now + SHORTEST_HOLD));
        }
        if self.flushes.need_drain() {
            until = until.min(now + RETRY_DRAIN);
        }
        if level.is_starved {
            let relief = if level.can_accept { now } else { self.next_relief };
            until = until.min(relief.max(now + RETRY_DRAIN));
        }
        self.flushes.next_deadline().map_or(until, |deadline| until.min(deadline))
    }

    /// Spans and bytes that may be framed and are in no request yet.
    pub(super) fn waiting_in_backlog(&self) -> (u64, u64) {
        match self.sizing.is_dynamic() {
            true => (self.composer.backlog.spans(), self.composer.backlog.bytes() as u64),
            false => (0, 0),
        }
    }

    /// The full chunks. The spans that wait in the backlog for others count as theirs.
    fn full_chunks(&self, level: QueueLevel) -> FullChunks {
        let waiting = match self.schedule.config().batch_spans {
            Some(_) => usize::try_from(self.composer.backlog.spans()).unwrap_or(usize::MAX),
            None => 0,
        };
        FullChunks { chunks: level.ready, spans: level.ready_spans.saturating_add(waiting) }
    }

    pub(super) fn recycle(&mut self, framed: Vec<ChargedChunk>) {
        if !framed.is_empty() {
            self.outbox.push_back(Action::Queue(QueueAction::Recycle(framed)));
        }
    }
}

/// The shortest time for which a held chunk waits for its next decision, unless an event comes first.
const SHORTEST_HOLD: Duration = Duration::from_millis(1);
