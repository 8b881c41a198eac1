//! A queue whose receiver is dead refuses spans at their start, and accepts them again once there is
//! memory: in virtual time, with a model of a receiver that answers when the test asks it to.

use spanwise_export::sans_io::{Action, ExportMachine, QueueAction, RequestId};
use spanwise_export::{Exporter, ExporterBuilder, OnFull, SpanQueue};
use spanwise_ledger::DropReason;
use spanwise_transport::{Delivery, Failure, FramedRequest, Outcome, Transport};
use spanwise_wire::write::{FinishedSpan, SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::thread;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
/// The schedule's default: the longest time without a turn.
const TICK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    queue: SpanQueue,
    machine: ExportMachine,
    now: Instant,
    wait_until: Instant,
    turns: u32,
    in_flight: Vec<(RequestId, FramedRequest)>,
    writer: SpanWriter,
    started: u64,
    refused: u64,
}

fn world(configure: impl FnOnce(ExporterBuilder) -> ExporterBuilder) -> World {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let builder = Exporter::builder(Transport::builder().with_sink(sink).build().unwrap());
    let (queue, prepared) =
        configure(builder.with_budget_bytes(1 << 20).with_max_in_flight(2)).prepare().unwrap();
    let now = Instant::now();
    World {
        machine: prepared.into_machine(&queue, now),
        queue,
        now,
        wait_until: now,
        turns: 0,
        in_flight: Vec::new(),
        writer: SpanWriter::new(),
        started: 0,
        refused: 0,
    }
}

impl World {
    /// Starts and ends a span, as a tracer does; true if it was recorded.
    fn span(&mut self, bytes: usize) -> bool {
        if !self.queue.is_accepting() {
            self.queue.count_refused();
            self.refused += 1;
            return false;
        }
        self.queue.ledger().started();
        self.end(bytes);
        true
    }

    /// Ends a span that has started.
    fn end(&mut self, bytes: usize) {
        self.started += 1;
        let limits = SpanLimits::default().with_value_chars(8 << 20).with_span_bytes(8 << 20);
        self.writer.begin(&limits, "span");
        self.writer.attribute(&limits, "key", "v".repeat(bytes).as_str());
        let span_id = SpanId(self.started);
        let header = SpanHeader { trace_id: TraceId(1), span_id, ..SpanHeader::default() };
        self.queue.push(&self.writer.finish(&header), SpanMeta::default());
    }

