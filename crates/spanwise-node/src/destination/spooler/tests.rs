//! The task of a spool, step by step, with a disk that a test answers for and times that it chooses.

use super::*;
use crate::account::SpoolAccount;
use crate::destination::fakes::{Backend, Queued, message};
use spanwise_export::SpoolUsage;
use std::collections::VecDeque;

/// A spool whose answers come from the test.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Commands>>);

#[derive(Default)]
struct Commands {
    events: VecDeque<SpoolEvent>,
    stores: Vec<u64>,
    buffers: Vec<Vec<u8>>,
    others: Vec<String>,
}

impl RequestSpool for Fake {
    fn submit(&mut self, command: SpoolCommand) {
        let mut commands = self.0.lock().unwrap();
        match command {
            SpoolCommand::Store { id, .. } => commands.stores.push(id),
            SpoolCommand::Read { buffer } => commands.buffers.push(buffer),
            other => commands.others.push(format!("{other:?}")),
        }
    }

    fn next_event(&mut self) -> Option<SpoolEvent> {
        self.0.lock().unwrap().events.pop_front()
    }

    fn usage(&self) -> Option<SpoolUsage> {
        Some(SpoolUsage::new(9_000, || 5_000))
    }
}

struct Fixture {
    backend: Backend,
    queued: Queued,
    spool: Fake,
    spooler: Spooler<Fake>,
    start: Instant,
}

impl Fixture {
    fn new() -> Self {
        let (start, backend, spool) = (Instant::now(), Backend::default(), Fake::default());
        let queued = Queued::new(backend.transport());
        let queue = Arc::clone(&queued.queue);
        let spooler = Spooler::new(queue, spool.clone(), &queued.memory, 64 << 10);
        Self { backend, queued, spool, spooler, start }
    }

    /// With a disk that stores.
    fn opened(recovery: SpoolRecovery) -> Self {
        let mut it = Self::new();
        it.event(SpoolEvent::Opened(recovery));
        it.step(1.0);
        assert_eq!(it.account().state, SpoolState::Up);
        it
    }

    /// A destination that is down, and whose two requests the full disk has refused at 1.5 s.
    async fn failing() -> Self {
        let mut it = Self::opened(SpoolRecovery::default());
        it.backend.set_up(false);
        it.queued.push(10);
        it.queued.push(10);
        assert_eq!(it.queued.send().await, 1, "the other one is held back");
        it.step(1.2);
        let stores = it.stores();
        assert_eq!(stores.len(), 2);
        it.answer(&stores, Err("full"));
        it.step(1.5);
        it
    }

    /// A step after this number of seconds; returns the time of the next one.
    fn step(&mut self, seconds: f64) -> Option<f64> {
        let now = self.start + Duration::from_secs_f64(seconds);
        self.spooler.step(now).map(|wake| (wake - self.start).as_secs_f64())
    }

    fn event(&self, event: SpoolEvent) {
        self.spool.0.lock().unwrap().events.push_back(event);
    }

    fn stores(&self) -> Vec<u64> {
        std::mem::take(&mut self.spool.0.lock().unwrap().stores)
    }

    fn answer(&self, ids: &[u64], result: Result<(), &str>) {
        for id in ids {
            self.event(SpoolEvent::Stored { id: *id, result: result.map_err(Arc::from) });
        }
    }

    fn account(&self) -> SpoolAccount {
        self.queued.queue.account().spool.unwrap()
    }

