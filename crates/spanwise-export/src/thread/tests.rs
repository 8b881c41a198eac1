//! Turns that panic, which no code of a user's can cause: the fault is injected.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use super::*;
use crate::Exporter;
use crate::inbox::Inbox;
use crate::observer::LastWork;
use spanwise_ledger::{DropReason, Ledger};
use spanwise_transport::Outcome;
use spanwise_wire::SpanMeta;
use spanwise_wire::write::FinishedSpan;
use spanwise_worker::{notify, oneshot};
use std::sync::Mutex;
use std::time::Duration;

#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<String>>>);

impl Observer for Recording {
    fn event(&mut self, event: ExportEvent) {
        let line = match event {
            ExportEvent::Panicked { code, count, .. } => format!("{code} {count}"),
            ExportEvent::Died => "died".to_owned(),
            ExportEvent::ShutDown => "shut down".to_owned(),
            ExportEvent::Ending => "ending".to_owned(),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

struct Bench {
    queue: Arc<SpanQueue>,
    thread: ExportThread,
    lines: Recording,
}

fn bench(outcome: fn() -> Option<Outcome>) -> Bench {
    let sink = move |_: bytes::Bytes| async move {
        match outcome() {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    };
    let transport = Transport::builder().with_sink(sink).build().unwrap();
    let builder = Exporter::builder(transport.clone()).with_ledger(Ledger::new());
    let (queue, prepared) = builder.prepare().unwrap();
    let (queue, scopes) = (Arc::new(queue), prepared.scopes().clone());
    let machine = prepared.into_machine(&queue, Instant::now());
    let (inbox, lines) = (InboxGuard(Arc::new(Inbox::open())), Recording::default());
    let observer = Box::new(lines.clone());
    let thread =
        ExportThread::new(queue.clone(), scopes, inbox, (machine, vec![transport]), observer);
    Bench { queue, thread, lines }
}

fn push(queue: &SpanQueue, spans: u64) {
    for _ in 0..spans {
        queue.ledger().started();
        queue.push(&FinishedSpan::encoded(b"\x2a\x01s"), SpanMeta::default());
    }
}

fn ask(thread: &ExportThread, kind: CommandKind) -> oneshot::Receiver<bool> {
    let (done, answer) = oneshot::channel();
    let deadline = Instant::now() + Duration::from_secs(60);
    assert!(thread.inbox.0.send(Command { kind, deadline, done }));
    answer
}

fn accepted() -> Option<Outcome> {
    Some(Outcome::Accepted { rejected: 0, message: None })
}

/// A last work, and the lines that follow.
type Case = (fn(Recording) -> LastWork, &'static [&'static str]);

/// An observer with this last work.
struct Working(Recording, fn(Recording) -> LastWork);

impl Observer for Working {
    fn event(&mut self, event: ExportEvent) {
        self.0.event(event);
    }

    fn last_work(&mut self, until: Instant) -> Option<LastWork> {
        assert!(until > Instant::now());
        Some((self.1)(self.0.clone()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_awaits_the_last_work_until_its_deadline() {
    let works: [Case; 3] = [
        (
            |lines| {
                Box::pin(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    lines.0.lock().unwrap().push("worked".to_owned());
                })
            },
            &["worked", "shut down", "ending"],
        ),
        (|_| Box::pin(std::future::pending()), &["shut down", "ending"]),
        (
            |_| Box::pin(async { panic!("on purpose") }),
            &["the exporter's observer 1", "shut down", "ending"],
        ),
    ];
    for (work, expected) in works {
        let Bench { queue, mut thread, lines } = bench(accepted);
        thread.observer = FencedObserver::new(Box::new(Working(lines.clone(), work)));
        push(&queue, 9);
        let answer = ask(&thread, CommandKind::Shutdown);
        queue.close();
        let (_notifier, notified) = notify();
        thread.run(notified).await;
        assert_eq!(answer.recv_until(Instant::now()), Some(true));
        assert_eq!(*lines.0.lock().unwrap(), expected);
        assert_eq!(queue.ledger().snapshot().exported, 9);
    }
}

#[tokio::test]
async fn a_turn_that_panics_is_reported_and_the_next_turn_exports() {
    let Bench { queue, mut thread, lines } = bench(accepted);
    push(&queue, 9);
    thread.turns_to_fail = MAX_FAILED_TURNS - 1;
    let answer = ask(&thread, CommandKind::Shutdown);
    queue.close();
    let (_notifier, notified) = notify();
    thread.run(notified).await;
    assert_eq!(answer.recv_until(Instant::now()), Some(true));
    let account = queue.ledger().snapshot();
    account.check().unwrap();
    assert_eq!(account.exported, 9);
    let expected = ["the export loop 1", "the export loop 2", "shut down", "ending"];
    assert_eq!(*lines.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_thread_that_dies_books_every_span_and_reports_it() {
    let Bench { queue, mut thread, lines } = bench(|| None);
    thread.is_started = true;
    // One request in flight, spans in the backlog and in the queue.
    push(&queue, 5);
    let flush = ask(&thread, CommandKind::Flush);
    assert!(matches!(thread.turn(Instant::now()), Turn::WaitUntil(_)));
    push(&queue, 7);
    let drained = queue.apply(QueueAction::DrainAll).unwrap();
    thread.machine.as_mut().unwrap().drained(drained);
    push(&queue, 11);
    assert_eq!(thread.machine.as_ref().unwrap().in_flight(), (1, 5));
    thread.turns_to_fail = u32::MAX;
    let (_notifier, notified) = notify();
    thread.run(notified).await;

    let account = queue.ledger().snapshot();
    account.check().unwrap();
    assert_eq!(account.dropped(DropReason::WorkerUnavailable), 7 + 11);
    assert_eq!(account.dropped(DropReason::ExporterPanic), 5, "the receiver may have them");
    assert!(flush.is_closed(), "no caller waits for it");
    push(&queue, 3);
    let account = queue.ledger().snapshot();
    account.check().unwrap();
    assert_eq!(account.dropped(DropReason::WorkerUnavailable), 7 + 11 + 3);
    let panics = (1..=MAX_FAILED_TURNS).map(|count| format!("the export loop {count}"));
    let expected: Vec<_> = panics.chain(["died".to_owned(), "ending".to_owned()]).collect();
    assert_eq!(*lines.0.lock().unwrap(), expected);
    // The runtime frees the task that was aborted.
    let patience = Instant::now() + Duration::from_secs(60);
    while queue.budget().charged() > 0 && Instant::now() < patience {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.budget().charged(), 0, "its memory is freed");
}

#[tokio::test]
async fn a_shutdown_waits_for_a_thread_that_was_preempted_in_its_slot() {
    for dies in [false, true] {
        let accepted = || Some(Outcome::Accepted { rejected: 0, message: None });
        let Bench { queue, mut thread, lines: _lines } = bench(accepted);
        // The slot of this thread, with its spans.
        push(&queue, 5);
        let (is_held, held) = std::sync::mpsc::channel();
        let other = queue.clone();
        let holder = std::thread::spawn(move || {
            let slots: Vec<_> = (0..64).filter_map(|slot| other.buffer().hold_slot(slot)).collect();
            is_held.send(slots.len()).unwrap();
            std::thread::sleep(Duration::from_millis(30));
        });
        assert!(held.recv().unwrap() > 0);
        // It is due at once.
        let (done, _answer) = oneshot::channel();
        let deadline = Instant::now();
        assert!(thread.inbox.0.send(Command { kind: CommandKind::Shutdown, deadline, done }));
        queue.close();
        thread.turns_to_fail = if dies { u32::MAX } else { 0 };
        let (_notifier, notified) = notify();
        thread.run(notified).await;
        queue.ledger().snapshot().check().unwrap();
        holder.join().unwrap();
    }
}
