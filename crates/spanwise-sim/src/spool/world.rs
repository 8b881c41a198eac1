//! Processes, one after the other, with one receiver and one disk.

use super::disk::Disk;
use crate::random::Random;
use crate::report::Report;
use crate::trace::Trace;
use crate::violation::{Checked, Violation, require};
use crate::world::Counts;
use spanwise_export::sans_io::{Action, ExportMachine, RequestId};
use spanwise_export::{ExportEvent, Exporter, RequestSpool, SpanQueue, SpoolCommand, SpoolEvent};
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_transport::{Delivery, Failure, FramedRequest, Outcome, ResponseStatus, Transport};
use spanwise_wire::read::TraceRequest;
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A spool whose commands the world carries out.
struct NoThread;

impl RequestSpool for NoThread {
    fn submit(&mut self, _: SpoolCommand) {}

    fn next_event(&mut self) -> Option<SpoolEvent> {
        None
    }
}

/// The state of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    Up,
    /// Requests end with their timeout.
    Down,
    /// As `Down`, and it stores some of what it does not answer.
    Hung,
    Rejecting,
    Partial,
    /// It refuses requests of more bytes.
    Small(usize),
}

struct World {
    random: Random,
    trace: Trace,
    counts: Counts,
    start: Instant,
    now: Instant,
    max_in_flight: usize,
    queue: SpanQueue,
    machine: ExportMachine,
    disk: Disk,
    receiver: Receiver,
    wait_until: Instant,
    in_flight: Vec<(Instant, RequestId, FramedRequest)>,
    /// Copies of each span that the receiver has.
    received: BTreeMap<u64, u64>,
    next: u64,
    is_finished: bool,
    earlier: Vec<Snapshot>,
    writer: SpanWriter,
}

/// Runs the world of a seed.
pub(crate) fn run(seed: u64, is_traced: bool) -> Report {
    let mut world = match World::new(seed, is_traced) {
        Ok(world) => world,
        Err(violation) => {
            let violation = Some(violation);
            return Report { seed, violation, counts: Counts::default(), trace: Vec::new() };
        }
    };
    let violation = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(checked) => checked.err(),
        Err(_) => Some(Violation { rule: "nothing panics", details: String::new() }),
    };
    world.counts.time = world.now.saturating_duration_since(world.start);
    Report { seed, violation, counts: world.counts, trace: world.trace.into_lines() }
}

fn process(max_in_flight: usize, now: Instant) -> Result<(SpanQueue, ExportMachine), Violation> {
    let broken = |details: String| Violation { rule: "an exporter can be built", details };
    let sink = |_| std::future::ready(accepted(0));
    let transport = Transport::builder().with_sink(sink).build();
    let transport = transport.map_err(|error| broken(error.to_string()))?;
    let builder = Exporter::builder(transport).with_budget_bytes(1 << 20).with_slots(2);
    let builder = builder.with_max_in_flight(max_in_flight).with_spool(NoThread);
    let (queue, prepared) = builder.prepare().map_err(|error| broken(error.to_string()))?;
    let machine = prepared.into_machine(&queue, now);
    Ok((queue, machine))
}

impl World {
    fn new(seed: u64, is_traced: bool) -> Result<Self, Violation> {
        let start = Instant::now();
        let mut random = Random::new(seed, "spool");
        let max_in_flight = random.between(1, 4) as usize;
        let (queue, machine) = process(max_in_flight, start)?;
        let mut world = Self {
            disk: Disk::new(Random::new(seed, "disk"), start),
            trace: Trace::new(start, is_traced),
            counts: Counts::default(),
            start,
            now: start,
            max_in_flight,
            queue,
            machine,
            random,
            receiver: Receiver::Up,
            wait_until: start,
            in_flight: Vec::new(),
            received: BTreeMap::new(),
            next: 1,
            is_finished: false,
            earlier: Vec::new(),
            writer: SpanWriter::new(),
        };
        world.open(0)?;
        Ok(world)
    }

    fn line(&mut self, event: std::fmt::Arguments<'_>) {
        self.trace.line(self.now, event);
    }

    fn run(&mut self) -> Checked {
        let steps = self.random.between(5, 60);
        for _ in 0..steps {
            self.step()?;
        }
        self.disk.heal();
        self.set(Receiver::Up);
        self.wait(Duration::from_secs(300))?;
        let account = self.ledger();
        require(account.spooled == 0, "once the receiver is back, the disk is empty", || {
            account.to_string()
        })?;
        self.shut_down(Duration::from_secs(60))?;
        self.judge()
    }

