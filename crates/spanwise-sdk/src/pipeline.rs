//! The worker's loop: shards → requests → transport → ledger.

mod account;
mod in_flight;
mod inbox;
mod remote;
mod requests;

use crate::core::Core;
use crate::diagnostics::Diagnostics;
use account::Account;
use in_flight::{InFlight, Sent};
use inbox::ClosesInbox;
pub(crate) use inbox::{Command, CommandKind, Inbox};
pub(crate) use remote::{Asked, RemoteSampling};
use requests::RequestBuffers;
use spanwise_batch::{Buffer, Charge, Schedule, ScheduleConfig, Step};
use spanwise_ledger::DropReason;
use spanwise_sampling::Tick;
use spanwise_transport::{FramedRequest, PREFIX, Transport};
use spanwise_wire::{Framer, Request, RequestLimits};
use spanwise_worker::{Signal, Woke, clock};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How spans become requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipelineConfig {
    pub(crate) schedule: ScheduleConfig,
    /// Bytes of spans gathered for one request.
    pub(crate) batch_bytes: usize,
    pub(crate) limits: RequestLimits,
    /// Whether the transport makes a compressed copy of each request.
    pub(crate) compressed: bool,
    /// Requests on their way at once.
    pub(crate) max_in_flight: usize,
}

/// Everything the worker thread owns.
pub(crate) struct Pipeline {
    core: Arc<Core>,
    inbox: ClosesInbox,
    transport: Transport,
    config: PipelineConfig,
    resource: Vec<u8>,
    /// Apart from the chunks' budget, so that full shards can always be turned into a request.
    buffers: RequestBuffers,
    schedule: Schedule,
    /// Taken from the shards, not framed yet.
    queue: VecDeque<Buffer>,
    /// Buffers ever taken, and ever framed: how flushes know what came before them.
    taken: u64,
    framed: u64,
    in_flight: InFlight,
    /// Flushes and the shutdown that wait, each for buffers up to `until`.
    waiting: Vec<Pending>,
    /// A command asked for a sweep that has not looked into every slot yet.
    unswept: bool,
    /// Somebody rang: many chunks are ready, or there is no room for a span.
    rung: bool,
    account: Account,
    next_anchor: Instant,
    /// When samplers are told the time again.
    next_tick: Instant,
    remote_sampling: Option<RemoteSampling>,
    idle_sweeps: u32,
}

