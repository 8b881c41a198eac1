//! A world in virtual time around the state machine: its queue is real, its transport is a model that
//! knows the outcome of every span.
#![allow(dead_code, reason = "no test program uses all of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

pub mod destinations;
pub mod disk;
pub mod ended_span;
pub mod line;
pub mod model;
pub mod policy;
pub mod setup;
pub mod spooled;

pub use setup::Setup;

use model::{Ending, Model, Moods};
use policy::{POLICY_REASON, RandomPolicy};
use setup::batch_within;
use spanwise_export::sans_io::{
    Action, Drained, DrainedChunk, ExportMachine, FlushId, QueueAction, Reply,
};
use spanwise_export::{BatchConfig, ExportEvent, SpanQueue};
use spanwise_ledger::DropReason;
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_scope};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A step of a test.
#[derive(Debug, Clone)]
pub enum Op {
    /// Pushes `spans` spans with an attribute of `bytes` bytes, in two scopes.
    Push {
        spans: u8,
        bytes: u32,
    },
    /// Lets this many milliseconds pass.
    Advance(u16),
    /// Asks for a flush with a timeout in milliseconds.
    Flush(u16),
    Notify,
    /// Replaces the settings of batching: of requests in flight, spans of a request, the delay and the time
    /// to hold back in milliseconds, and the size of the queue.
    Retune {
        max_in_flight: usize,
        batch: usize,
        delay: u16,
        hold_back: u16,
        queue: Option<usize>,
    },
    /// From now on the receiver answers all requests within 50 ms; false: some never.
    Healthy(bool),
}

/// How the test ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// A shutdown with a timeout in milliseconds.
    Shutdown(u16),
    /// The machine is dropped as it is.
    Death,
}

pub struct World {
    setup: Setup,
    queue: SpanQueue,
    machine: Option<ExportMachine>,
    now: Instant,
    /// When the machine asked to be polled.
    wait_until: Instant,
    model: Model,
    moods: Moods,
    scopes: [u32; 2],
    writer: SpanWriter,
    flushes: HashMap<FlushId, Asked>,
    /// Chunks that a drain missed.
    missed: Vec<DrainedChunk>,
    /// Ids of spans that the policy dropped and the model has not booked.
    dropped: Arc<Mutex<Vec<u64>>>,
    /// The most requests that may be in flight by any setting so far.
    window: usize,
    awaiting: Option<Instant>,
    finished: bool,
}

struct Asked {
    deadline: Instant,
    is_shutdown: bool,
    /// Spans pushed before it.
    pushed: u64,
    /// Since when no span has been without an outcome.
    idle_since: Option<Instant>,
    reply: Option<bool>,
}

/// Runs `ops` and `end`, and checks all that holds at each step and at the end.
pub fn run(setup: Setup, ops: &[Op], end: End) {
    let mut world = World::new(setup);
    world.drive();
    for op in ops {
        world.apply(op);
    }
    world.end(end);
}

impl World {
    fn new(setup: Setup) -> Self {
        let dropped = Arc::default();
        let mut builder = setup.builder();
        if setup.has_policy {
            let (moods, dropped) = (Moods::new(!setup.seed), Arc::clone(&dropped));
            builder = builder.with_hold_policy(RandomPolicy { moods, dropped });
        }
        let (queue, prepared) = builder.prepare().unwrap();
        let header = |name| encode_scope(name, "1.0", [("", 0); 0], "");
        let scopes =
            ["first", "second"].map(|name| prepared.scopes().index(&header(name)).unwrap());
        let now = Instant::now();
        Self {
            machine: Some(prepared.into_machine(&queue, now)),
            queue,
            now,
            wait_until: now,
            model: Model::default(),
            moods: Moods::new(setup.seed),
            scopes,
            writer: SpanWriter::new(),
            flushes: HashMap::new(),
            missed: Vec::new(),
            dropped,
            window: setup.max_in_flight,
            awaiting: None,
            finished: false,
            setup,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Push { spans, bytes } => {
                (0..spans).for_each(|_| self.push(bytes));
            }
            Op::Advance(millis) => return self.advance(millis),
            Op::Flush(millis) => self.ask(millis, false),
            Op::Healthy(is_healthy) => {
                self.moods.is_healthy = is_healthy;
                if is_healthy {
                    self.model.recover(self.now);
                }
            }
            Op::Retune { max_in_flight, batch, delay, hold_back, queue } => {
                self.window = self.window.max(max_in_flight);
                let config = BatchConfig::default()
                    .with_max_in_flight(max_in_flight)
                    .with_max_export_batch_size(batch_within(batch, queue))
                    .with_scheduled_delay(Duration::from_millis(delay.into()))
                    .with_hold_back(Duration::from_millis(hold_back.into()))
                    .with_max_queue_size(queue)
                    .with_batch_size(self.setup.size);
                self.machine.as_mut().unwrap().set_batch_config(&config).unwrap();
            }
            Op::Notify => self.machine.as_mut().unwrap().notified(),
        }
        self.drive();
    }

