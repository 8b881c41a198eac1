//! The worker's loop: shards → requests → transport → ledger.

mod account;
mod backlog;
mod in_flight;
mod inbox;
mod memory;
mod remote;
mod requests;

use crate::core::{Core, Phase};
use crate::diagnostics::Diagnostics;
use account::Account;
use backlog::Backlog;
use in_flight::{InFlight, Sent};
use inbox::ClosesInbox;
pub(crate) use inbox::{Command, CommandKind, Inbox};
pub(crate) use memory::encoder_bytes;
pub(crate) use remote::{Asked, RemoteSampling};
use requests::RequestBuffers;
use spanwise_batch::{ChargedChunk, FlushAction, FlushSchedule, FlushScheduleConfig};
use spanwise_ledger::DropReason;
use spanwise_sampling::Tick;
use spanwise_transport::{FramedRequest, PREFIX, Transport};
use spanwise_wire::{Framer, RequestLimits};
use spanwise_worker::{Notified, Wakeup, catch_panic, clock};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How spans become requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipelineConfig {
    pub(crate) schedule: FlushScheduleConfig,
    /// Bytes of a usual request.
    pub(crate) request_bytes: usize,
    pub(crate) limits: RequestLimits,
    /// Requests on their way at once.
    pub(crate) max_in_flight: usize,
    pub(crate) reserve: Reserve,
}

/// What of the budget only requests may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserve {
    /// While requests are accepted: enough for several at once.
    pub(crate) flowing: usize,
    /// While nothing is: enough for one of a chunk, so that the rest can be spans that wait.
    pub(crate) stalled: usize,
}

/// Everything the worker thread owns.
pub(crate) struct Pipeline {
    core: Arc<Core>,
    inbox: ClosesInbox,
    /// `None` once it is dropped, behind a fence: it may hold a sink of the user's.
    transport: Option<Transport>,
    config: PipelineConfig,
    resource: Vec<u8>,
    buffers: RequestBuffers,
    /// Whether requests have a compressed copy.
    compressing: bool,
    schedule: FlushSchedule,
    backlog: Backlog,
    in_flight: InFlight,
    /// When a request was accepted last, or the first one sent after it.
    progress: Instant,
    /// Whether the last request that ended was accepted.
    flowing: bool,
    /// When room is made for refused spans again: not at each refusal, when the last pass freed
    /// nothing.
    next_room: Instant,
    started: bool,
    /// Flushes and the shutdown that wait, each for buffers up to `until`.
    waiting: Vec<Pending>,
    /// A command asked for a sweep that has not looked into every slot yet.
    unswept: bool,
    /// A producer notified the worker: many full chunks are ready, or a span was refused.
    notified: bool,
    /// Nothing more can be sent before a request ends.
    blocked: bool,
    account: Account,
    next_recalibration: Instant,
    /// When samplers are told the time again.
    next_tick: Instant,
    remote_sampling: Option<RemoteSampling>,
    idle_sweeps: u32,
    /// The shutdown is done: every span has its outcome.
    finished: bool,
}

struct Pending {
    command: Command,
    /// Set once a sweep has looked into every slot.
    until: Option<u64>,
}

impl Pipeline {
    pub(crate) fn new(
        core: Arc<Core>,
        inbox: Arc<Inbox>,
        transport: Transport,
        config: PipelineConfig,
        resource: Vec<u8>,
        remote_sampling: Option<RemoteSampling>,
        diagnostics: Diagnostics,
    ) -> Self {
        let now = Instant::now();
        let buffers =
            RequestBuffers::new(core.budget().clone(), config.request_bytes, config.max_in_flight);
        Self {
            account: Account::new(core.ledger.clone(), diagnostics),
            inbox: ClosesInbox(inbox),
            config,
            resource,
            buffers,
            compressing: encoder_bytes(&transport) > 0,
            transport: Some(transport),
            backlog: Backlog::new(core.shards.config().chunk_bytes),
            core,
            schedule: FlushSchedule::new(config.schedule, now),
            in_flight: InFlight::new(),
            progress: now,
            flowing: true,
            next_room: now,
            started: false,
            waiting: Vec::new(),
            unswept: false,
            notified: false,
            blocked: false,
            next_recalibration: now,
            next_tick: now,
            remote_sampling,
            idle_sweeps: 0,
            finished: false,
        }
    }

