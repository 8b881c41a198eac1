//! An exporter in virtual time whose requests the test answers.

use super::ended_span::EndedSpan;
use spanwise_export::sans_io::{Action, ExportMachine, FlushId, QueueAction, RequestId};
use spanwise_export::{
    BatchConfig, ExportEvent, Exporter, ExporterBuilder, OnFull, ShedThreshold, SpanQueue,
};
use spanwise_ledger::Snapshot;
use spanwise_transport::{Delivery, FramedRequest, Outcome, Transport};
use spanwise_wire::write::{FinishedSpan, SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, StatusCode, TraceId};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of the attribute of a small span.
pub const SMALL: usize = 0;

/// A queue and its machine.
pub struct Line {
    queue: SpanQueue,
    machine: ExportMachine,
    now: Instant,
    wait_until: Instant,
    in_flight: Vec<(RequestId, FramedRequest)>,
    flush: Option<(FlushId, Option<bool>)>,
    panics: u64,
    is_finished: bool,
    exported: Vec<(u128, u64)>,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub spans: u64,
    pub bytes: usize,
}

/// A line with up to 64 requests in flight, unless `configure` sets another number.
pub fn line(configure: impl FnOnce(ExporterBuilder) -> ExporterBuilder) -> Line {
    let sink = |_| std::future::ready(Outcome::Accepted { rejected: 0, message: None });
    let builder = Exporter::builder(Transport::builder().with_sink(sink).build().unwrap());
    let (queue, prepared) = configure(builder.with_max_in_flight(64)).prepare().unwrap();
    let now = Instant::now();
    Line {
        machine: prepared.into_machine(&queue, now),
        queue,
        now,
        wait_until: now,
        in_flight: Vec::new(),
        flush: None,
        panics: 0,
        is_finished: false,
        exported: Vec::new(),
    }
}

impl Line {
    /// Pushes spans with an attribute of `bytes` bytes.
    pub fn push(&mut self, count: usize, bytes: usize) {
        push_to(&self.queue, count, bytes);
    }

    /// Pushes a span as it is.
    pub fn push_span(&mut self, span: &EndedSpan) {
        self.queue.ledger().started();
        let mut writer = SpanWriter::new();
        writer.begin(&SpanLimits::default(), span.name);
        if span.bytes > 0 {
            writer.attribute(&SpanLimits::default(), "key", "v".repeat(span.bytes).as_str());
        }
        let header = span.header();
        let mut meta = SpanMeta {
            trace_id: header.trace_id,
            span_id: header.span_id,
            parent_span_id: header.parent_span_id,
            start_unix_nanos: header.start_unix_nanos,
            duration_nanos: header.end_unix_nanos - header.start_unix_nanos,
            flags: header.flags.0 as u16,
            ..SpanMeta::default()
        };
        if span.is_error {
            writer.status(&SpanLimits::default(), StatusCode::Error, "");
            meta.status = StatusCode::Error;
        }
        self.queue.push(&writer.finish(&header), meta);
    }

    /// Ids of the spans in the requests that were sent, since the last call, by trace and span.
    pub fn take_exported(&mut self) -> Vec<(u128, u64)> {
        let mut ids: Vec<_> = self.exported.drain(..).collect();
        ids.sort_unstable();
        ids
    }

    /// Pushes a span that takes `bytes` bytes of a request, 16 KiB to 2 MiB.
    pub fn push_encoded(&mut self, bytes: usize) {
        let ids = [&[0x0a, 16][..], &[1; 16], &[0x12, 8], &[1; 8], &[0x2a]].concat();
        // The lengths of the span and of its name take three bytes each; the tag of the span is one.
        let name = bytes - 1 - 3 - ids.len() - 3;
        let len = [name as u8 | 0x80, (name >> 7) as u8 | 0x80, (name >> 14) as u8];
        let span = [&ids[..], &len, &vec![b'n'; name]].concat();
        self.queue.ledger().started();
        self.queue.push(&FinishedSpan::encoded(&span), SpanMeta::default());
    }

