//! The invariant of the ledger under many threads: `in_flight` is never negative while they run,
//! and exact once they have stopped.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;

use spanwise_ledger::{DropReason, Ledger, ParentOrigin, SamplingResult, Snapshot};

/// More threads than a ledger has counter lines.
const THREADS: u64 = 150;

fn is_balanced(snapshot: &Snapshot) -> bool {
    let Snapshot { created, recovered, sampled_out, exported, spooled, in_flight, .. } = snapshot;
    let outcomes = sampled_out + exported + snapshot.dropped_total();
    created + recovered == outcomes + spooled + in_flight
}

/// Counters of starts by origin, which readers of metrics take for counters.
#[test]
fn no_count_of_starts_falls_while_spans_are_dropped_at_their_start() {
    let ledger = Ledger::new();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while running.load(Ordering::Relaxed) {
                    for origin in ParentOrigin::ALL {
                        ledger.dropped_at_start_from(origin, DropReason::QueueFull);
                    }
                }
            });
        }
        let (mut before, mut wrong) = ([0; 3], None);
        for _ in 0..50_000 {
            let snapshot = ledger.snapshot();
            let of = |origin| snapshot.started(origin, SamplingResult::RecordAndSample);
            let now = ParentOrigin::ALL.map(of);
            let has_fallen = now.iter().zip(&before).any(|(now, before)| now < before);
            if has_fallen || now.iter().sum::<u64>() != snapshot.created || !is_balanced(&snapshot)
            {
                wrong = Some(format!("{before:?} {now:?} {snapshot}"));
                break;
            }
            before = now;
        }
        running.store(false, Ordering::Relaxed);
        assert_eq!(wrong, None);
    });
}

/// Application threads start spans and hand them to one worker, which reports outcomes as fast as
/// it can, while two readers take snapshots all the time.
#[test]
fn every_snapshot_balances_while_threads_count() {
    const APPS: u64 = 8;
    const SPANS: u64 = 40_000;
    let ledger = Ledger::new();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut created, mut seen) = (0, 0u64);
                    while running.load(Ordering::Relaxed) {
                        let snapshot = ledger.snapshot();
                        assert!(is_balanced(&snapshot), "{snapshot}");
                        assert!(snapshot.created >= created, "created decreased");
                        created = snapshot.created;
                        seen += 1;
                    }
                    seen
                })
            })
            .collect();
        let (finished, arriving) = mpsc::channel();
        for _ in 0..APPS {
            let (ledger, finished) = (&ledger, finished.clone());
            scope.spawn(move || {
                for span in 0..SPANS {
                    if span % 3 == 0 {
                        ledger.sampled_out();
                        ledger.dropped_at_start(DropReason::QueueBytes);
                    }
                    ledger.started();
                    finished.send(span).unwrap();
                }
            });
        }
        drop(finished);
        for span in arriving {
            let tickets = ledger.tickets(1);
            match span % 4 {
                0 => tickets.dropped(DropReason::QueueBytes),
                1 => tickets.dropped(DropReason::RetryDeadline),
                _ => tickets.exported(),
            }
        }
        running.store(false, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    let snapshot = ledger.snapshot();
    snapshot.check().unwrap();
    let third = APPS * SPANS.div_ceil(3);
    assert_eq!(snapshot.created, APPS * SPANS + 2 * third);
    assert_eq!(snapshot.sampled_out, third);
    assert_eq!(snapshot.dropped(DropReason::QueueBytes), APPS * SPANS / 4 + third);
    assert_eq!(snapshot.exported, APPS * SPANS / 2);
}

/// Threads report the outcome of each span right after its start: almost nothing is in flight, so
/// a snapshot that misses a start, or reads an outcome too early, would be negative.
#[test]
fn in_flight_is_never_negative() {
    const SNAPSHOTS: u64 = 100_000;
    let ledger = Ledger::new();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        for reason in [DropReason::QueueBytes, DropReason::Leaked] {
            let (ledger, running) = (&ledger, &running);
            scope.spawn(move || {
                while running.load(Ordering::Relaxed) {
                    ledger.started();
                    ledger.exported(1);
                    ledger.started();
                    ledger.dropped(reason, 1);
                }
            });
        }
        let broken = (0..SNAPSHOTS).map(|_| ledger.snapshot()).find(|s| !is_balanced(s));
        running.store(false, Ordering::Relaxed);
        assert_eq!(broken, None);
    });
    ledger.snapshot().check().unwrap();
}

