//! An exporter with its thread: flush, shutdown, and code of the user's that panics.

use spanwise_export::sans_io::{Action, ExportMachine, QueueAction, Reply};
use spanwise_export::{
    ExportEvent, Exporter, ExporterBuilder, FlushError, Observer, ScopeTable, SpanQueue,
};
use spanwise_ledger::{DropReason, Ledger};
use spanwise_receiver::Receiver;
use spanwise_transport::{Endpoint, Failure, Outcome, ResponseStatus, Transport};
use spanwise_wire::write::{FinishedSpan, SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + LONG
}

fn push(exporter: &Exporter, count: u64) {
    let mut writer = SpanWriter::new();
    for id in 1..=count {
        writer.begin(&SpanLimits::default(), "span");
        let header =
            SpanHeader { trace_id: TraceId(1), span_id: SpanId(id), ..SpanHeader::default() };
        exporter.push(&writer.finish(&header), SpanMeta::default());
    }
}

fn to_sink<F>(sink: impl Fn(bytes::Bytes) -> F + Send + Sync + 'static) -> ExporterBuilder
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Exporter::builder(Transport::builder().with_sink(sink).build().unwrap())
}

fn accepted() -> Outcome {
    Outcome::Accepted { rejected: 0, message: None }
}

#[test]
fn spans_reach_a_receiver_and_the_account_balances() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let endpoint = Endpoint::parse_base("ENDPOINT", &receiver.http_endpoint()).unwrap();
    let transport = Transport::builder().with_endpoint(endpoint).build().unwrap();
    let exporter = Exporter::builder(transport)
        .with_scheduled_delay(Duration::from_secs(3600))
        .build()
        .unwrap();
    push(&exporter, 1000);
    exporter.flush_until(soon()).unwrap();
    assert_eq!((collected.spans(), exporter.snapshot().exported), (1000, 1000));
    push(&exporter, 10);
    exporter.shutdown_until(soon()).unwrap();
    assert_eq!(collected.spans(), 1010);
    push(&exporter, 1);
    let account = exporter.snapshot();
    account.check().unwrap();
    assert_eq!(account.dropped(DropReason::AfterShutdown), 1);
    assert_eq!(exporter.flush_until(soon()), Err(FlushError::AlreadyShutdown));
    assert_eq!(exporter.shutdown_until(soon()), Err(FlushError::AlreadyShutdown));
    assert!(exporter.join_until(soon()));
}

#[test]
fn a_drop_starts_a_shutdown_that_books_every_span() {
    let ledger = Ledger::new();
    let exporter = to_sink(|_| std::future::ready(accepted())).with_ledger(ledger.clone());
    let exporter = exporter.build().unwrap();
    push(&exporter, 100);
    drop(exporter);
    let patience = soon();
    while !ledger.snapshot().is_idle() && Instant::now() < patience {
        std::thread::yield_now();
    }
    assert_eq!(ledger.snapshot().exported, 100);
}

#[test]
fn a_sink_that_never_answers_does_not_hold_up_a_shutdown() {
    let exporter = to_sink(|_| std::future::pending()).build().unwrap();
    push(&exporter, 5);
    let until = Instant::now() + Duration::from_millis(50);
    assert_eq!(exporter.flush_until(until), Err(FlushError::Timeout));
    push(&exporter, 3);
    let until = Instant::now() + Duration::from_millis(50);
    assert_eq!(exporter.shutdown_until(until), Err(FlushError::Timeout));
    // A thread that the system did not schedule books its last spans late.
    assert!(exporter.join_until(soon()));
    let account = exporter.snapshot();
    account.check().unwrap();
    assert_eq!(account.ambiguous(), 8, "the sink has both requests");
}

/// Panics at each of its calls.
#[derive(Default)]
struct Panicking {
    calls: Arc<AtomicU64>,
    reported: Arc<Mutex<Vec<String>>>,
}

impl Observer for Panicking {
    fn event(&mut self, event: ExportEvent) {
        if let ExportEvent::Panicked { code, panic, count } = &event {
            self.reported.lock().unwrap().push(format!("{code} {panic} ({count})"));
        }
        self.calls.fetch_add(1, SeqCst);
        panic!("an event, on purpose");
    }

    fn turn(&mut self, _: Instant) -> Option<Instant> {
        self.calls.fetch_add(1, SeqCst);
        panic!("a turn, on purpose");
    }
}

#[test]
fn an_observer_that_panics_is_reported_and_stops_no_export() {
    let observer = Panicking::default();
    let (calls, reported) = (observer.calls.clone(), observer.reported.clone());
    let exporter =
        to_sink(|_| std::future::ready(accepted())).with_observer(observer).build().unwrap();
    for round in 1..=5 {
        push(&exporter, 10);
        exporter.flush_until(soon()).unwrap();
        assert_eq!(exporter.snapshot().exported, round * 10);
    }
    exporter.shutdown_until(soon()).unwrap();
    exporter.snapshot().check().unwrap();
    assert!(calls.load(SeqCst) > 10);
    let reported = reported.lock().unwrap();
    assert!(reported.len() > 5, "{reported:?}");
    for (count, line) in (1..).zip(reported.iter()) {
        assert!(line.starts_with("the exporter's observer panicked: "), "{line}");
        assert!(line.ends_with(&format!("on purpose ({count})")), "{line}");
    }
}

