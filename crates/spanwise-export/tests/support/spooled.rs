//! Processes in virtual time, one after the other, with one receiver and one disk.

use super::disk::Disk;
use spanwise_export::sans_io::{Action, ExportMachine, FlushId, RequestId};
use spanwise_export::{
    ExportEvent, Exporter, ExporterBuilder, RequestSpool, SpanQueue, SpoolCommand, SpoolEvent,
    SpoolReport,
};
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_transport::{Delivery, Failure, FramedRequest, Outcome, ResponseStatus, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// The state of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    Up,
    /// Each attempt is refused until the timeout of the request.
    Down,
    /// As `Down`, and stores some of what it does not answer.
    Hung,
    /// It answers 400.
    Rejecting,
    /// It accepts the request but for one span.
    Partial,
    /// It refuses requests of more than this number of bytes.
    Small(usize),
    /// As `Down` for requests that have a span before this one.
    From(u64),
}

/// A spool whose commands the world carries out.
pub struct NoThread;

impl RequestSpool for NoThread {
    fn submit(&mut self, command: SpoolCommand) {
        unreachable!("{command:?}")
    }

    fn next_event(&mut self) -> Option<SpoolEvent> {
        None
    }
}

pub struct World {
    configure: fn(ExporterBuilder) -> ExporterBuilder,
    pub queue: SpanQueue,
    pub machine: Option<ExportMachine>,
    pub disk: Disk,
    pub receiver: Receiver,
    pub now: Instant,
    wait_until: Instant,
    in_flight: Vec<(Instant, RequestId, FramedRequest)>,
    /// Copies that the receiver has of each span that it ever stored.
    pub received: BTreeMap<u64, u32>,
    /// In the order in which they were accepted.
    pub order: Vec<u64>,
    next: u64,
    flushes: HashMap<FlushId, Option<bool>>,
    is_finished: bool,
    pub reports: Vec<SpoolReport>,
    /// The accounts of the processes that have ended.
    pub earlier: Vec<Snapshot>,
    /// Whether the disk had carried out all commands at the end of each.
    was_idle: Vec<bool>,
    writer: SpanWriter,
    pub most_in_flight: usize,
}

/// A request ends after this time at a receiver that is down.
pub const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_millis(5);

fn process(
    configure: fn(ExporterBuilder) -> ExporterBuilder,
    now: Instant,
) -> (SpanQueue, ExportMachine) {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let transport = Transport::builder().with_sink(sink).build().unwrap();
    let builder = Exporter::builder(transport).with_budget_bytes(1 << 20).with_slots(2);
    let (queue, prepared) = configure(builder.with_spool(NoThread)).prepare().unwrap();
    let machine = prepared.into_machine(&queue, now);
    (queue, machine)
}

impl World {
    pub fn new(configure: fn(ExporterBuilder) -> ExporterBuilder) -> Self {
        let now = Instant::now();
        let (queue, machine) = process(configure, now);
        let mut disk = Disk::default();
        disk.open(0);
        let mut world = Self {
            configure,
            queue,
            machine: Some(machine),
            disk,
            receiver: Receiver::Up,
            now,
            wait_until: now,
            in_flight: Vec::new(),
            received: BTreeMap::new(),
            order: Vec::new(),
            next: 1,
            flushes: HashMap::new(),
            is_finished: false,
            reports: Vec::new(),
            earlier: Vec::new(),
            was_idle: Vec::new(),
            writer: SpanWriter::new(),
            most_in_flight: 0,
        };
        world.turn();
        world
    }

    pub fn push(&mut self, spans: u64, bytes: usize) {
        for _ in 0..spans {
            let id = SpanId(self.next);
            self.next += 1;
            self.writer.begin(&SpanLimits::default(), "span");
            self.writer.attribute(&SpanLimits::default(), "key", "v".repeat(bytes).as_str());
            let header = SpanHeader { trace_id: TraceId(1), span_id: id, ..SpanHeader::default() };
            self.queue.ledger().started();
            let meta = SpanMeta { span_id: id, ..SpanMeta::default() };
            self.queue.push(&self.writer.finish(&header), meta);
        }
        self.turn();
    }

    /// Spans that were pushed, by all processes.
    pub fn pushed(&self) -> u64 {
        self.next - 1
    }