    fn turn(&mut self) {
        self.turns += 1;
        loop {
            match self.machine.poll(self.now, self.queue.level()) {
                Action::Queue(action) => {
                    if let Some(drained) = self.queue.apply(action) {
                        self.machine.drained(drained);
                    }
                }
                Action::Send(id, request) => self.in_flight.push((id, request)),
                Action::WaitUntil(until) => {
                    self.wait_until = until;
                    break;
                }
                Action::Report(_) | Action::Reply(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets time pass. A producer starts spans as often as the machine has a turn.
    fn advance(&mut self, time: Duration) {
        let target = self.now + time;
        while self.wait_until <= target {
            assert!(self.wait_until > self.now, "a turn without a wait");
            self.now = self.wait_until;
            for _ in 0..10 {
                self.span(100);
            }
            self.turn();
        }
        self.now = target;
    }

    /// Starts spans for ten seconds: the queue, the reserve and the compacted chunks are full then.
    fn fill(&mut self) {
        let patience = self.now + Duration::from_secs(10);
        while self.now < patience {
            while self.span(100) {}
            self.turn();
            self.advance(10 * MS);
        }
        assert!(!self.span(100), "the queue is full");
    }

    fn end_request(&mut self, outcome: Outcome) {
        let (id, request) = self.in_flight.remove(0);
        drop(request);
        self.machine.request_ended(self.now, id, Some(Delivery::from(outcome)));
        self.turn();
    }

    fn check(&self, reason: DropReason) {
        let ledger = self.queue.ledger().snapshot();
        assert_eq!(ledger.created, self.started + self.refused);
        assert!(ledger.dropped(reason) >= self.refused, "{ledger:?}");
        assert_eq!(ledger.exported + ledger.dropped_total() + ledger.in_flight, ledger.created);
        let budget = self.queue.budget();
        assert!(budget.peak() <= budget.limit());
    }
}

fn limits() -> [(DropReason, Option<usize>); 2] {
    [(DropReason::QueueBytes, None), (DropReason::QueueFull, Some(500))]
}

fn limited(queue_size: Option<usize>) -> World {
    world(|builder| match queue_size {
        Some(size) => builder.with_max_queue_size(size),
        None => builder,
    })
}

#[test]
fn a_dead_receiver_costs_few_turns() {
    for (reason, size) in limits() {
        let mut world = limited(size);
        world.fill();
        world.turns = 0;
        let (started, refused) = (world.started, world.refused);
        world.advance(Duration::from_secs(60));
        // A pass that frees nothing is repeated 50 times a second.
        assert!(world.turns <= 60 * 60, "{reason}: {} turns", world.turns);
        assert_eq!(world.started, started, "{reason}: no memory was freed");
        assert!(world.refused > refused);
        world.check(reason);
    }
}

#[test]
fn memory_that_is_freed_is_used_within_a_tick() {
    let refused = || Outcome::Failed(Failure::RetryDeadline { last: None });
    for (reason, size) in limits() {
        for ending in [Outcome::Accepted { rejected: 0, message: None }, refused()] {
            let mut world = limited(size);
            for round in 0..20 {
                world.fill();
                let (freed, started) = (world.now, world.started);
                // Its spans leave the queue, and chunks of the backlog become the next request.
                world.end_request(ending.clone());
                while world.queue.is_refusing() {
                    assert!(world.now < freed + TICK, "{reason}, round {round}: no space");
                    world.advance(MS);
                }
                assert!(world.span(100));
                assert!(world.started > started);
                world.check(reason);
            }
            // The receiver recovers: nothing is refused any more.
            while !world.in_flight.is_empty() {
                world.end_request(Outcome::Accepted { rejected: 0, message: None });
            }
            world.advance(Duration::from_secs(2));
            assert!((0..100).all(|_| world.span(100)), "{reason}");
        }
    }
}

/// A thread may still be in a push that found no memory while the exporter frees some: the queue is
/// refusing then, and nothing but a turn finds the space.
#[test]
fn a_refusal_that_comes_after_the_memory_was_freed_ends() {
    let mut world = limited(None);
    world.fill();
    let charge = world.queue.budget().limit() - world.queue.budget().charged();
    let rest = world.queue.budget().try_charge_reserved(charge).unwrap();
    while !world.in_flight.is_empty() {
        world.end_request(Outcome::Accepted { rejected: 0, message: None });
    }
    while world.span(100) {}
    assert!(world.queue.is_refusing());
    drop(rest);
    let freed = world.now;
    while world.queue.is_refusing() {
        assert!(world.now < freed + TICK, "no turn found the space");
        world.advance(MS);
    }
}

#[test]
fn a_span_that_started_before_is_stored_where_there_is_space_and_counted_once() {
    let mut world = limited(None);
    world.fill();
    for _ in 0..100 {
        world.queue.ledger().started();
        world.end(100);
        world.check(DropReason::QueueBytes);
    }
    let never_fits = 2 << 20;
    world.queue.ledger().started();
    world.end(never_fits);
    assert_eq!(world.queue.ledger().snapshot().dropped(DropReason::TooLarge), 1);
    world.check(DropReason::QueueBytes);
}

/// Space for usual spans is left: only the large one is dropped.
#[test]
fn a_large_span_without_space_refuses_no_other() {
    let mut world = limited(None);
    let budget = world.queue.budget().clone();
    for large in [300_000, 2 << 20] {
        let free = budget.limit() - budget.reserve() - budget.charged();
        let _other = budget.try_charge(free.saturating_sub(250_000));
        let before = world.queue.ledger().snapshot().dropped_total();
        assert!(world.span(large));
        assert_eq!(world.queue.ledger().snapshot().dropped_total(), before + 1);
        assert!(!world.queue.is_refusing());
        assert!(world.span(100));
        assert_eq!(world.queue.ledger().snapshot().dropped_total(), before + 1);
    }
}

#[test]
fn a_queue_whose_callers_wait_refuses_no_start() {
    let mut world = world(|builder| builder.with_on_full(OnFull::Wait(MS)));
    while world.queue.ledger().snapshot().dropped_total() < 3 {
        assert!(world.span(1000));
    }
    assert!(!world.queue.is_refusing());
    assert_eq!(world.refused, 0);
}

/// The exporter has made some space, but not enough for this span: the push has to ask for more, and nothing
/// else does while all other threads are idle.
#[test]
fn a_push_that_waits_reports_the_lack_of_space_until_it_has_space() {
    let World { queue, .. } = world(|builder| builder.with_on_full(OnFull::Wait(PATIENCE * 2)));
    let budget = queue.budget();
    let mut part = budget.try_charge(1);
    let free = budget.limit() - budget.reserve() - budget.charged();
    let rest = budget.try_charge(free).unwrap();
    let is_starved = || queue.level().is_starved;
    let await_starved = || {
        let patience = Instant::now() + PATIENCE;
        while !is_starved() && Instant::now() < patience {
            thread::yield_now();
        }
        is_starved()
    };
    queue.ledger().started();
    let (mut first, mut second) = (false, false);
    thread::scope(|scope| {
        scope.spawn(|| queue.push(&FinishedSpan::encoded(b"\x2a\x01s"), SpanMeta::default()));
        first = await_starved();
        queue.apply(QueueAction::AcceptSpans);
        // A byte is no space for a chunk.
        drop(part.take());
        second = await_starved();
        drop(rest);
    });
    assert!(first && second, "starved: {first}, and again: {second}");
    let account = queue.ledger().snapshot();
    assert_eq!((account.in_flight, account.dropped_total()), (1, 0), "the push has found space");
}

#[test]
fn a_closed_queue_counts_spans_as_after_shutdown() {
    let mut world = limited(None);
    world.fill();
    world.queue.close();
    assert!(!world.queue.is_refusing() && !world.queue.is_accepting());
    world.queue.ledger().started();
    world.end(100);
    world.queue.count_refused();
    world.refused += 1;
    let ledger = world.queue.ledger().snapshot();
    assert_eq!(ledger.dropped(DropReason::AfterShutdown), 2);
}

#[test]
fn a_queue_with_checked_starts_accepts_none_without_a_check_and_stores_as_before() {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let transport = Transport::builder().with_sink(sink).build().unwrap();
    let (queue, _prepared) = Exporter::builder(transport).prepare().unwrap();
    assert!(queue.is_accepting());
    let queue = queue.with_checked_starts();
    assert!(!queue.is_accepting() && !queue.is_refusing());
    queue.ledger().started();
    queue.push(&FinishedSpan::encoded(b"\x0a\x00"), SpanMeta::default());
    assert_eq!((queue.level().is_refusing, queue.ledger().snapshot().dropped_total()), (false, 0));
}