    /// Runs until a shutdown is done.
    pub(crate) async fn run(mut self, mut signal: Notified) {
        self.started = true;
        loop {
            let now = Instant::now();
            self.recalibrate_clock(now);
            self.advise_sampler(now).await;
            self.receive_commands();
            // What has ended makes room for what is sent next.
            self.settle(now);
            self.collect(now);
            self.send(now);
            self.make_room(now);
            self.account.awaiting((self.in_flight.len() > 0).then_some(self.progress));
            self.account.report_losses(now);
            if self.finish_commands(now).await {
                break;
            }
            self.wait(&mut signal).await;
        }
        // `Drop` accounts for what is left and frees memory.
    }

    fn recalibrate_clock(&mut self, now: Instant) {
        if now >= self.next_recalibration {
            self.next_recalibration = now + clock::recalibrate();
        }
    }

    async fn advise_sampler(&mut self, now: Instant) {
        if let Some(remote) = &mut self.remote_sampling {
            remote.turn(now, &mut self.account).await;
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            let account = self.core.ledger.snapshot();
            let recorded = account.created.saturating_sub(account.sampled_out);
            let tick = Tick::at(clock::unix_nanos()).with_recorded(recorded);
            if let Err(panic) = catch_panic(|| self.core.sampler.tick(&tick)) {
                self.account.user_code_panicked("the sampler's tick", &panic);
            }
        }
    }

    fn receive_commands(&mut self) {
        for command in self.inbox.0.take() {
            self.unswept = true;
            self.waiting.push(Pending { command, until: None });
        }
    }

    /// Takes from the shards what is due.
    fn collect(&mut self, now: Instant) {
        let mut taken = Vec::new();
        match self.schedule.poll(now, self.core.shards.ready()) {
            _ if self.unswept => self.sweep(now, &mut taken),
            // Half-empty chunks that cannot be sent would only be charged for more than they hold.
            FlushAction::DrainAll if !self.blocked => self.sweep(now, &mut taken),
            FlushAction::DrainAll | FlushAction::DrainFull => {
                self.core.shards.drain_full(&mut taken, usize::MAX)
            }
            FlushAction::WaitUntil(_) if self.notified => {
                self.core.shards.drain_full(&mut taken, usize::MAX);
            }
            FlushAction::WaitUntil(_) => {}
        }
        self.notified = false;
        self.backlog.extend(taken);
    }

    fn sweep(&mut self, now: Instant, taken: &mut Vec<ChargedChunk>) {
        let missed = self.core.shards.drain_all(taken);
        self.schedule.drained_all(now);
        if missed == 0 && self.unswept {
            self.unswept = false;
            let until = self.backlog.taken() + taken.len() as u64;
            for pending in self.waiting.iter_mut().filter(|pending| pending.until.is_none()) {
                pending.until = Some(until);
            }
        }
        self.idle_sweeps = if taken.is_empty() { self.idle_sweeps + 1 } else { 0 };
        if self.idle_sweeps > 1 {
            self.core.shards.trim(KEEP_IDLE_CHUNKS);
            self.buffers.trim();
        }
    }

    /// Frames and sends for as long as requests may be in flight and their memory is free.
    fn send(&mut self, now: Instant) {
        self.blocked = false;
        while !self.backlog.is_empty() {
            if self.in_flight.len() >= self.config.max_in_flight || !self.send_one(now) {
                self.blocked = true;
                break;
            }
        }
    }