/// The head of the queue, as much as makes one request.
struct Batch {
    buffers: usize,
    bytes: usize,
    spans: usize,
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
        Self {
            account: Account::new(core.ledger.clone(), diagnostics),
            inbox: ClosesInbox(inbox),
            transport,
            config,
            resource,
            buffers: RequestBuffers::new(core.requests.clone(), config.max_in_flight),
            core,
            schedule: Schedule::new(config.schedule, now),
            queue: VecDeque::new(),
            taken: 0,
            framed: 0,
            in_flight: InFlight::default(),
            waiting: Vec::new(),
            unswept: false,
            rung: false,
            next_anchor: now,
            next_tick: now,
            remote_sampling,
            idle_sweeps: 0,
        }
    }

    /// Runs until a shutdown is done.
    pub(crate) async fn run(mut self, mut signal: Signal) {
        loop {
            let now = Instant::now();
            self.anchor_clock(now);
            self.advise_sampler(now).await;
            self.receive_commands();
            // What has ended makes room for what is sent next.
            self.settle();
            self.collect(now);
            self.send();
            self.account.tell(now);
            if self.finish_commands(now) {
                break;
            }
            self.wait(&mut signal).await;
        }
        self.core.shards.trim(0);
        self.buffers.trim();
    }

    fn anchor_clock(&mut self, now: Instant) {
        if now >= self.next_anchor {
            self.next_anchor = now + clock::anchor();
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
            self.core.sampler.tick(&Tick::at(clock::unix_nanos()).with_recorded(recorded));
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
        let ready = self.core.shards.ready();
        // Rung with nothing ready: what keeps spans out sits in the open chunks.
        let starved = self.rung && ready == 0 && self.queue.is_empty();
        match self.schedule.poll(now, ready) {
            _ if self.unswept || starved => self.sweep(now, &mut taken),
            Step::Sweep => self.sweep(now, &mut taken),
            Step::Drain => self.core.shards.drain(&mut taken, usize::MAX),
            Step::WaitUntil(_) if self.rung => self.core.shards.drain(&mut taken, usize::MAX),
            Step::WaitUntil(_) => {}
        }
        self.rung = false;
        self.taken += taken.len() as u64;
        self.queue.extend(taken);
    }

    fn sweep(&mut self, now: Instant, taken: &mut Vec<Buffer>) {
        let missed = self.core.shards.sweep(taken);
        self.schedule.swept(now);
        if missed == 0 && self.unswept {
            self.unswept = false;
            let until = self.taken + taken.len() as u64;
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
    fn send(&mut self) {
        while !self.queue.is_empty() && self.in_flight.len() < self.config.max_in_flight {
            let batch = self.next_batch();
            // Span bytes, the heads around them, and an eighth for scopes that come back and back.
            let room = batch.bytes.max(self.config.batch_bytes);
            let room = room + room / 8 + self.resource.len() + HEADS;
            let limits = &self.config.limits;
            let whole = batch.spans <= limits.max_spans && room <= limits.max_bytes;
            let sent =
                if whole { self.send_one(&batch, room) } else { self.send_cut(&batch, room) };
            if !sent {
                break;
            }
        }
    }

    /// Sends the batch as one request, in a buffer that comes back.
    fn send_one(&mut self, batch: &Batch, room: usize) -> bool {
        let Some(mut buffer) = self.buffers.take(room) else { return false };
        let copy = if self.config.compressed {
            let Some(charge) = self.buffers.charge(room) else { return false };
            Some(charge)
        } else {
            None
        };
        let first = self.framed;
        let mut requests = self.frame(batch, Some(buffer.take())).into_iter();
        if let Some(request) = requests.next() {
            let spans = request.spans();
            if let Ok(framed) = FramedRequest::in_memory(request, |bytes| buffer.put(bytes)) {
                self.start(first, framed, spans, copy);
            }
        }
        // There are no others, unless scopes have longer heads than anybody gives them.
        self.start_all(first, requests, None);
        true
    }

    /// Sends the batch as several requests, as its size wants.
    fn send_cut(&mut self, batch: &Batch, room: usize) -> bool {
        let copies = 1 + usize::from(self.config.compressed);
        let Some(charge) = self.buffers.charge(copies * room) else { return false };
        let first = self.framed;
        let requests = self.frame(batch, None);
        self.start_all(first, requests, Some(charge));
        true
    }

    fn start_all(
        &mut self,
        first_buffer: u64,
        requests: impl IntoIterator<Item = Request>,
        charge: Option<Arc<Charge>>,
    ) {
        for request in requests {
            let spans = request.spans();
            self.start(first_buffer, request.into(), spans, charge.clone());
        }
    }

    fn start(
        &mut self,
        first_buffer: u64,
        request: FramedRequest,
        spans: u64,
        charge: Option<Arc<Charge>>,
    ) {
        let tickets = self.core.ledger.tickets(spans);
        self.in_flight.start(&self.transport, request, Sent { tickets, first_buffer, charge });
    }

    /// What the next request is made of.
    fn next_batch(&self) -> Batch {
        let mut batch = Batch { buffers: 0, bytes: 0, spans: 0 };
        for buffer in &self.queue {
            let bytes = batch.bytes + buffer.chunk().bytes().len();
            let spans = batch.spans + buffer.chunk().len();
            let full = bytes > self.config.batch_bytes || spans > self.config.limits.max_spans;
            if batch.buffers > 0 && full {
                break;
            }
            batch = Batch { buffers: batch.buffers + 1, bytes, spans };
        }
        batch
    }

    /// Takes the batch off the queue, and its chunks back to the shards.
    fn frame(&mut self, batch: &Batch, memory: Option<Vec<u8>>) -> Vec<Request> {
        let buffers: Vec<Buffer> = self.queue.drain(..batch.buffers).collect();
        self.framed += batch.buffers as u64;
        let chunks: Vec<_> = buffers.iter().map(Buffer::chunk).collect();
        let heads = self.core.scopes.heads();
        let scope = |index: u32| heads.get(index as usize).map_or(&[][..], |head| head);
        let limits = self.config.limits.with_prefix(PREFIX);
        let mut requests = Vec::with_capacity(1);
        let mut framer = Framer::new(&self.resource, scope, limits);
        framer.reuse(memory.unwrap_or_default());
        framer.frame(&chunks, |request| requests.push(request));
        self.core.shards.recycle(buffers);
        requests
    }

    /// Books the requests that came to an end.
    fn settle(&mut self) {
        while let Some((sent, delivery)) = self.in_flight.try_next() {
            self.account.book(sent.tickets, delivery);
        }
    }

    /// Answers who waits. True when the worker's work is over.
    fn finish_commands(&mut self, now: Instant) -> bool {
        let settled = self.in_flight.settled_before(self.framed);
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
                CommandKind::Flush => command.done.complete(done),
                CommandKind::Shutdown => shut_down = Some((command, done)),
            }
        }
        let Some((command, done)) = shut_down else { return false };
        self.give_up();
        // Last word before the thread ends: what was lost is told by now.
        self.account.tell_rest();
        command.done.complete(done);
        true
    }

    /// Accounts for everything that has no outcome yet.
    fn give_up(&mut self) {
        let mut left = Vec::new();
        // Closed before: a thread still in its slot is a few stores from leaving it.
        for _ in 0..LAST_SWEEPS {
            if self.core.shards.sweep(&mut left) == 0 {
                break;
            }
            std::thread::yield_now();
        }
        left.extend(self.queue.drain(..));
        let spans: usize = left.iter().map(|buffer| buffer.chunk().len()).sum();
        self.core.ledger.tickets(spans as u64).dropped(DropReason::ShutdownDeadline);
        for sent in self.in_flight.abandon() {
            sent.tickets.dropped(DropReason::ShutdownDeadline);
        }
    }

    /// Until woken, until a request ends, or until something is due.
    async fn wait(&mut self, signal: &mut Signal) {
        let now = Instant::now();
        let blocked = !self.queue.is_empty();
        let mut until = match self.schedule.poll(now, self.core.shards.ready()) {
            Step::WaitUntil(instant) => instant,
            // Due already, but nothing more can be sent before a request ends.
            _ if blocked => now + self.config.schedule.tick,
            _ => now,
        };
        if self.unswept {
            until = until.min(now + RETRY_SWEEP);
        }
        until = until.min(self.next_anchor);
        for pending in &self.waiting {
            until = until.min(pending.command.deadline);
        }
        if until <= now {
            // Let the tasks that send have their turn.
            tokio::task::yield_now().await;
            return;
        }
        let mut ended = pin!(self.in_flight.ended());
        let mut rung = pin!(signal.wait_until(until.into()));
        self.rung = poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => rung.as_mut().poll(cx).map(|woke| woke == Woke::Woken),
        })
        .await;
    }
}

/// Between two ticks of the sampler.
const TICK: Duration = Duration::from_millis(100);
/// How soon a slot that was taken is looked at again.
const RETRY_SWEEP: Duration = Duration::from_millis(1);
/// Chunks kept for reuse by a process that makes no spans.
const KEEP_IDLE_CHUNKS: usize = 4;
/// Room for the heads of scopes in a request's charge.
const HEADS: usize = 4096;
/// Tries to get into every slot at the very end.
const LAST_SWEEPS: usize = 1000;