/// Counts its turns, and is always due.
struct Greedy(Arc<AtomicU64>);

impl Observer for Greedy {
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        self.0.fetch_add(1, SeqCst);
        Some(now)
    }
}

#[test]
fn an_observer_that_is_always_due_has_a_turn_each_millisecond_at_most() {
    let turns = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let exporter =
        to_sink(|_| async { accepted() }).with_observer(Greedy(turns.clone())).build().unwrap();
    while turns.load(SeqCst) < 20 {
        std::thread::yield_now();
    }
    exporter.shutdown_until(soon()).unwrap();
    let (turns, millis) = (turns.load(SeqCst), began.elapsed().as_millis() as u64);
    // A wake-up that rounds a deadline to the timer's millisecond may come early.
    assert!(turns <= 10 + 3 * (millis + 1), "{turns} turns in {millis} ms");
}

#[test]
fn a_sink_that_panics_costs_its_requests() {
    let exporter = to_sink(|_| -> std::future::Ready<Outcome> { panic!("on purpose") });
    let exporter = exporter.build().unwrap();
    push(&exporter, 7);
    exporter.flush_until(soon()).unwrap();
    exporter.shutdown_until(soon()).unwrap();
    let account = exporter.snapshot();
    account.check().unwrap();
    assert_eq!(account.dropped(DropReason::ExporterPanic), 7);
}

#[test]
fn an_observer_receives_how_each_request_ended() {
    #[derive(Default)]
    struct Recording(Arc<Mutex<Vec<String>>>);
    impl Observer for Recording {
        fn event(&mut self, event: ExportEvent) {
            let line = match event {
                ExportEvent::RequestEnded { spans, delivery, .. } => {
                    format!("{spans} spans: {}", delivery.unwrap().outcome)
                }
                ExportEvent::ShutDown => "shut down".to_owned(),
                ExportEvent::Ending => "ending".to_owned(),
                _ => return,
            };
            self.0.lock().unwrap().push(line);
        }
    }
    let observer = Recording::default();
    let lines = observer.0.clone();
    let status = ResponseStatus::Http(400);
    let refused = move || Outcome::Failed(Failure::Rejected { status });
    let exporter =
        to_sink(move |_| std::future::ready(refused())).with_observer(observer).build().unwrap();
    push(&exporter, 4);
    exporter.shutdown_until(soon()).unwrap();
    assert!(exporter.join_until(soon()));
    let lines = lines.lock().unwrap();
    assert_eq!(*lines, ["4 spans: rejected with HTTP 400", "shut down", "ending"]);
    assert_eq!(exporter.snapshot().dropped(DropReason::Rejected), 4);
}

/// A queue in the caller's own state, and requests that the caller sends itself.
#[test]
fn a_chunk_or_a_request_that_is_dropped_has_an_outcome() {
    struct Shared {
        queue: SpanQueue,
    }
    let builder = to_sink(|_| std::future::ready(accepted()));
    let (queue, prepared) = builder.prepare().unwrap();
    let shared = Shared { queue };
    let push = |count: u64| {
        for _ in 0..count {
            shared.queue.ledger().started();
            shared.queue.push(&FinishedSpan::encoded(b"\x2a\x01s"), SpanMeta::default());
        }
    };
    push(3);
    let drained = shared.queue.apply(QueueAction::DrainAll).unwrap();
    assert_eq!(drained.chunks.iter().map(|chunk| chunk.spans()).sum::<u64>(), 3);
    assert_eq!(shared.queue.ledger().snapshot().in_flight, 3);
    drop(drained);
    assert_eq!(shared.queue.ledger().snapshot().dropped(DropReason::WorkerUnavailable), 3);
    push(2);
    for chunk in shared.queue.apply(QueueAction::DrainAll).unwrap().chunks {
        chunk.drop_for(DropReason::Rejected);
    }
    assert_eq!(shared.queue.ledger().snapshot().dropped(DropReason::Rejected), 2);

    let mut now = Instant::now();
    let mut machine = prepared.into_machine(&shared.queue, now);
    let flush = machine.flush(now + LONG);
    push(5);
    let mut sent = 0;
    while sent == 0 {
        match machine.poll(now, shared.queue.level()) {
            Action::Queue(action) => {
                if let Some(drained) = shared.queue.apply(action) {
                    machine.drained(drained);
                }
            }
            Action::Send(..) => sent += 1,
            Action::WaitUntil(until) => now = until,
            Action::Reply(reply) => panic!("{reply:?} before {flush:?}"),
            _ => {}
        }
    }
    push(1);
    machine.drained(shared.queue.apply(QueueAction::DrainAll).unwrap());
    assert_eq!((machine.in_flight(), machine.backlog_spans()), ((1, 5), 1));
    drop(machine);
    let account = shared.queue.ledger().snapshot();
    account.check().unwrap();
    assert_eq!(account.dropped(DropReason::ExporterPanic), 5, "the receiver may have them");
    assert_eq!(account.dropped(DropReason::WorkerUnavailable), 3 + 1);
}

