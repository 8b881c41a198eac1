//! A world: one simulated process with its threads, its exporter and its receiver, in virtual time.

mod call_list;
mod calls;
mod ending;
mod endpoints;
mod judge;
mod operations;
mod outcomes;
mod producers;
mod requests;
mod shedding;
mod splits;
mod turn;

use crate::hold_policy::{DroppedSpans, HoldPolicy};
use crate::otlp::trace_id;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::sender_event::SenderEvent;
use crate::span_list::SpanList;
use crate::trace::Trace;
use crate::violation::{Checked, Violation};
use call_list::Calls;
use endpoints::{Destination, Endpoint};
use spanwise_export::sans_io::ExportMachine;
use spanwise_export::{DynamicTransport, LocalTrace, SpanQueue, TailSampling};
use spanwise_ledger::Ledger;
use spanwise_wire::TraceId;
use spanwise_wire::write::encode_scope;
use spanwise_worker::{Notified, notify};
use std::collections::HashSet;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// Everything that a seed has made.
pub struct World {
    scenario: Scenario,
    random: Random,
    /// Draws the replacements of the transport.
    replacements: Random,
    transport: DynamicTransport,
    trace: Trace,
    now: Instant,
    /// The wall clock, at the start of the world.
    wall: SystemTime,
    start: Instant,
    queue: Rc<SpanQueue>,
    spans: SpanList,
    /// Spans that have started and have not ended.
    open: Vec<u64>,
    scopes: Vec<u32>,
    destinations: Vec<Destination>,
    /// Of all destinations, as the exporter counts them.
    endpoints: Vec<Endpoint>,
    thread: ExporterThread,
    calls: Calls,
    /// Requests that ended and were not split, without an event yet.
    unreported: u32,
    /// The most spans and bytes that a request may have had so far.
    most: (usize, usize),
    /// The end of the last jump of the clock: until then, no thread ran.
    frozen_until: Instant,
    /// The time of the last change of the settings of batching.
    retuned: Instant,
    /// Threads that are interrupted within a slot.
    held_slots: usize,
    /// The time at which the interrupted threads went on.
    released_at: Instant,
    /// A forked child, which has no exporter.
    is_child: bool,
    /// The transport is closed: no request is sent any more.
    is_closed: bool,
    /// The size of the queue, as the exporter set it last.
    queue_size: Option<usize>,
    /// The size of the queue, or that of an earlier and larger one.
    most_queued: usize,
    /// No thread interferes with the exporter's any more.
    is_quiet: bool,
    /// Spans that the policy has dropped and the list does not know yet.
    by_policy: DroppedSpans,
    /// Bytes that the exporter is charged for from its start on.
    retained: usize,
    /// Memory for the next span.
    buffer: Vec<u8>,
    counts: Counts,
}

/// The exporter's thread.
struct ExporterThread {
    /// `None` once the thread has ended.
    machine: Option<ExportMachine>,
    notified: Notified,
    /// A notification that no turn has seen.
    is_notified: bool,
    /// The time of the next turn.
    wake_at: Instant,
    is_finished: bool,
    /// Requests that ended since the last turn.
    ended: Vec<crate::sender_event::Ended>,
    /// The time since which the queue has refused spans although it has space.
    refuses_since: Option<Instant>,
    /// Turns at the present instant.
    turns_in_a_row: u32,
    failed_in_a_row: u32,
}

/// Numbers of a world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans that started.
    pub spans: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Attempts to send them.
    pub attempts: u64,
    /// Steps that the judge checked.
    pub checks: u64,
    /// The virtual time.
    pub time: Duration,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spans, requests, attempts, checks, time } = self;
        write!(
            f,
            "{spans} spans, {requests} requests, {attempts} attempts, {checks} checks, {time:?}"
        )
    }
}

impl World {
    /// Makes the world of a seed.
    ///
    /// # Errors
    /// The settings are refused.
    pub fn new(seed: u64, is_traced: bool) -> Checked<Self> {
        let mut random = Random::new(seed, "scenario");
        let scenario = Scenario::draw(seed, &mut random);
        let now = Instant::now();
        let refused = |details: String| Violation { rule: "settings are accepted", details };
        let mut builder = scenario.builder(Ledger::new()).map_err(refused)?;
        let by_policy = DroppedSpans::default();
        if scenario.has_policy {
            let policy = HoldPolicy::new(Random::new(seed, "policy"), by_policy.clone());
            builder = builder.with_hold_policy(policy);
        }
        if scenario.has_tail {
            let sampled: HashSet<TraceId> = (0..scenario.traces)
                .filter(|trace| scenario.is_tail_sampled(*trace))
                .map(|trace| TraceId::from_bytes(trace_id(trace)))
                .collect();
            let is_sampled = move |trace: &LocalTrace<'_>| sampled.contains(&trace.trace_id());
            builder = builder.with_tail_sampling(TailSampling::new(is_sampled));
        }
        let (queue, prepared) = builder.prepare().map_err(|error| refused(error.to_string()))?;
        let scope = |index| {
            let header = encode_scope(&scope_name(index), "1.0", [("", 0); 0], "");
            prepared.scopes().index(&header).unwrap_or(u32::MAX)
        };
        let scopes = (0..scenario.scopes).map(scope).collect();
        let mut destinations = Vec::new();
        for (destination, settings) in prepared.destinations().zip(&scenario.destinations) {
            let destination = Destination::new(destination, settings, scenario.traces);
            destinations.push(destination.map_err(|error| refused(error.to_string()))?);
        }
        let endpoints = Endpoint::all(seed, &scenario, prepared.transports(), now);
        let transport = prepared.transport().clone();
        let (notifier, notified) = notify();
        queue.set_notifier(notifier);
        let machine = Some(prepared.into_machine(&queue, now));
        let thread = ExporterThread {
            machine,
            notified,
            is_notified: false,
            wake_at: now,
            is_finished: false,
            ended: Vec::new(),
            refuses_since: None,
            turns_in_a_row: 0,
            failed_in_a_row: 0,
        };
        let mut trace = Trace::new(now, is_traced);
        trace.line(now, format_args!("{scenario:?}"));
        Ok(Self {
            spans: SpanList::new(destinations.len()),
            destinations,
            endpoints,
            random: Random::new(seed, "operations"),
            replacements: Random::new(seed, "replacements"),
            transport,
            trace,
            now,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            start: now,
            retained: queue.budget().charged(),
            queue: Rc::new(queue),
            open: Vec::new(),
            scopes,
            thread,
            calls: Calls::default(),
            unreported: 0,
            most: (scenario.batch.max_export_batch_size, scenario.batch.max_request_bytes),
            frozen_until: now,
            retuned: now,
            held_slots: 0,
            released_at: now,
            is_child: false,
            is_closed: false,
            queue_size: scenario.batch.max_queue_size,
            most_queued: 0,
            is_quiet: false,
            by_policy,
            buffer: Vec::new(),
            counts: Counts::default(),
            scenario,
        })
    }

