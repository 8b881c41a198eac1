//! A queue that sheds by trace, with the real state machine in virtual time: traces of many shapes are
//! started and ended in a random order, against a receiver that is too slow. The oracle is the list of
//! spans in the requests that the receiver accepted.

use proptest::prelude::*;
use spanwise_export::sans_io::{Action, ExportMachine, RequestId};
use spanwise_export::{Exporter, ExporterBuilder, OnFull, ShedThreshold, SpanQueue};
use spanwise_ledger::DropReason;
use spanwise_testkit::SplitMix64;
use spanwise_transport::{Delivery, FramedRequest, Outcome, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
/// The schedule's default: the longest time without a turn.
const TICK: Duration = Duration::from_millis(100);

/// The load, and the speed of the receiver.
#[derive(Debug, Clone, Copy)]
struct Load {
    budget_bytes: usize,
    queue_size: Option<usize>,
    /// Spans of a trace, and bytes of each.
    spans: u64,
    span_bytes: usize,
    /// Traces that are open at once.
    open: usize,
    /// Spans that end in a millisecond.
    spans_per_ms: u32,
    /// The time that the receiver takes for a request; it answers one at a time.
    answer: Duration,
    seed: u64,
}

/// A trace that was accepted at its root.
struct Trace {
    id: u128,
    started: u64,
    /// The rises to `ALL` before it started.
    exhaustions: u64,
}

struct World {
    load: Load,
    queue: SpanQueue,
    machine: ExportMachine,
    now: Instant,
    wait_until: Instant,
    in_flight: VecDeque<(Instant, RequestId, FramedRequest)>,
    random: SplitMix64,
    writer: SpanWriter,
    open: Vec<Trace>,
    /// The exhaustions while each ended trace was open.
    exhausted_while_open: HashMap<u128, bool>,
    exhaustions: u64,
    arrived: HashMap<u128, u64>,
    spans: u64,
    accepted: u64,
    shed: u64,
    below_shed: u64,
    /// The number of roots that the accepted ones stand for.
    adjusted: f64,
    thresholds: Vec<ShedThreshold>,
}

impl World {
    fn new(load: Load) -> Self {
        let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
        let builder = Exporter::builder(Transport::builder().with_sink(sink).build().unwrap())
            .with_budget_bytes(load.budget_bytes)
            .with_on_full(OnFull::ShedByTrace);
        let builder = match load.queue_size {
            Some(spans) => ExporterBuilder::with_max_queue_size(builder, spans),
            None => builder,
        };
        let (queue, prepared) = builder.prepare().unwrap();
        let now = Instant::now();
        Self {
            machine: prepared.into_machine(&queue, now),
            queue,
            now,
            wait_until: now,
            in_flight: VecDeque::new(),
            random: SplitMix64::new(load.seed),
            writer: SpanWriter::new(),
            open: Vec::new(),
            exhausted_while_open: HashMap::new(),
            exhaustions: 0,
            arrived: HashMap::new(),
            spans: 0,
            accepted: 0,
            shed: 0,
            below_shed: 0,
            adjusted: 0.0,
            thresholds: Vec::new(),
            load,
        }
    }

    /// Starts the root of a trace, as a tracer does.
    fn start(&mut self) {
        let id = u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64());
        let threshold = match self.queue.is_accepting() {
            true => ShedThreshold::NONE,
            false => self.queue.shed_threshold(),
        };
        self.thresholds.push(threshold);
        if id as u64 & ((1 << 56) - 1) < threshold.value() {
            self.queue.count_refused();
            self.shed += 1;
            (1..self.load.spans).for_each(|_| self.queue.ledger().sampled_out());
            self.below_shed += self.load.spans - 1;
            return;
        }
        self.accepted += 1;
        let end = (1u64 << 56) as f64;
        self.adjusted += end / (end - threshold.value() as f64);
        self.queue.ledger().started();
        self.open.push(Trace { id, started: 1, exhaustions: self.exhaustions });
    }

    /// A child of an open trace starts and ends; the root ends after the last one.
    fn step(&mut self) {
        if self.open.len() < self.load.open {
            self.start();
        }
        if self.open.is_empty() {
            return;
        }
        let index = self.random.next_u64() as usize % self.open.len();
        let trace = &mut self.open[index];
        let id = trace.id;
        if trace.started < self.load.spans {
            trace.started += 1;
            self.queue.ledger().started();
            return self.end(id);
        }
        self.end(id);
        let trace = self.open.swap_remove(index);
        self.exhausted_while_open.insert(id, self.exhaustions > trace.exhaustions);
    }

    fn end(&mut self, trace: u128) {
        self.spans += 1;
        let limits = SpanLimits::default().with_value_chars(8 << 20).with_span_bytes(8 << 20);
        self.writer.begin(&limits, "span");
        self.writer.attribute(&limits, "key", "v".repeat(self.load.span_bytes).as_str());
        let (trace_id, span_id) = (TraceId(trace), SpanId(self.spans));
        let header = SpanHeader { trace_id, span_id, ..SpanHeader::default() };
        let span = self.writer.finish(&header);
        if self.queue.try_push_local(&span, SpanMeta::default) {
            return;
        }
        let dropped = self.dropped();
        self.queue.push(&self.writer.finish(&header), SpanMeta::default());
        if self.dropped() > dropped {
            self.exhaustions += 1;
            assert_eq!(self.queue.shed_threshold(), ShedThreshold::ALL, "no trace is accepted now");
        }
    }

    /// Spans that found no space at their end.
    fn dropped(&self) -> u64 {
        let ledger = self.queue.ledger().snapshot();
        ledger.dropped(DropReason::QueueBytes) + ledger.dropped(DropReason::QueueFull)
    }

    fn turn(&mut self) {
        loop {
            match self.machine.poll(self.now, self.queue.level()) {
                Action::Queue(action) => {
                    if let Some(drained) = self.queue.apply(action) {
                        self.machine.drained(drained);
                    }
                }
                Action::Send(id, request) => {
                    let before = self.in_flight.back().map_or(self.now, |(ends_at, ..)| *ends_at);
                    self.in_flight.push_back((before + self.load.answer, id, request));
                }
                Action::WaitUntil(until) => break self.wait_until = until,
                Action::Report(_) | Action::Reply(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// A millisecond passes, in which the program does this number of steps.
    fn millisecond(&mut self, steps: u32) {
        (0..steps).for_each(|_| self.step());
        self.now += MS;
        while self.in_flight.front().is_some_and(|(ends_at, ..)| *ends_at <= self.now) {
            let (_, id, request) = self.in_flight.pop_front().unwrap();
            for span in spanwise_testkit::spans(&spanwise_testkit::decode(request.message())) {
                let trace = u128::from_be_bytes(span.trace_id.as_slice().try_into().unwrap());
                *self.arrived.entry(trace).or_default() += 1;
            }
            drop(request);
            let accepted = Outcome::Accepted { rejected: 0, message: None };
            self.machine.request_ended(self.now, id, Some(Delivery::from(accepted)));
            self.turn();
        }
        // The producers notify the machine when many chunks are full.
        if self.now >= self.wait_until || self.queue.level().ready > 8 {
            self.turn();
        }
    }

    fn check(&self) {
        let ledger = self.queue.ledger().snapshot();
        let open: u64 = self.open.len() as u64;
        assert_eq!(ledger.created, self.spans + open + self.shed + self.below_shed);
        assert_eq!(ledger.dropped(DropReason::Shed), self.shed);
        assert_eq!(ledger.sampled_out, self.below_shed);
        let budget = self.queue.budget();
        assert!(budget.peak() <= budget.limit());
    }

    /// Overloads the queue for this time, then ends all traces and waits until all spans have arrived.
    fn run(&mut self, overload: Duration) {
        let until = self.now + overload;
        while self.now < until {
            self.millisecond(self.load.spans_per_ms);
        }
        self.check();
        self.load.open = 0;
        while !self.open.is_empty() {
            self.millisecond(1);
        }
        let idle = self.now;
        while self.queue.ledger().snapshot().in_flight > 0 {
            self.millisecond(0);
            assert!(self.now < idle + 60_000 * MS, "all spans get an outcome");
        }
        self.millisecond(0);
        self.turn();
        self.check();
        // Nothing waits any more: each trace is accepted again.
        assert!(self.queue.is_accepting() && self.queue.shed_threshold() == ShedThreshold::NONE);
        assert_eq!(self.arrived.values().sum::<u64>() + self.dropped(), self.spans);
    }

    /// Accepted traces that lack spans: all of them were open when a span found no space.
    fn incomplete(&self) -> u64 {
        let mut incomplete = 0;
        for (id, exhausted) in &self.exhausted_while_open {
            if self.arrived.get(id) != Some(&self.load.spans) {
                assert!(exhausted, "a trace that began after the last rise is complete");
                incomplete += 1;
            }
        }
        assert!(incomplete <= self.dropped());
        incomplete
    }
}

const LOAD: Load = Load {
    budget_bytes: 1 << 20,
    queue_size: None,
    spans: 5,
    span_bytes: 100,
    open: 2,
    spans_per_ms: 100,
    answer: Duration::from_millis(20),
    seed: 1,
};

/// About three times as many spans as the receiver takes.
const DEFAULT_BUDGET: Load =
    Load { budget_bytes: 16 << 20, spans_per_ms: 200, answer: Duration::from_millis(100), ..LOAD };

#[test]
fn traces_arrive_complete_under_a_steady_overload() {
    let large = Load { span_bytes: 100_000, spans_per_ms: 2, answer: 3 * MS, ..DEFAULT_BUDGET };
    for (name, load, millis) in [
        ("short", LOAD, 1000),
        ("long", Load { spans: 100, ..LOAD }, 1000),
        ("a queue size", Load { queue_size: Some(1000), ..LOAD }, 1000),
        ("a default budget", DEFAULT_BUDGET, 2000),
        ("larger than a chunk", large, 4000),
    ] {
        let mut world = World::new(load);
        world.run(millis * MS);
        let roots = world.accepted + world.shed;
        assert!(world.shed > world.accepted / 10, "{name}: {} shed", world.shed);
        assert!(world.accepted > 50, "{name}: {} accepted", world.accepted);
        let incomplete = world.incomplete();
        assert!(incomplete * 100 <= roots, "{name}: {incomplete} of {roots} traces are incomplete");
    }
}

/// The sum of the adjusted counts estimates the number of all roots.
#[test]
fn the_thresholds_correct_the_counts() {
    for load in [LOAD, DEFAULT_BUDGET] {
        let mut world = World::new(load);
        world.run(2000 * MS);
        let counted = world.adjusted / (world.accepted + world.shed) as f64;
        assert!((0.9..1.1).contains(&counted), "{counted} of the roots are counted");
    }
}

/// More traces are open than the queue has space for.
#[test]
fn traces_that_are_open_at_a_rise_are_the_only_incomplete_ones() {
    let mut world = World::new(Load { open: 2000, spans: 20, ..LOAD });
    world.run(1000 * MS);
    assert!(world.incomplete() > 0);
}

/// The fill moves with each request; the accepted probability stays within a factor of three.
#[test]
fn the_threshold_settles_under_a_steady_overload() {
    let mut world = World::new(DEFAULT_BUDGET);
    world.run(3000 * MS);
    let settled = &world.thresholds[world.thresholds.len() / 2..];
    let accepted = |it: &ShedThreshold| 1.0 - it.value() as f64 / (1u64 << 56) as f64;
    let min = settled.iter().map(accepted).fold(1.0, f64::min);
    let max = settled.iter().map(accepted).fold(0.0, f64::max);
    assert!(min > 0.0 && max / min < 3.0, "{min} to {max}");
}

#[test]
fn the_threshold_falls_within_two_ticks_once_the_receiver_answers() {
    let mut world = World::new(Load { answer: Duration::from_secs(3600), ..LOAD });
    (0..500).for_each(|_| world.millisecond(LOAD.spans_per_ms));
    assert!(!world.queue.is_accepting() && world.queue.shed_threshold() > ShedThreshold::NONE);
    assert!(!world.queue.is_refusing(), "a span below a sampled one is not refused");
    world.in_flight.iter_mut().for_each(|request| request.0 = world.now);
    world.load.answer = MS;
    let answered = world.now;
    while !world.queue.is_accepting() {
        world.millisecond(0);
        assert!(world.now < answered + 2 * TICK, "{:?}", world.queue.shed_threshold());
    }
}

#[test]
fn a_closed_queue_sheds_no_more() {
    let mut world = World::new(Load { answer: Duration::from_secs(3600), ..LOAD });
    (0..500).for_each(|_| world.millisecond(LOAD.spans_per_ms));
    world.queue.close();
    // Neither a turn nor a push opens it again.
    world.turn();
    let late = world.queue.ledger().snapshot().dropped(DropReason::AfterShutdown);
    world.queue.ledger().started();
    world.end(1);
    world.queue.count_refused();
    assert!(!world.queue.is_accepting() && world.queue.shed_threshold() == ShedThreshold::NONE);
    assert_eq!(world.queue.ledger().snapshot().dropped(DropReason::AfterShutdown), late + 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_load_makes_a_later_trace_incomplete(
        spans in 1..50u64,
        span_bytes in prop_oneof![10..500usize, 10_000..60_000usize],
        open in 1..200usize,
        spans_per_ms in 1..300u32,
        answer in 1..100u32,
        queue_size in prop::option::of(16..2000usize),
        seed: u64,
    ) {
        let spans_per_ms = if span_bytes > 1000 { spans_per_ms / 10 + 1 } else { spans_per_ms };
        let answer = MS * answer;
        let mut world =
            World::new(Load { queue_size, spans, span_bytes, open, spans_per_ms, answer, seed, ..LOAD });
        world.run(300 * MS);
        world.incomplete();
    }
}