    pub fn push_on_threads(&mut self, threads: usize, each: usize) {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| push_to(&self.queue, each, SMALL));
            }
        });
    }

    /// Lets `time` pass. Returns the requests that were sent meanwhile.
    pub fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let target = self.now + time;
        let mut sent = self.turn();
        let mut turns = 0;
        while !self.is_finished && self.wait_until <= target {
            self.now = self.now.max(self.wait_until);
            sent.extend(self.turn());
            turns += 1;
            assert!(turns < 200_000, "the exporter is idle between its turns");
        }
        self.now = target;
        sent
    }

    /// A producer notifies the exporter.
    pub fn notify(&mut self) -> Vec<Sent> {
        self.machine.notified();
        self.turn()
    }

    pub fn flush(&mut self) -> Vec<Sent> {
        self.flush = Some((self.machine.flush(self.now + HOUR), None));
        self.turn()
    }

    /// Whether the flush is done.
    pub fn is_flushed(&mut self) -> bool {
        self.turn();
        self.flush.is_some_and(|(_, reply)| reply == Some(true))
    }

    /// Shuts down, answers all requests, and returns them.
    pub fn shut_down(&mut self) -> Vec<Sent> {
        self.queue.close();
        self.machine.shutdown(self.now + HOUR);
        let mut sent = self.turn();
        while !self.is_finished {
            self.answer();
            self.now = self.now.max(self.wait_until);
            sent.extend(self.turn());
        }
        let account = self.ledger();
        account.check().unwrap();
        assert!(account.is_idle());
        sent
    }

    /// Shuts down with a deadline, and answers no request.
    pub fn shut_down_within(&mut self, time: Duration) {
        self.queue.close();
        self.machine.shutdown(self.now + time);
        self.wait(time + Duration::from_millis(11));
        assert!(self.is_finished, "a shutdown ends by its deadline");
    }

    /// The exporter's thread dies.
    pub fn die(self) -> Snapshot {
        let Self { queue, machine, in_flight, .. } = self;
        drop((machine, in_flight));
        drop(queue.apply(QueueAction::DrainAll));
        queue.ledger().snapshot()
    }

    /// Bytes that stay charged when the exporter is freed.
    pub fn charged_at_end(self) -> usize {
        let Self { queue, machine, in_flight, .. } = self;
        drop((machine, in_flight));
        queue.release();
        queue.budget().charged()
    }

    /// The receiver accepts all requests in flight.
    pub fn answer(&mut self) {
        self.answer_with(&Outcome::Accepted { rejected: 0, message: None });
    }

    /// All requests in flight end with this outcome.
    pub fn answer_with(&mut self, outcome: &Outcome) {
        for (id, request) in self.in_flight.drain(..) {
            drop(request);
            self.machine.request_ended(self.now, id, Some(Delivery::from(outcome.clone())));
        }
    }

    /// The receiver accepts requests until none is sent.
    pub fn answer_all(&mut self) {
        while !self.in_flight.is_empty() {
            self.answer();
            self.turn();
        }
    }

    pub fn set(&mut self, config: &BatchConfig) {
        self.machine.set_batch_config(config).unwrap();
    }

    pub fn shed_threshold(&self) -> ShedThreshold {
        self.queue.shed_threshold()
    }

    pub fn machine(&self) -> &ExportMachine {
        &self.machine
    }

    pub fn machine_mut(&mut self) -> &mut ExportMachine {
        &mut self.machine
    }

    pub fn ledger(&self) -> Snapshot {
        self.queue.ledger().snapshot()
    }

    /// Spans that were dropped for any reason.
    pub fn dropped(&self) -> u64 {
        self.ledger().dropped_total()
    }

    /// A flush that finds all slots held, by threads that are interrupted while they store a span. Returns the time
    /// until the next turn.
    pub fn flush_while_slots_are_held(&mut self) -> Duration {
        self.flush = Some((self.machine.flush(self.now + HOUR), None));
        loop {
            let action = self.machine.poll(self.now, self.queue.level());
            let Action::Queue(action) = action else {
                if self.act(action, &mut Vec::new()) {
                    continue;
                }
                return self.wait_until - self.now;
            };
            let buffer = self.queue.buffer();
            let held: Vec<_> = (0..64).filter_map(|slot| buffer.hold_slot(slot)).collect();
            let drained = self.queue.apply(action);
            drop(held);
            if let Some(drained) = drained {
                self.machine.drained(drained);
            }
        }
    }

    /// The budget of the queue and of its requests.
    pub fn budget(&self) -> &spanwise_batch::Budget {
        self.queue.budget()
    }

    /// Bytes of the budget that new spans leave to requests.
    pub fn reserve(&self) -> usize {
        self.queue.budget().reserve()
    }

    /// Panics that were reported.
    pub fn panics(&self) -> u64 {
        self.panics
    }

    fn turn(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        loop {
            let action = self.machine.poll(self.now, self.queue.level());
            if !self.act(action, &mut sent) {
                return sent;
            }
            let budget = self.queue.budget();
            assert!(budget.charged() <= budget.limit());
        }
    }

    /// Carries out an action. Returns whether the turn goes on.
    fn act(&mut self, action: Action, sent: &mut Vec<Sent>) -> bool {
        match action {
            Action::Queue(action) => {
                if let Some(drained) = self.queue.apply(action) {
                    self.machine.drained(drained);
                }
            }
            Action::Send(id, request) => {
                let decoded = spanwise_testkit::decode(request.message());
                let spans = spanwise_testkit::spans(&decoded).count() as u64;
                self.exported.extend(spanwise_testkit::spans(&decoded).map(|span| {
                    let trace = span.trace_id.as_slice().try_into().unwrap_or_default();
                    let id = span.span_id.as_slice().try_into().unwrap_or_default();
                    (u128::from_be_bytes(trace), u64::from_be_bytes(id))
                }));
                sent.push(Sent { spans, bytes: request.message().len() });
                self.in_flight.push((id, request));
            }
            Action::Reply(reply) => {
                if let Some((id, done)) = &mut self.flush
                    && *id == reply.id
                {
                    *done = Some(reply.is_done);
                }
            }
            Action::Report(ExportEvent::Panicked { count, .. }) => self.panics = count,
            Action::WaitUntil(until) => {
                self.wait_until = until;
                return false;
            }
            Action::Finish => {
                self.is_finished = true;
                return false;
            }
            _ => {}
        }
        true
    }
}