    /// Waits until the record is sent, on the one thread of the test.
    async fn sent(&self) {
        while self.spooler.replayed.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn requests_that_a_full_disk_refuses_wait_in_memory_until_it_stores_again() {
    let mut it = Fixture::failing().await;
    let account = it.account();
    assert_eq!((account.state, account.problem()), (SpoolState::Failing, Some("full")));
    assert_eq!((account.bytes, account.limit_bytes), (5_000, 9_000));
    let ledger = it.queued.ledger();
    assert_eq!((ledger.in_flight, ledger.dropped_total()), (20, 0));
    assert!(it.queued.queue.account().queued_bytes > 0, "senders of requests are refused at last");
    assert!(it.stores().is_empty());
    // The destination is tried with one of them, too.
    assert_eq!(it.queued.send().await, 1);
    assert_eq!(it.step(2.0), Some(2.5));
    // One request finds out whether the disk stores again; the wait doubles.
    it.step(2.5);
    let stores = it.stores();
    assert_eq!(stores.len(), 1);
    it.answer(&stores, Err("full"));
    it.step(3.0);
    assert_eq!(it.queued.send().await, 1);
    it.step(4.9);
    assert!(it.stores().is_empty());
    assert_eq!(it.queued.send().await, 1);
    it.step(5.0);
    let stores = it.stores();
    assert_eq!(stores.len(), 1);
    it.answer(&stores, Ok(()));
    it.step(5.1);
    assert_eq!((it.account().state, it.account().problem()), (SpoolState::Up, None));
    it.queued.send().await;
    it.step(5.2);
    let stores = it.stores();
    assert_eq!(stores.len(), 1);
    it.answer(&stores, Ok(()));
    it.step(5.3);
    let ledger = it.queued.ledger();
    assert_eq!((ledger.spooled, ledger.in_flight, ledger.dropped_total()), (20, 0, 0));
    assert!(it.queued.queue.is_idle());
}

#[tokio::test]
async fn a_destination_that_comes_back_while_the_disk_fails_gets_all_from_memory() {
    let mut it = Fixture::failing().await;
    it.backend.set_up(true);
    assert_eq!(it.queued.send().await, 2);
    it.step(3.0);
    let ledger = it.queued.ledger();
    assert_eq!((ledger.exported, ledger.in_flight, ledger.dropped_total()), (20, 0, 0));
    assert!(it.queued.queue.account().is_up && it.queued.queue.is_idle());
    assert_eq!(it.backend.lock().spans, 20);
    // Not known before the next request for it.
    assert_eq!(it.account().state, SpoolState::Failing);
}

#[tokio::test]
async fn a_shutdown_loses_what_the_disk_refuses_once_more() {
    let mut it = Fixture::failing().await;
    it.queued.queue.cancel(it.start + Duration::from_secs(10));
    it.step(1.6);
    let stores = it.stores();
    assert_eq!(stores.len(), 2, "without a wait");
    it.answer(&stores[..1], Ok(()));
    it.answer(&stores[1..], Err("full"));
    it.step(1.7);
    let ledger = it.queued.ledger();
    assert_eq!((ledger.spooled, ledger.in_flight), (10, 0));
    assert_eq!(ledger.dropped(DropReason::SpoolIo), 10);
    assert_eq!(it.spool.0.lock().unwrap().others, ["Close"]);
    it.event(SpoolEvent::Closed);
    assert_eq!(it.step(1.8), None);
    assert!(it.queued.queue.is_idle());
}

/// Its directory may be on a network that does not answer.
#[tokio::test]
async fn a_spool_that_is_never_open_holds_up_nothing_and_is_reported() {
    let mut it = Fixture::new();
    it.backend.set_up(false);
    it.queued.push(10);
    it.queued.push(10);
    assert_eq!(it.queued.send().await, 1);
    it.step(1.0);
    assert!(it.queued.queue.is_opening());
    assert!(it.stores().is_empty());
    assert_eq!(it.queued.send().await, 1, "the destination is tried from memory");
    it.step(2.1);
    it.backend.set_up(true);
    assert_eq!(it.queued.send().await, 2);
    assert_eq!(it.queued.ledger().exported, 20);
    assert!(it.step(9.9).is_some_and(|wake| wake < 10.1));
    assert_eq!(it.account().state, SpoolState::Opening);
    it.step(10.1);
    assert!(!it.queued.queue.is_opening());
    assert_eq!(it.account().state, SpoolState::Failing);
    assert!(it.account().problem().is_some_and(|problem| problem.contains("10s")));
    // Late is better than never.
    it.event(SpoolEvent::Opened(SpoolRecovery::new(5)));
    it.step(20.0);
    assert_eq!((it.account().state, it.account().problem()), (SpoolState::Up, None));
    assert_eq!(it.queued.ledger().spooled, 5);
}

#[tokio::test]
async fn the_requests_of_a_spool_that_ends_go_on_from_memory() {
    let mut it = Fixture::opened(SpoolRecovery::default());
    it.backend.set_up(false);
    it.queued.push(10);
    it.queued.send().await;
    it.step(1.2);
    assert_eq!(it.stores().len(), 1);
    it.event(SpoolEvent::Unavailable { error: "the thread panicked".into() });
    it.step(1.5);
    let account = it.account();
    assert_eq!(
        (account.state, account.problem()),
        (SpoolState::Ended, Some("the thread panicked"))
    );
    assert_eq!(it.queued.send().await, 1);
    it.step(3.0);
    it.backend.set_up(true);
    it.queued.send().await;
    let ledger = it.queued.ledger();
    assert_eq!((ledger.exported, ledger.in_flight, ledger.dropped_total()), (10, 0, 0));
    assert!(it.stores().is_empty());
    it.queued.queue.cancel(it.start + Duration::from_secs(10));
    assert_eq!(it.step(3.1), None);
}

/// A destination that is up does not turn a disk that cannot be read into a busy loop.
#[tokio::test]
async fn a_read_that_fails_is_tried_again_after_a_wait() {
    let mut it = Fixture::opened(SpoolRecovery::new(8));
    let buffer = it.spool.0.lock().unwrap().buffers.pop().unwrap();
    it.event(SpoolEvent::ReadFailed { buffer, error: "bad sector".into() });
    assert_eq!(it.step(1.5), Some(2.5));
    assert_eq!(it.account().problem(), Some("bad sector"));
    it.step(2.4);
    assert!(it.spool.0.lock().unwrap().buffers.is_empty());
    it.step(2.5);
    assert_eq!(it.spool.0.lock().unwrap().buffers.len(), 1);
}

#[tokio::test]
async fn the_rest_of_a_record_that_a_full_disk_refuses_is_sent_again() {
    let mut it = Fixture::opened(SpoolRecovery::new(8));
    let whole = message(8, 0);
    let mut buffer = it.spool.0.lock().unwrap().buffers.pop().unwrap();
    buffer.extend_from_slice(&whole);
    // The first of two parts is accepted.
    it.backend.set(whole.len() - 1, 1);
    it.event(SpoolEvent::Record { buffer, spans: 8 });
    it.step(1.1);
    it.sent().await;
    it.step(1.2);
    let stores = it.stores();
    assert_eq!(stores.len(), 1, "the rest is stored anew");
    it.answer(&stores, Err("full"));
    it.step(1.3);
    let before = it.queued.ledger();
    assert!(before.exported > 0 && before.in_flight == 8 - before.exported);
    it.backend.set_up(true);
    it.step(2.2);
    it.sent().await;
    it.step(2.3);
    let ledger = it.queued.ledger();
    assert_eq!((ledger.exported, ledger.in_flight, ledger.dropped_total()), (8, 0, 0));
    assert_eq!(it.backend.lock().spans, 8, "each span once");
    assert_eq!(it.spool.0.lock().unwrap().others, ["Acknowledge"]);
}