    /// Sends the next request. False when its memory is not free.
    fn send_one(&mut self, now: Instant) -> bool {
        let limits = self.config.limits.with_prefix(PREFIX);
        let heads = self.core.scopes.heads();
        let scope = |index: u32| heads.get(index as usize).map_or(&[][..], |head| head);
        let framer =
            |max_bytes| Framer::new(&self.resource, scope, limits.with_max_bytes(max_bytes));
        let usual = self.config.request_bytes;
        // Room for the scopes' heads.
        self.backlog.begin_batch(usual - usual / 8, limits.max_spans);
        let Some(batch) = self.backlog.batch() else { return true };
        let framing = framer(limits.max_bytes.min(usual));
        let Some(mut plan) = batch.plan(&framing) else {
            // Of chunks without a span.
            self.backlog.advance(None, &self.core.shards);
            return true;
        };
        let large = batch.is_large();
        let memory = if large {
            self.large_memory(plan.encoded_len(), batch)
        } else {
            self.memory(plan.encoded_len())
        };
        let memory = match memory {
            None if self.in_flight.len() == 0 && !large => {
                // No request will end and free memory: as much as there is memory for.
                let Some(smaller) = batch.plan(&framer(self.affordable())) else { return false };
                plan = smaller;
                self.memory(plan.encoded_len())
            }
            memory => memory,
        };
        let Some((mut memory, mut copy)) = memory else { return false };
        let request = batch.write(&framing, &plan, memory.take());
        let (first_buffer, spans) = (self.backlog.framed(), plan.spans());
        if large {
            copy = self.backlog.advance_large(copy, self.copies() * plan.encoded_len());
        } else {
            self.backlog.advance(plan.next(), &self.core.shards);
        }
        let tickets = self.core.ledger.tickets(spans);
        // Fails only if the request lost its prefix or its memory, which `write` rules out; then the
        // spans are counted as lost.
        let Ok(request) = FramedRequest::in_memory(request, |bytes| memory.put(bytes)) else {
            tickets.dropped(DropReason::Transport);
            return true;
        };
        if self.in_flight.len() == 0 && self.flowing {
            self.progress = now;
        }
        let Some(transport) = &self.transport else { return false };
        self.in_flight.start(transport, request, Sent { tickets, first_buffer, charge: copy });
        true
    }

    /// Takes memory from what waits and from what is reserved, for spans to come.
    fn make_room(&mut self, now: Instant) {
        let budget = self.core.budget().clone();
        let Reserve { flowing, stalled } = self.config.reserve;
        let is_stalled = self.in_flight.len() > 0 && now >= self.progress + STALLED_AFTER;
        let reserve = if is_stalled { stalled } else { flowing };
        if budget.reserve() != reserve {
            budget.set_reserve(reserve);
        }
        // Not only when spans are refused: those that come meanwhile would be lost. And not while
        // requests flow: a chunk that was compacted is not used again, which costs page faults.
        if self.blocked && is_stalled && budget.charged() > budget.limit() / 2 {
            self.backlog.compact();
        }
        if !self.core.is_starved() || now < self.next_room {
            return;
        }
        // From here on a refusal notifies again.
        self.core.set_fed();
        let (charged, queued) = (budget.charged(), self.core.shards.queued());
        let is_empty = self.core.shards.ready() == 0 && self.backlog.is_empty();
        if is_stalled || is_empty {
            // What keeps spans out may sit in open chunks.
            let mut taken = Vec::new();
            self.core.shards.drain_all(&mut taken);
            self.backlog.extend(taken);
        }
        if !self.blocked {
            self.send(now);
        } else if is_stalled {
            self.backlog.compact();
        }
        if budget.charged() >= charged && self.core.shards.queued() >= queued {
            self.next_room = now + ROOM_AGAIN_AFTER;
        }
    }

    /// Books the requests that came to an end.
    fn settle(&mut self, now: Instant) {
        while let Some((sent, end)) = self.in_flight.try_next() {
            self.flowing = self.account.book(sent.tickets, end);
            if self.flowing {
                self.progress = now;
            }
        }
    }

    /// Answers who waits. True when the worker's work is over.
    async fn finish_commands(&mut self, now: Instant) -> bool {
        let settled = self.in_flight.settled_before(self.backlog.framed());
        let mut shut_down = None;
        let mut index = 0;
        while let Some(pending) = self.waiting.get(index) {
            let done = pending.until.is_some_and(|until| settled >= until);
            if !done && now < pending.command.deadline {
                index += 1;
                continue;
            }
            let Pending { command, .. } = self.waiting.swap_remove(index);
            match command.kind {
                CommandKind::Flush => command.done.send(done),
                CommandKind::Shutdown => shut_down = Some((command, done)),
            }
        }
        let Some((command, done)) = shut_down else { return false };
        self.give_up().await;
        self.finished = true;
        // The thread ends: what was lost is reported by now.
        self.account.report_last_losses();
        command.done.send(done);
        true
    }

