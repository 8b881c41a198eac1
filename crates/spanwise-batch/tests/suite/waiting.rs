//! `push_until` blocks a producer thread until the buffer has space.

use crate::support;

use spanwise_batch::{ChargedChunk, PushError, Pushed, ShardedBuffer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::{ids, meta, push, shards, small, sorted, span};

/// So far in the future that a missing wake-up fails the test.
const FAR: Duration = Duration::from_secs(60);

/// A budget used up by four chunks of one span each, all drained.
fn full() -> (ShardedBuffer, Vec<ChargedChunk>) {
    let shards = shards(small(1, 1024, 1), 4 * 1088);
    for id in 0..4 {
        assert!(push(&shards, id, 10).is_ok());
    }
    assert_eq!(push(&shards, 4, 10), Err(PushError::Budget));
    let mut taken = Vec::new();
    shards.drain_all(&mut taken);
    assert_eq!(push(&shards, 4, 10), Err(PushError::Budget));
    (shards, taken)
}

/// Blocks in `push_until` while `act` runs, after its first attempt has failed.
fn wait_while(shards: &ShardedBuffer, act: impl FnOnce()) -> Result<Pushed, PushError> {
    let started = Instant::now();
    let result = thread::scope(|scope| {
        let (refused, was_refused) = mpsc::channel();
        let waiter = scope.spawn(move || {
            let wake = || _ = refused.send(());
            shards.push_until(&span(9, 10), meta(9), Instant::now() + FAR, wake)
        });
        was_refused.recv().unwrap();
        act();
        waiter.join().unwrap()
    });
    assert!(started.elapsed() < FAR / 2, "no notification woke the producer");
    result
}

#[test]
fn every_way_of_freeing_space_wakes_a_waiting_producer() {
    let (shards, taken) = full();
    assert!(wait_while(&shards, || shards.recycle(taken)).is_ok());

    let (shards, taken) = full();
    assert!(wait_while(&shards, || drop(taken)).is_ok());

    let (shards, mut taken) = full();
    assert!(wait_while(&shards, || drop(taken.pop())).is_ok());

    // Another owner of the budget returns its charge.
    let shards = self::shards(small(1, 1024, 1), 4 * 1088);
    let charge = shards.budget().try_charge(4 * 1088).unwrap();
    assert!(wait_while(&shards, || drop(charge)).is_ok());

    let (shards, _taken) = full();
    assert_eq!(wait_while(&shards, || shards.close()), Err(PushError::Closed));
}

#[test]
fn push_until_fails_at_the_deadline() {
    let (shards, _taken) = full();
    let wait = |timeout| {
        let started = Instant::now();
        let result = shards.push_until(&span(9, 10), meta(9), started + timeout, || {});
        assert_eq!(result, Err(PushError::Budget));
        started.elapsed()
    };
    assert!(wait(Duration::ZERO) < FAR / 2);
    let timeout = Duration::from_millis(30);
    assert!((timeout..FAR / 2).contains(&wait(timeout)));
}

#[test]
fn push_until_fails_at_the_deadline_despite_constant_notifications() {
    let (shards, _taken) = full();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                shards.recycle([]);
            }
        });
        let deadline = Instant::now() + Duration::from_millis(30);
        let result = shards.push_until(&span(9, 10), meta(9), deadline, || {});
        assert_eq!(result, Err(PushError::Budget));
        assert!(Instant::now() < deadline + FAR / 2);
        stop.store(true, SeqCst);
    });
}

#[test]
fn push_until_does_not_wait_for_a_span_that_never_fits() {
    let (shards, _taken) = full();
    let wake = || panic!("no worker can help");
    let started = Instant::now();
    let huge = span(9, 5000);
    assert_eq!(shards.push_until(&huge, meta(9), started + FAR, wake), Err(PushError::Budget));
    let nothing = self::shards(small(1, 1024, 1), 100);
    assert_eq!(nothing.push_until(&[], meta(9), started + FAR, wake), Err(PushError::Budget));
    assert!(started.elapsed() < FAR / 2);
}

#[test]
fn push_until_does_not_wake_the_worker_while_there_is_space() {
    let shards = shards(small(1, 1024, 1), 1 << 20);
    let wake = || panic!("there was space");
    let deadline = Instant::now();
    assert!(shards.push_until(&span(1, 10), meta(1), deadline, wake).is_ok());
}

#[test]
fn push_until_loses_no_span() {
    const EACH: u64 = 3000;
    let shards = shards(small(2, 1024, 4), 8 << 10);
    let waits = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        let producers: Vec<_> = (0..4)
            .map(|thread| {
                let (shards, waits) = (&shards, &waits);
                scope.spawn(move || {
                    for n in 0..EACH {
                        let id = thread * EACH + n;
                        let bytes = span(id, n as usize % 100);
                        let deadline = Instant::now() + FAR;
                        let wake = || _ = waits.fetch_add(1, SeqCst);
                        shards.push_until(&bytes, meta(id), deadline, wake).map(drop).unwrap();
                    }
                })
            })
            .collect();
        let worker = scope.spawn(|| {
            let (mut found, mut taken) = (Vec::new(), Vec::new());
            while !done.load(SeqCst) {
                shards.drain_full(&mut taken, 2);
                // Open chunks hold bytes too.
                shards.drain_all(&mut taken);
                found.extend(ids(&taken));
                shards.recycle(taken.drain(..));
                thread::yield_now();
            }
            while shards.drain_all(&mut taken) > 0 {}
            found.extend(ids(&taken));
            found
        });
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        done.store(true, SeqCst);
        worker.join().unwrap()
    });
    assert_eq!(sorted(found), (0..4 * EACH).collect::<Vec<_>>());
    assert!(shards.budget().peak() <= shards.budget().limit());
}