    fn step(&mut self) -> Checked {
        match self.random.below(100) {
            0..35 => {
                let spans = self.random.scaled(1, 300);
                let bytes = self.random.scaled(1, 1_000) as usize;
                self.push(spans, bytes)
            }
            35..65 => {
                let time = self.random.millis(1, 40_000);
                self.wait(time)
            }
            65..85 => {
                let limit = self.random.between(70_000, 200_000) as usize;
                let receiver = self.random.pick(&[
                    (4, Receiver::Down),
                    (3, Receiver::Up),
                    (1, Receiver::Hung),
                    (1, Receiver::Rejecting),
                    (1, Receiver::Partial),
                    (1, Receiver::Small(limit)),
                ]);
                self.set(receiver);
                Ok(())
            }
            85..90 => {
                self.line(format_args!("the disk fails"));
                self.disk.fail();
                Ok(())
            }
            90..93 => {
                self.disk.is_hung = self.random.one_in(2);
                let is_hung = self.disk.is_hung;
                self.line(format_args!("the disk hangs: {is_hung}"));
                Ok(())
            }
            93..96 => {
                self.disk.heal();
                Ok(())
            }
            96..98 => {
                let timeout = self.random.millis(0, 5_000);
                self.shut_down(timeout)?;
                self.restart(false)
            }
            _ => {
                let is_power_failure = self.random.one_in(2);
                self.line(format_args!("a crash, of the system: {is_power_failure}"));
                self.restart(is_power_failure)
            }
        }
    }

    fn set(&mut self, receiver: Receiver) {
        self.receiver = receiver;
        self.line(format_args!("the receiver: {receiver:?}"));
    }

    fn push(&mut self, spans: u64, bytes: usize) -> Checked {
        self.line(format_args!("{spans} spans of {bytes} bytes"));
        for _ in 0..spans {
            let span_id = SpanId(self.next);
            self.next += 1;
            self.writer.begin(&SpanLimits::default(), "span");
            self.writer.attribute(&SpanLimits::default(), "key", "v".repeat(bytes).as_str());
            let header = SpanHeader { trace_id: TraceId(1), span_id, ..SpanHeader::default() };
            self.queue.ledger().started();
            let meta = SpanMeta { span_id, ..SpanMeta::default() };
            self.queue.push(&self.writer.finish(&header), meta);
        }
        self.counts.spans += spans;
        self.turn()
    }

    fn wait(&mut self, time: Duration) -> Checked {
        let target = self.now + time;
        for turns in 0_u64.. {
            require(turns < 100_000, "the exporter is idle between its turns", String::new)?;
            let ends = self.in_flight.iter().map(|(at, ..)| *at).chain(self.disk.next_end());
            let next = ends.fold(self.wait_until, Instant::min);
            if self.is_finished || next > target {
                break;
            }
            self.now = self.now.max(next);
            self.turn()?;
        }
        self.now = target;
        self.disk.expire(self.now);
        self.turn()
    }

    fn shut_down(&mut self, timeout: Duration) -> Checked {
        self.line(format_args!("a shutdown within {timeout:?}"));
        let deadline = self.now + timeout;
        self.queue.close();
        self.machine.shutdown(deadline);
        self.turn()?;
        while !self.is_finished {
            let is_late = self.now > deadline + Duration::from_millis(12);
            require(!is_late, "a shutdown ends by its deadline", String::new)?;
            self.wait(Duration::from_millis(1))?;
        }
        while let Some(next) = self.disk.next_end().filter(|next| *next <= deadline) {
            self.now = self.now.max(next);
            self.turn()?;
        }
        let account = self.ledger();
        require(account.is_idle(), "a shutdown settles every span", || account.to_string())
    }

    /// The process has ended, and the next one starts.
    fn restart(&mut self, is_power_failure: bool) -> Checked {
        let before = self.ledger();
        let was_idle = self.disk.is_idle();
        self.in_flight.clear();
        self.disk.crash(is_power_failure);
        let (queue, machine) = process(self.max_in_flight, self.now)?;
        (self.queue, self.machine) = (queue, machine);
        (self.is_finished, self.wait_until) = (false, self.now);
        let (in_flight, spooled) = (before.in_flight, before.spooled);
        self.earlier.push(before);
        let found = self.open_after(in_flight, spooled)?;
        // A record that was evicted while it was sent again is reported with the next command.
        require(found >= spooled || !was_idle, "spans on disk survive the process", || {
            format!("{found} of {spooled} spans")
        })
    }

    fn open(&mut self, in_memory: u64) -> Checked {
        self.open_after(in_memory, 0).map(drop)
    }

    fn open_after(&mut self, in_memory: u64, left: u64) -> Result<u64, Violation> {
        let found = self.disk.open(self.now, in_memory, left);
        let rule = "a start never refuses what it finds";
        let found = found.map_err(|error| Violation { rule, details: error.to_string() })?;
        self.line(format_args!("{found} spans are on disk"));
        self.turn()?;
        Ok(found)
    }

    fn ledger(&self) -> Snapshot {
        self.queue.ledger().snapshot()
    }