    /// Accounts for everything that has no outcome yet.
    async fn give_up(&mut self) {
        self.in_flight.cancel().await;
        self.settle(Instant::now());
        self.account_lost(DropReason::ShutdownDeadline, DropReason::AmbiguousShutdown);
    }

    /// Takes what is left everywhere: `waiting` is the reason for what never left, `sent` for what
    /// did.
    fn account_lost(&mut self, waiting: DropReason, sent: DropReason) {
        let mut left = Vec::new();
        // Closed before: a thread still in its slot is a few stores from leaving it.
        for _ in 0..LAST_SWEEPS {
            if self.core.shards.drain_all(&mut left) == 0 {
                break;
            }
            std::thread::yield_now();
        }
        self.backlog.extend(left);
        self.core.ledger.tickets(self.backlog.spans()).dropped(waiting);
        self.backlog.clear();
        for request in self.in_flight.abandon() {
            request.tickets.dropped(sent);
        }
    }

    /// Until woken, until a request ends, or until something is due.
    async fn wait(&mut self, signal: &mut Notified) {
        let now = Instant::now();
        let mut until = match self.schedule.poll(now, self.core.shards.ready()) {
            FlushAction::WaitUntil(instant) => instant,
            // Due already, but nothing more can be sent before a request ends.
            _ if self.blocked => now + self.config.schedule.tick,
            _ => now,
        };
        if self.unswept {
            until = until.min(now + RETRY_SWEEP);
        }
        if self.core.is_starved() {
            until = until.min(self.next_room.max(now + RETRY_SWEEP));
        }
        until = until.min(self.next_recalibration);
        for pending in &self.waiting {
            until = until.min(pending.command.deadline);
        }
        if until <= now {
            // Let the tasks that send have their turn.
            tokio::task::yield_now().await;
            return;
        }
        let mut ended = pin!(self.in_flight.ended());
        let mut notified = pin!(signal.wait_until(until.into()));
        self.notified = poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => notified.as_mut().poll(cx).map(|woke| woke == Wakeup::Notified),
        })
        .await;
    }
}

impl Drop for Pipeline {
    /// The end of the worker: by a shutdown, or by a panic that nothing else caught.
    fn drop(&mut self) {
        if !self.finished {
            self.core.leave_running(Phase::WorkerGone);
            self.core.shards.close();
            self.account_lost(DropReason::WorkerUnavailable, DropReason::ExporterPanic);
            // One that never ran is an error of `build`.
            if self.started {
                self.account.worker_died();
            }
        }
        // Somebody may keep a span, and with it the core, for long: it is to hold little.
        self.core.shards.release();
        self.core.scopes.clear();
        self.buffers.trim();
        if let Err(panic) = self.core.drop_sampler() {
            self.account.user_code_panicked("the sampler's drop", &panic);
        }
        let transport = self.transport.take();
        if let Err(panic) = catch_panic(|| drop(transport)) {
            self.account.user_code_panicked("the sink's drop", &panic);
        }
        self.account.close();
    }
}

/// Between two ticks of the sampler.
const TICK: Duration = Duration::from_millis(100);
/// How soon a slot that was taken is looked at again.
const RETRY_SWEEP: Duration = Duration::from_millis(1);
/// Chunks kept for reuse by a process that makes no spans.
const KEEP_IDLE_CHUNKS: usize = 4;
/// How soon spans are made room for again after a pass that freed nothing.
const ROOM_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long no request may be accepted before memory that is reserved for them goes to spans.
const STALLED_AFTER: Duration = Duration::from_millis(500);
/// Tries to get into every slot at the very end.
const LAST_SWEEPS: usize = 1000;

#[cfg(test)]
mod tests;