    fn push(&mut self, bytes: u32) {
        let id = self.model.next_id();
        self.writer.begin(&SpanLimits::default(), "span");
        let value = "v".repeat(bytes as usize);
        self.writer.attribute(&SpanLimits::default(), "key", value.as_str());
        let header =
            SpanHeader { trace_id: TraceId(1), span_id: SpanId(id), ..SpanHeader::default() };
        let (scope, span_id) = (self.scopes[(id % 2) as usize], SpanId(id));
        let meta = SpanMeta { scope, span_id, ..SpanMeta::default() };
        let before = self.queue.ledger().snapshot().dropped_total();
        // Half of the spans started before the queue was full.
        if self.queue.is_refusing() && self.moods.one_in(2) {
            self.queue.count_refused();
            return self.model.pushed(id, 1);
        }
        self.queue.ledger().started();
        let span = self.writer.finish(&header);
        if !self.queue.try_push_local(&span, || meta) {
            self.queue.push(&span, meta);
        }
        let refused = self.queue.ledger().snapshot().dropped_total() - before;
        self.model.pushed(id, refused);
    }

    fn ask(&mut self, millis: u16, is_shutdown: bool) {
        let deadline = self.now + Duration::from_millis(millis.into());
        let machine = self.machine.as_mut().unwrap();
        let id = match is_shutdown {
            true => machine.shutdown(deadline),
            false => machine.flush(deadline),
        };
        let pushed = self.model.pushed_so_far();
        let asked = Asked { deadline, is_shutdown, pushed, idle_since: None, reply: None };
        assert!(self.flushes.insert(id, asked).is_none(), "ids are unique");
    }

    fn advance(&mut self, millis: u16) {
        let target = self.now + Duration::from_millis(millis.into());
        while !self.finished {
            let next = self.model.next_end().map_or(self.wait_until, |at| at.min(self.wait_until));
            if next > target {
                break;
            }
            self.now = self.now.max(next);
            self.end_requests();
            self.drive();
        }
        self.now = self.now.max(target);
    }

    fn end_requests(&mut self) {
        while let Some((id, delivery)) = self.model.pop_ended(self.now) {
            self.machine.as_mut().unwrap().request_ended(self.now, id, delivery);
            self.check();
        }
    }

    /// One turn.
    fn drive(&mut self) {
        for polls in 0.. {
            assert!(polls < 100_000, "a turn comes to an end");
            let action = self.machine.as_mut().unwrap().poll(self.now, self.queue.level());
            match action {
                Action::Queue(action) => self.apply_to_queue(action),
                Action::Send(id, request) => {
                    self.model.sent(self.now, id, request, &mut self.moods);
                    assert!(self.model.in_flight() <= self.window, "the window");
                }
                Action::CancelRequests => self.model.cancel(self.now, &mut self.moods),
                Action::Reply(reply) => self.reply(reply),
                Action::Report(event) => self.report(event),
                Action::Spool(command) => panic!("{command:?} without a spool"),
                Action::WaitUntil(until) => {
                    self.wait_until = until;
                    break;
                }
                Action::Finish => {
                    self.finished = true;
                    break;
                }
            }
            self.check();
        }
        let level = self.queue.level();
        let is_due = level.is_refusing && level.can_accept && !self.finished;
        assert!(!is_due || self.wait_until <= self.now + TICK, "space is used within a tick");
        for asked in self.flushes.values_mut() {
            if asked.reply.is_some() || self.finished {
                continue;
            }
            assert!(self.wait_until <= asked.deadline + grace(asked), "a flush is due before");
            if self.model.unsettled() > 0 {
                asked.idle_since = None;
                continue;
            }
            let idle_since = *asked.idle_since.get_or_insert(self.now);
            assert!(self.now < idle_since + SOON, "a flush is answered when no span is left");
        }
    }

    fn apply_to_queue(&mut self, action: QueueAction) {
        let is_all = matches!(action, QueueAction::DrainAll);
        let Some(Drained { mut chunks, mut missed }) = self.queue.apply(action) else { return };
        if is_all {
            chunks.append(&mut self.missed);
            if self.moods.one_in(4) {
                // As if a thread were writing to its slot.
                self.missed.extend(chunks.pop());
                missed += 1;
            }
        }
        self.machine.as_mut().unwrap().drained(Drained { chunks, missed });
    }