/// Two threads take spans off the disk, and two recover spans: nothing is in flight but these, so a snapshot that reads
/// a span on disk and then its outcome, or an outcome and not its source, would be negative.
#[test]
fn in_flight_is_never_negative_while_spans_leave_the_disk() {
    const STOCK: u64 = 150_000;
    let ledger = Ledger::new();
    ledger.started_many(2 * STOCK);
    ledger.tickets(2 * STOCK).spooled();
    let threads = AtomicU64::new(4);
    thread::scope(|scope| {
        let times = |work: fn(&Ledger)| {
            let (ledger, threads) = (&ledger, &threads);
            scope.spawn(move || {
                (0..STOCK).for_each(|_| work(ledger));
                threads.fetch_sub(1, Ordering::Relaxed);
            });
        };
        times(|ledger| ledger.unspool(1).exported());
        times(|ledger| ledger.unspool(1).dropped(DropReason::SpoolEvicted));
        times(|ledger| ledger.recovered(1).dropped(DropReason::Crash));
        times(|ledger| {
            ledger.recovered(1).spooled();
            ledger.unspool(1).exported();
        });
        let snapshots = std::iter::repeat_with(|| ledger.snapshot());
        let mut running = snapshots.take_while(|_| threads.load(Ordering::Relaxed) > 0);
        assert_eq!(running.find(|snapshot| !is_balanced(snapshot)), None);
    });
    let snapshot = ledger.snapshot();
    snapshot.check().unwrap();
    assert_eq!(
        (snapshot.spooled, snapshot.recovered, snapshot.exported),
        (0, 2 * STOCK, 2 * STOCK)
    );
}

#[test]
fn more_threads_than_lines_count_exactly() {
    let ledger = Ledger::new();
    let all_present = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ledger.started();
                all_present.wait();
                (1..1000).for_each(|_| ledger.started());
            });
        }
    });
    assert_eq!(ledger.snapshot().in_flight, THREADS * 1000);
}

#[test]
fn counts_outlive_their_threads() {
    let ledger = Ledger::new();
    for _ in 0..3 * THREADS {
        let ledger = ledger.clone();
        thread::spawn(move || (0..10).for_each(|_| ledger.started())).join().unwrap();
    }
    assert_eq!(ledger.snapshot().in_flight, 3 * THREADS * 10);
}

#[test]
fn a_thread_may_alternate_between_ledgers() {
    let ledgers: Vec<_> = (0..3).map(|_| Ledger::new()).collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..3000 {
                    ledgers[turn % 3].started();
                    ledgers[(turn / 7) % 3].sampled_out();
                }
            });
        }
    });
    for ledger in &ledgers {
        assert_eq!(ledger.snapshot().in_flight, 4 * 1000);
    }
    assert_eq!(ledgers.iter().map(|l| l.snapshot().sampled_out).sum::<u64>(), 4 * 3000);
}

#[test]
fn one_thread_counts_on_ledgers_in_turn() {
    for spans in [0, 1, 255, 256, 257, 1000] {
        let ledger = Ledger::new();
        (0..spans).for_each(|_| ledger.started());
        assert_eq!(ledger.snapshot().in_flight, spans);
    }
}