/// Polls until the machine waits, and counts the requests that it sends.
fn turn(machine: &mut ExportMachine, queue: &SpanQueue, now: Instant) -> (u64, Vec<Reply>) {
    let (mut sent, mut replies) = (0, Vec::new());
    loop {
        match machine.poll(now, queue.level()) {
            Action::Queue(action) => {
                if let Some(drained) = queue.apply(action) {
                    machine.drained(drained);
                }
            }
            Action::Send(..) => sent += 1,
            Action::Reply(reply) => replies.push(reply),
            Action::WaitUntil(_) => return (sent, replies),
            _ => {}
        }
    }
}

#[test]
fn a_closed_transport_costs_the_requests_in_flight_and_all_later_spans() {
    let builder = to_sink(|_| std::future::ready(accepted()));
    let (queue, prepared) = builder.prepare().unwrap();
    let push = |count: u64| {
        for _ in 0..count {
            queue.ledger().started();
            queue.push(&FinishedSpan::encoded(b"\x2a\x01s"), SpanMeta::default());
        }
    };
    let now = Instant::now();
    let mut machine = prepared.into_machine(&queue, now);
    push(4);
    let first = machine.flush(now + LONG);
    assert_eq!(turn(&mut machine, &queue, now), (1, Vec::new()));
    push(3);
    machine.transport_closed();
    let second = machine.flush(now + LONG);
    let (sent, mut replies) = turn(&mut machine, &queue, now);
    replies.sort_by_key(|reply| reply.id);
    assert_eq!(sent, 0);
    assert_eq!(replies, [first, second].map(|id| Reply { id, is_done: true }));
    let account = queue.ledger().snapshot();
    account.check().unwrap();
    assert_eq!(account.dropped(DropReason::AmbiguousTimeout), 4, "the receiver may have them");
    assert_eq!(account.dropped(DropReason::Transport), 3);
}

#[test]
fn a_table_of_scopes_is_bounded_by_count_and_bytes() {
    let table = ScopeTable::new(100);
    assert!(table.is_empty());
    assert_eq!(table.index(&[1; 200]), Some(0), "the first is always stored");
    assert_eq!(table.index(&[2; 10]), None);
    assert_eq!(table.index(&[1; 200]), Some(0));
    let table = ScopeTable::new(1 << 20);
    assert_eq!(table.index(&[0; (8 << 10) + 1]), None, "too large for a request");
    for index in 0..4096u32 {
        assert_eq!(table.index(&index.to_be_bytes()), Some(index));
    }
    assert_eq!(table.index(&[9; 5]), None);
    assert_eq!((table.len(), table.index(&7u32.to_be_bytes())), (4096, Some(7)));
    table.clear();
    assert!(table.is_empty());
}

#[test]
fn the_smallest_budget_sends_what_it_accepts() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let endpoint = Endpoint::parse_base("ENDPOINT", &receiver.http_endpoint()).unwrap();
    let transport = Transport::builder().with_endpoint(endpoint).build().unwrap();
    let exporter = Exporter::builder(transport)
        .with_budget_bytes(1 << 20)
        .with_max_in_flight(1)
        .build()
        .unwrap();
    push(&exporter, 20_000);
    exporter.shutdown_until(soon()).unwrap();
    let account = exporter.snapshot();
    account.check().unwrap();
    assert_eq!(collected.spans(), account.exported);
    assert_eq!(account.exported + account.dropped(DropReason::QueueBytes), 20_000);
    assert!(exporter.queue().budget().peak() <= 1 << 20);
}

#[test]
fn the_hook_runs_on_the_thread_that_calls_the_sink() {
    let (of_hook, of_sink) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
    let (hook, sink) = (of_hook.clone(), of_sink.clone());
    let take = move |_: bytes::Bytes| {
        *sink.lock().unwrap() = Some(std::thread::current().id());
        std::future::ready(accepted())
    };
    let builder = to_sink(take).with_on_thread_start(move || {
        *hook.lock().unwrap() = Some(std::thread::current().id());
    });
    let exporter = builder.build().unwrap();
    push(&exporter, 1);
    exporter.shutdown_until(soon()).unwrap();
    let thread = of_hook.lock().unwrap().take();
    assert!(thread.is_some() && thread == of_sink.lock().unwrap().take());
}