    fn turn(&mut self) -> Checked {
        self.end_requests()?;
        while let Some(event) = self.disk.event(self.now) {
            self.line(format_args!("{event:?}"));
            self.machine.spool_event(self.now, event);
        }
        for actions in 0_u64.. {
            require(actions < 100_000, "a turn comes to an end", String::new)?;
            match self.machine.poll(self.now, self.queue.level()) {
                Action::Queue(action) => {
                    if let Some(drained) = self.queue.apply(action) {
                        self.machine.drained(drained);
                    }
                }
                Action::Send(id, request) => {
                    let takes = match self.receiver {
                        Receiver::Down | Receiver::Hung => Duration::from_secs(10),
                        _ => self.random.millis(1, 50),
                    };
                    self.counts.requests += 1;
                    self.in_flight.push((self.now + takes, id, request));
                }
                Action::CancelRequests => {
                    for (_, id, request) in std::mem::take(&mut self.in_flight) {
                        drop(request);
                        let delivery = Delivery::from(Outcome::Failed(Failure::Shutdown));
                        self.machine.request_ended(self.now, id, Some(delivery));
                    }
                }
                Action::Spool(command) => {
                    self.line(format_args!("{command:?}"));
                    self.disk.submit(self.now, command);
                }
                Action::Report(ExportEvent::Panicked { code, .. }) => {
                    let details = code.to_owned();
                    return Err(Violation { rule: "nothing panics", details });
                }
                Action::Reply(_) | Action::Report(_) => {}
                Action::WaitUntil(until) => {
                    self.wait_until = until;
                    break;
                }
                Action::Finish => {
                    self.is_finished = true;
                    break;
                }
            }
            self.check()?;
        }
        Ok(())
    }

    fn end_requests(&mut self) -> Checked {
        while let Some(due) = self.in_flight.iter().position(|(at, ..)| *at <= self.now) {
            let (_, id, request) = self.in_flight.remove(due);
            let spans = ids(request.message())?;
            let bytes = request.message().len();
            let (outcome, taken) = match self.receiver {
                Receiver::Up => (accepted(0), &spans[..]),
                Receiver::Down => (Outcome::Failed(Failure::RetryDeadline { last: None }), &[][..]),
                Receiver::Hung => {
                    let taken = if self.random.one_in(2) { &spans[..] } else { &[] };
                    (Outcome::Failed(Failure::AmbiguousTimeout), taken)
                }
                Receiver::Rejecting => {
                    let status = ResponseStatus::Http(400);
                    (Outcome::Failed(Failure::Rejected { status }), &[][..])
                }
                Receiver::Partial => (accepted(1), spans.get(1..).unwrap_or_default()),
                Receiver::Small(limit) if bytes > limit => {
                    (Outcome::Failed(Failure::TooLarge), &[][..])
                }
                Receiver::Small(_) => (accepted(0), &spans[..]),
            };
            for span in taken {
                *self.received.entry(*span).or_default() += 1;
            }
            let mut delivery = Delivery::from(outcome);
            delivery.ambiguous_attempts = u32::from(self.receiver == Receiver::Hung);
            self.trace.line(self.now, format_args!("{id:?} ends: {:?}", delivery.outcome));
            drop(request);
            self.machine.request_ended(self.now, id, Some(delivery));
        }
        Ok(())
    }

    fn check(&mut self) -> Checked {
        self.counts.checks += 1;
        let account = self.ledger();
        let outcomes = account.sampled_out + account.exported + account.dropped_total();
        let sum = outcomes + account.spooled + account.in_flight;
        let sources = account.created + account.recovered;
        require(sources == sum, "the ledger adds up", || account.to_string())?;
        let budget = self.queue.budget();
        require(budget.charged() <= budget.limit(), "memory stays within the budget", || {
            format!("{budget:?}")
        })
    }

    /// At the end, over all processes.
    fn judge(&self) -> Checked {
        let last = self.ledger();
        let accounts = || self.earlier.iter().chain([&last]);
        let sum = |of: fn(&Snapshot) -> u64| accounts().map(of).sum::<u64>();
        let (created, exported) = (sum(|it| it.created), sum(|it| it.exported));
        let (dropped, ambiguous) = (sum(Snapshot::dropped_total), sum(Snapshot::ambiguous));
        let received = self.received.len() as u64;
        let twice: u64 = self.received.values().map(|copies| copies - 1).sum();
        let numbers = || {
            format!(
                "created {created}, exported {exported}, dropped {dropped}, received {received}, twice {twice}"
            )
        };
        let rule = "each span is at the receiver, or lost for a reason";
        // Spans on disk that were delivered before a crash hide as many that it lost: the next process finds them again.
        require(created <= received + dropped + twice, rule, numbers)?;
        let rule = "the receiver has what was exported, and at most what is ambiguous besides";
        require(exported <= received + twice && received <= exported + ambiguous, rule, numbers)?;
        let leaked = sum(|it| it.dropped(DropReason::Leaked));
        require(leaked == 0, "no span is leaked", numbers)
    }
}

fn accepted(rejected: u64) -> Outcome {
    Outcome::Accepted { rejected, message: None }
}

fn ids(message: &[u8]) -> Result<Vec<u64>, Violation> {
    let rule = "a request is one of spans";
    let broken = |details: String| Violation { rule, details };
    let mut ids = Vec::new();
    for span in TraceRequest::new(message).spans() {
        let span = span.map_err(|error| broken(error.to_string()))?;
        ids.push(span.span_id().map_or(0, u64::from_be_bytes));
    }
    Ok(ids)
}