/// A span in a thread local ends, and others start, while the thread destroys its locals: before
/// and after the local of the ledger.
#[test]
fn counting_works_during_thread_exit() {
    struct Last(Ledger);
    impl Drop for Last {
        fn drop(&mut self) {
            (0..300).for_each(|_| self.0.started());
            self.0.sampled_out();
        }
    }
    thread_local! {
        static BEFORE: RefCell<Option<Last>> = const { RefCell::new(None) };
        static AFTER: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    let ledger = Ledger::new();
    for _ in 0..100 {
        let ledger = ledger.clone();
        thread::spawn(move || {
            // Locals are registered, and then destroyed, in the order of first use or its reverse;
            // one on each side of the ledger's slot covers both.
            BEFORE.with_borrow_mut(|last| *last = Some(Last(ledger.clone())));
            ledger.started();
            AFTER.with_borrow_mut(|last| *last = Some(Last(ledger.clone())));
        })
        .join()
        .unwrap();
    }
    let snapshot = ledger.snapshot();
    assert_eq!(snapshot.sampled_out, 200);
    assert_eq!(snapshot.in_flight, 100 * 601);
}

/// A refused span is created and dropped at once, whatever the reason.
#[test]
fn a_refused_span_counts_as_created_and_as_dropped() {
    let ledger = Ledger::new();
    for (spans, reason) in (1..).zip(DropReason::ALL) {
        (0..spans).for_each(|_| ledger.dropped_at_start(reason));
        let snapshot = ledger.snapshot();
        snapshot.check().unwrap();
        assert_eq!(snapshot.dropped(reason), spans, "{reason}");
        assert_eq!(snapshot.created, spans * (spans + 1) / 2);
    }
}

#[test]
fn each_start_counts_under_one_origin_and_one_result() {
    use spanwise_ledger::{ParentOrigin as Origin, SamplingResult as Result};
    let ledger = Ledger::new();
    let times = |count: u64, start: &dyn Fn()| (0..count).for_each(|_| start());
    for (origin, base) in [(Origin::None, 10), (Origin::Local, 100), (Origin::Remote, 1_000)] {
        times(base, &|| ledger.started_from(origin));
        times(base + 1, &|| ledger.started_record_only(origin));
        times(base + 2, &|| ledger.sampled_out_from(origin));
        times(base + 3, &|| ledger.record_only(origin));
        times(2, &|| ledger.dropped_at_start_from(origin, DropReason::Shed));
        times(1, &|| ledger.dropped_at_start_from(origin, DropReason::InvalidId));
    }
    let snapshot = ledger.snapshot();
    for (origin, base) in [(Origin::None, 10), (Origin::Local, 100), (Origin::Remote, 1_000)] {
        let started = Result::ALL.map(|result| snapshot.started(origin, result));
        assert_eq!(started, [base + 2, 2 * base + 4, base + 3], "{origin:?}");
    }
    let pairs = Origin::ALL.into_iter().flat_map(|it| Result::ALL.map(|result| (it, result)));
    let all: u64 = pairs.map(|(origin, result)| snapshot.started(origin, result)).sum();
    assert_eq!(all, snapshot.created);
    assert_eq!(snapshot.record_only_live, 1_119 + 1_113);
    assert_eq!((snapshot.dropped(DropReason::Shed), snapshot.sampled_out), (6, 2_235));
    ledger.record_only_ended(2_232);
    assert_eq!(ledger.snapshot().record_only_live, 0);
    assert_eq!(ledger.snapshot().since(&snapshot).started(Origin::Local, Result::Drop), 0);
}

#[test]
fn spans_are_ticketed_until_their_outcome() {
    let ledger = Ledger::new();
    (0..10).for_each(|_| ledger.started());
    assert_eq!(ledger.snapshot().ticketed, 0);
    let mut tickets = ledger.tickets(8);
    let dropped = tickets.split(3);
    let leaked = tickets.split(1);
    assert_eq!(ledger.snapshot().ticketed, 8);
    dropped.dropped(DropReason::Rejected);
    drop(leaked);
    assert_eq!((ledger.snapshot().ticketed, ledger.snapshot().in_flight), (4, 6));
    tickets.exported();
    assert_eq!((ledger.snapshot().ticketed, ledger.snapshot().in_flight), (0, 2));
}

#[test]
fn a_second_decision_moves_a_span_and_lowers_no_count() {
    use spanwise_ledger::{ParentOrigin as Origin, SamplingResult as Result};
    let ledger = Ledger::new();
    (0..5).for_each(|_| ledger.started());
    ledger.sampled_out();
    let before = ledger.snapshot();
    ledger.sampled_out_late(2);
    let after = ledger.snapshot();
    assert_eq!((before.created, before.sampled_out, before.in_flight), (6, 1, 5));
    assert_eq!((after.created, after.sampled_out, after.in_flight), (6, 3, 3));
    // The first decision counts.
    assert_eq!(after.started(Origin::None, Result::RecordAndSample), 5);
    ledger.record_only_late(1);
    assert_eq!((ledger.snapshot().record_only_live, ledger.snapshot().in_flight), (1, 3));
    ledger.record_only_ended(1);
    assert_eq!(ledger.snapshot().record_only_live, 0);
    ledger.exported(3);
    ledger.snapshot().check().unwrap();
}