fn push_to(queue: &SpanQueue, count: usize, bytes: usize) {
    let mut writer = SpanWriter::new();
    for _ in 0..count {
        queue.ledger().started();
        writer.begin(&SpanLimits::default(), "span");
        if bytes > 0 {
            writer.attribute(&SpanLimits::default(), "key", "v".repeat(bytes).as_str());
        }
        queue.push(&writer.finish(&header()), SpanMeta::default());
    }
}

fn header() -> SpanHeader {
    SpanHeader { trace_id: TraceId(1), span_id: SpanId(1), ..SpanHeader::default() }
}

/// An exporter with its thread, whose pushes wait for space, and the number of spans that its sink received.
pub fn running(
    configure: impl FnOnce(ExporterBuilder) -> ExporterBuilder,
) -> (Exporter, Arc<Mutex<u64>>) {
    let received = Arc::new(Mutex::new(0));
    let count = received.clone();
    let sink = move |request: bytes::Bytes| {
        let decoded = spanwise_testkit::decode(&request);
        *count.lock().unwrap() += spanwise_testkit::spans(&decoded).count() as u64;
        std::future::ready(Outcome::Accepted { rejected: 0, message: None })
    };
    let transport = Transport::builder().with_sink(sink).build().unwrap();
    let builder = Exporter::builder(transport).with_on_full(OnFull::Wait(HOUR));
    (configure(builder).build().unwrap(), received)
}

/// Pushes a span to a running exporter.
pub fn push(exporter: &Exporter) {
    push_to(exporter.queue(), 1, SMALL);
}

const HOUR: Duration = Duration::from_secs(3600);