    /// Runs all operations and the end.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn run(&mut self) -> Checked {
        self.turn()?;
        for _ in 0..self.scenario.operations {
            self.operate()?;
            if self.thread.is_finished || self.is_child {
                break;
            }
            let pause = self.random.millis(0, self.scenario.pause_millis);
            self.advance(pause)?;
        }
        self.end()
    }

    /// The numbers of the world, and the lines of its trace.
    pub fn into_results(mut self) -> (Counts, Vec<String>) {
        self.counts.spans = self.spans.created();
        self.counts.time = self.now - self.start;
        (self.counts, self.trace.into_lines())
    }

    /// Lets time pass, with all that happens in it.
    fn advance(&mut self, by: Duration) -> Checked {
        let target = self.now + by;
        loop {
            let events = [self.next_event(), self.next_turn()];
            let next = events.into_iter().flatten().min().filter(|&next| next <= target);
            let Some(next) = next else { break };
            if next > self.now {
                self.now = next;
                self.thread.turns_in_a_row = 0;
            }
            self.run_senders()?;
            if self.next_turn().is_some_and(|at| at <= self.now) {
                self.turn()?;
            }
        }
        self.now = self.now.max(target);
        self.thread.turns_in_a_row = 0;
        Ok(())
    }

    /// Advances until `is_done`, at most by `most`. Returns whether it is.
    fn advance_until(&mut self, most: Duration, is_done: impl Fn(&Self) -> bool) -> Checked<bool> {
        let until = self.now + most;
        while !is_done(self) {
            if self.now >= until {
                return Ok(false);
            }
            let events = [self.next_event(), self.next_turn()];
            let next = events.into_iter().flatten().min().unwrap_or(until);
            self.advance(next.min(until).saturating_duration_since(self.now))?;
        }
        Ok(true)
    }

    /// The time of the next event of a request.
    fn next_event(&self) -> Option<Instant> {
        self.endpoints.iter().filter_map(|it| it.sender.next_event()).min()
    }

    fn next_turn(&self) -> Option<Instant> {
        let is_running = self.thread.machine.is_some() && !self.thread.is_finished;
        (is_running && !self.is_child).then_some(self.thread.wake_at)
    }

    /// Processes all events of requests that are due.
    fn run_senders(&mut self) -> Checked {
        (0..self.endpoints.len()).try_for_each(|endpoint| self.run_sender(endpoint))
    }

    fn run_sender(&mut self, endpoint: usize) -> Checked {
        let wall = self.wall + (self.now - self.start);
        loop {
            let Endpoint { sender, network, destination, .. } = &mut self.endpoints[endpoint];
            let destination = *destination;
            let Some(event) = sender.step(self.now, wall, network)? else { return Ok(()) };
            match event {
                SenderEvent::Began(id, number) => {
                    self.counts.attempts += 1;
                    self.line(format_args!("{id:?}: attempt {number} begins"));
                }
                SenderEvent::AttemptEnded(id, meaning) => {
                    self.line(format_args!("{id:?}: attempt ends: {meaning:?}"));
                }
                SenderEvent::Stored(stored) => self.store(destination, stored),
                SenderEvent::Ended(ended) => {
                    self.line(format_args!("{:?} ends: {:?}", ended.id, ended.delivery));
                    self.thread.ended.push(ended);
                    self.wake();
                }
            }
        }
    }

    /// The exporter's thread is woken, and runs after a while.
    fn wake(&mut self) {
        let lag = self.scenario.lag.as_micros() as u64;
        let lag = Duration::from_micros(self.random.below(lag + 1));
        self.thread.wake_at = self.thread.wake_at.min(self.now + lag);
    }

    /// Whether a thread has notified the exporter since the last turn.
    fn take_notification(&mut self) -> bool {
        if self.thread.notified.take() {
            self.thread.is_notified = true;
            self.line(format_args!("the exporter is notified"));
            self.wake();
        }
        self.thread.is_notified
    }

    fn line(&mut self, event: std::fmt::Arguments<'_>) {
        self.trace.line(self.now, event);
    }
}

/// The name of a scope, by its index.
fn scope_name(index: usize) -> String {
    format!("scope-{index}")
}