    fn reply(&mut self, reply: Reply) {
        let asked = self.flushes.get_mut(&reply.id).unwrap();
        assert_eq!(asked.reply.replace(reply.is_done), None, "a flush is answered once");
        assert!(self.now <= asked.deadline + grace(asked), "a flush is answered in time");
        match reply.is_done {
            true => assert!(self.model.all_ended(asked.pushed), "all spans before it have ended"),
            false if self.machine.as_ref().unwrap().is_closing() => {}
            false => assert!(self.now >= asked.deadline, "a flush waits until its deadline"),
        }
        if asked.is_shutdown {
            let (sent, rest) = (self.model.spans_in_flight(), self.model.unsettled());
            let ambiguous = sent + self.model.ambiguous_waiting();
            self.model.lost(DropReason::AmbiguousShutdown, ambiguous);
            self.model.lost(DropReason::ShutdownDeadline, rest - ambiguous);
            self.model.forget_requests();
        }
    }

    fn report(&mut self, event: ExportEvent) {
        match event {
            ExportEvent::RequestEnded { spans, delivery, .. } => {
                self.model.reported(spans, delivery);
            }
            ExportEvent::RequestSplit { spans, delivery, .. } => {
                assert!(spans > 1 && !delivery.is_accepted());
            }
            ExportEvent::Awaiting(since) => {
                assert!(since.is_none_or(|since| since <= self.now));
                self.awaiting = since;
            }
            other => panic!("{other:?}"),
        }
    }

    /// Books the spans that the policy dropped.
    fn book_dropped(&mut self) {
        let dropped = std::mem::take(&mut *self.dropped.lock().unwrap());
        self.model.dropped_by_policy(POLICY_REASON, &dropped);
    }

    /// Checks the invariants of every step: the ledger's sums are those of the model, and memory is within the
    /// budget.
    fn check(&mut self) {
        self.book_dropped();
        let ledger = self.queue.ledger().snapshot();
        let (exported, dropped) = (self.model.exported(), self.model.dropped_total());
        assert_eq!(ledger.created, self.model.pushed_so_far());
        assert_eq!(ledger.exported, exported);
        assert_eq!(ledger.dropped_total(), dropped);
        assert_eq!(ledger.in_flight, self.model.pushed_so_far() - exported - dropped, "the law");
        let budget = self.queue.budget();
        assert!(budget.peak() <= budget.limit());
        assert!(self.model.bytes_in_flight() <= budget.charged(), "requests are charged for");
        let Some(machine) = &self.machine else { return };
        let sent = self.model.spans_in_flight();
        assert!(machine.in_flight().1 <= ledger.in_flight);
        assert!(machine.backlog_spans() + sent <= ledger.in_flight);
    }

    fn end(mut self, end: End) {
        match end {
            End::Shutdown(millis) => self.shut_down(millis),
            End::Death => self.die(),
        }
        self.book_dropped();
        let ledger = self.queue.ledger().snapshot();
        ledger.check().unwrap();
        assert_eq!(ledger.exported, self.model.exported());
        assert_eq!(ledger.dropped(DropReason::Leaked), 0);
        for (reason, spans) in self.model.dropped() {
            assert_eq!(ledger.dropped(reason), spans, "{reason}");
        }
        self.machine = None;
        self.model.forget_requests();
        self.queue.apply(QueueAction::Trim { retain: 0 });
        assert_eq!(self.queue.budget().charged(), 0, "all memory is freed");
    }

    fn shut_down(&mut self, millis: u16) {
        self.queue.close();
        self.ask(millis, true);
        self.drive();
        self.advance(millis.saturating_add(11));
        assert!(self.finished, "a shutdown ends by its deadline");
        for asked in self.flushes.values() {
            assert!(asked.reply.is_some(), "each flush is answered");
        }
        let machine = self.machine.as_ref().unwrap();
        assert_eq!((machine.backlog_spans(), machine.in_flight().0), (0, 0));
        self.push(10);
        self.model.move_refused(DropReason::AfterShutdown, 1);
    }

    fn die(&mut self) {
        self.book_dropped();
        let (sent, rest) = (self.model.spans_in_flight(), self.model.unsettled());
        let ambiguous = sent + self.model.ambiguous_waiting();
        self.machine = None;
        self.missed.clear();
        drop(self.queue.apply(QueueAction::DrainAll));
        self.model.lost(DropReason::ExporterPanic, ambiguous);
        self.model.lost(DropReason::WorkerUnavailable, rest - ambiguous);
    }
}

/// A shutdown that is not done cancels its requests, and waits 10 ms for how far they got.
fn grace(asked: &Asked) -> Duration {
    Duration::from_millis(if asked.is_shutdown { 10 } else { 0 })
}

/// A drain that missed a slot is repeated after a millisecond; the schedule's tick is 100 ms.
const SOON: Duration = Duration::from_millis(40);

const TICK: Duration = Duration::from_millis(100);

impl Ending {
    pub fn delivery(&self) -> Option<spanwise_transport::Delivery> {
        self.outcome.clone().map(|outcome| {
            let mut delivery = spanwise_transport::Delivery::from(outcome);
            delivery.attempts = self.attempts;
            delivery.ambiguous_attempts = self.ambiguous_attempts;
            delivery
        })
    }
}