    pub fn wait(&mut self, time: Duration) {
        let target = self.now + time;
        for turns in 0.. {
            assert!(turns < 200_000, "the exporter is idle between its turns");
            let ends = self.in_flight.iter().map(|(at, ..)| *at).chain(self.disk.next_end());
            let next = ends.fold(self.wait_until, Instant::min);
            if self.is_finished || next > target {
                break;
            }
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = target;
        self.turn();
    }

    pub fn flush(&mut self, timeout: Duration) -> FlushId {
        let id = self.machine.as_mut().unwrap().flush(self.now + timeout);
        self.flushes.insert(id, None);
        self.turn();
        id
    }

    pub fn reply(&self, id: FlushId) -> Option<bool> {
        self.flushes.get(&id).copied().flatten()
    }

    /// Shuts the process down. Returns whether no span was left.
    pub fn shut_down(&mut self, timeout: Duration) -> bool {
        let began = self.now;
        self.queue.close();
        let id = self.machine.as_mut().unwrap().shutdown(self.now + timeout);
        self.flushes.insert(id, None);
        self.turn();
        while !self.is_finished {
            assert!(self.now < began + timeout + Duration::from_millis(12), "in time");
            self.wait(Duration::from_millis(1));
        }
        // Until its deadline, the process waits for the disk.
        while let Some(next) = self.disk.next_end().filter(|next| *next <= began + timeout) {
            self.now = self.now.max(next);
            self.turn();
        }
        let account = self.ledger();
        account.check().unwrap();
        self.reply(id).unwrap()
    }

    /// The process ends, and the next one starts. `is_crash`: it was killed.
    pub fn restart(&mut self, is_crash: bool) {
        let account = self.ledger();
        // A killed process frees nothing; the model's budget is of no interest then.
        self.machine = None;
        self.in_flight.clear();
        self.was_idle.push(self.disk.is_idle());
        self.disk.crash();
        let on_disk = self.disk.spans();
        // An exact boot ledger: all that was neither settled nor on disk.
        let settled = account.exported + account.dropped_total() + account.sampled_out;
        let lost = match is_crash {
            true => {
                account.created + account.recovered
                    - settled
                    - on_disk.min(account.created + account.recovered - settled)
            }
            false => 0,
        };
        self.earlier.push(account);
        self.disk.open(lost);
        (self.queue, self.machine) = {
            let (queue, machine) = process(self.configure, self.now);
            (queue, Some(machine))
        };
        (self.is_finished, self.wait_until) = (false, self.now);
        self.flushes.clear();
        self.turn();
    }

    /// Later processes have these settings.
    pub fn configure(&mut self, configure: fn(ExporterBuilder) -> ExporterBuilder) {
        self.configure = configure;
    }

    pub fn ledger(&self) -> Snapshot {
        self.queue.ledger().snapshot()
    }

    /// The receiver has lost its process: requests in flight end as they would at a receiver that is down.
    pub fn set_receiver(&mut self, receiver: Receiver) {
        self.receiver = receiver;
    }

    pub fn turn(&mut self) {
        self.end_requests();
        let Some(machine) = &mut self.machine else { return };
        while let Some(event) = self.disk.event(self.now) {
            machine.spool_event(self.now, event);
        }
        for actions in 0.. {
            assert!(actions < 100_000, "a turn comes to an end");
            let machine = self.machine.as_mut().unwrap();
            match machine.poll(self.now, self.queue.level()) {
                Action::Queue(action) => {
                    if let Some(drained) = self.queue.apply(action) {
                        self.machine.as_mut().unwrap().drained(drained);
                    }
                }
                Action::Send(id, request) => {
                    let takes = match self.receiver {
                        Receiver::Down | Receiver::Hung => TIMEOUT,
                        Receiver::From(first) if is_before(request.message(), first) => TIMEOUT,
                        _ => ANSWER,
                    };
                    self.in_flight.push((self.now + takes, id, request));
                    self.most_in_flight = self.most_in_flight.max(self.in_flight.len());
                }
                Action::CancelRequests => {
                    for (_, id, request) in std::mem::take(&mut self.in_flight) {
                        drop(request);
                        let delivery = Delivery::from(Outcome::Failed(Failure::Shutdown));
                        let machine = self.machine.as_mut().unwrap();
                        machine.request_ended(self.now, id, Some(delivery));
                    }
                }
                Action::Reply(reply) => {
                    let before = self.flushes.insert(reply.id, Some(reply.is_done));
                    assert_eq!(before, Some(None), "a flush is answered once");
                }
                Action::Spool(command) => self.disk.submit(self.now, command),
                Action::Report(ExportEvent::Spool(report)) => self.reports.push(report),
                Action::Report(_) => {}
                Action::WaitUntil(until) => {
                    self.wait_until = until;
                    break;
                }
                Action::Finish => {
                    self.is_finished = true;
                    break;
                }
            }
            self.check();
        }
    }

    fn end_requests(&mut self) {
        loop {
            let due = self.in_flight.iter().position(|(at, ..)| *at <= self.now);
            let Some(due) = due else { return };
            let (_, id, request) = self.in_flight.remove(due);
            let spans: Vec<u64> = ids(request.message());
            let bytes = request.message().len();
            let (outcome, taken) = match self.receiver {
                Receiver::Up => (accepted(0), spans),
                Receiver::Down => {
                    (Outcome::Failed(Failure::RetryDeadline { last: None }), Vec::new())
                }
                Receiver::Hung => {
                    let taken = if id.generation() == 0 && spans.len().is_multiple_of(2) {
                        spans
                    } else {
                        Vec::new()
                    };
                    (Outcome::Failed(Failure::AmbiguousTimeout), taken)
                }
                Receiver::Rejecting => {
                    let status = ResponseStatus::Http(400);
                    (Outcome::Failed(Failure::Rejected { status }), Vec::new())
                }
                Receiver::Partial => (accepted(1), spans[1..].to_vec()),
                Receiver::Small(limit) if bytes > limit => {
                    (Outcome::Failed(Failure::TooLarge), Vec::new())
                }
                Receiver::From(first) if is_before(request.message(), first) => {
                    (Outcome::Failed(Failure::RetryDeadline { last: None }), Vec::new())
                }
                Receiver::Small(_) | Receiver::From(_) => (accepted(0), spans),
            };
            for span in taken {
                *self.received.entry(span).or_default() += 1;
                self.order.push(span);
            }
            let mut delivery = Delivery::from(outcome);
            delivery.ambiguous_attempts = u32::from(self.receiver == Receiver::Hung);
            drop(request);
            let Some(machine) = &mut self.machine else { return };
            machine.request_ended(self.now, id, Some(delivery));
        }
    }

    /// The law, the budget, and the bounds of what the receiver has.
    fn check(&self) {
        let account = self.ledger();
        let outcomes = account.sampled_out + account.exported + account.dropped_total();
        let sum = outcomes + account.spooled + account.in_flight;
        assert_eq!(account.created + account.recovered, sum, "the law: {account}");
        let budget = self.queue.budget();
        assert!(budget.charged() <= budget.limit(), "{budget:?}");
        let charged: usize = self.in_flight.iter().map(|(_, _, it)| it.message().len()).sum();
        assert!(charged <= budget.charged(), "requests are charged for");
    }

    /// At the end: each process has left to the next one what it had, and the receiver has what was exported.
    pub fn judge(&self) {
        let last = self.ledger();
        last.check().unwrap();
        let accounts = || self.earlier.iter().chain([&last]);
        let created: u64 = accounts().map(|it| it.created).sum();
        assert_eq!(created, self.pushed());
        let restarts = self.earlier.iter().zip(accounts().skip(1));
        for ((before, after), was_idle) in restarts.zip(&self.was_idle) {
            // A request that the disk had and had not stored yet is lost for the one, and may be found by the other.
            let uncertain = before.dropped(DropReason::SpoolIo);
            let left = before.spooled + before.in_flight;
            // So may be a record whose spans were exported, and whose acknowledgement the disk had not got.
            let most = if *was_idle { left + uncertain } else { u64::MAX };
            // And one that was evicted meanwhile, without a report.
            let least = if *was_idle { left } else { 0 };
            assert!((least..=most).contains(&after.recovered), "{before} {after}");
        }
        let exported = accounts().map(|it| it.exported).sum::<u64>();
        let ambiguous = accounts().map(|it| it.ambiguous()).sum::<u64>();
        let received = self.received.len() as u64;
        assert!(received <= exported + ambiguous, "{received} of {exported} + {ambiguous}");
        // Spans that a process exported before a crash, and whose record the next one has sent again, count twice.
        let twice: u64 = self.received.values().map(|copies| u64::from(copies - 1)).sum();
        assert!(exported <= received + twice, "{exported} of {received} and {twice} twice");
    }

    /// Exported spans of all processes.
    pub fn exported(&self) -> u64 {
        self.earlier.iter().map(|it| it.exported).sum::<u64>() + self.ledger().exported
    }
}

fn is_before(message: &[u8], first: u64) -> bool {
    ids(message).iter().any(|id| *id < first)
}

fn accepted(rejected: u64) -> Outcome {
    Outcome::Accepted { rejected, message: None }
}

pub fn ids(message: &[u8]) -> Vec<u64> {
    let decoded = spanwise_testkit::decode(message);
    spanwise_testkit::spans(&decoded)
        .map(|span| u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap()))
        .collect()
}
