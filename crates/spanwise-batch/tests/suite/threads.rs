//! Many threads push while one drains: every span is drained exactly once.

use crate::support;

use spanwise_batch::{PushError, ShardedBuffer};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use support::{ids, push, shards, small, sorted};

/// Results of the pushes of one thread.
#[derive(Default)]
struct Pushes {
    stored: Vec<u64>,
    /// Pushes that failed with `Budget`.
    over_budget: u64,
    contended: u64,
}

/// Pushes `count` spans of mixed lengths, or stops at the close.
fn produce(shards: &ShardedBuffer, thread: u64, count: u64, large_every: u64) -> Pushes {
    let mut pushes = Pushes::default();
    for n in 0..count {
        let len = match n {
            _ if large_every > 0 && n % large_every == 1 => 2000 + n as usize % 3000,
            _ => n as usize * 7 % 150,
        };
        match push(shards, thread << 32 | n, len) {
            Ok(_) => pushes.stored.push(thread << 32 | n),
            Err(PushError::Closed) => break,
            Err(PushError::Budget) => pushes.over_budget += 1,
            Err(_) => pushes.contended += 1,
        }
    }
    pushes
}

/// `threads` push `each`; the worker drains and recycles in turns. Returns the number of pushes that
/// failed with `Budget`.
fn run(shards: &ShardedBuffer, threads: u64, each: u64, large_every: u64) -> u64 {
    let left = AtomicUsize::new(threads as usize);
    let (pushess, mut found) = thread::scope(|scope| {
        let producers: Vec<_> = (0..threads)
            .map(|thread| {
                let left = &left;
                scope.spawn(move || {
                    let pushes = produce(shards, thread, each, large_every);
                    left.fetch_sub(1, SeqCst);
                    pushes
                })
            })
            .collect();
        let worker = scope.spawn(|| {
            let (mut found, mut taken) = (Vec::new(), Vec::new());
            for turn in 0u64.. {
                let done = left.load(SeqCst) == 0;
                match turn % 5 {
                    _ if done => _ = shards.drain_all(&mut taken),
                    4 => _ = shards.drain_all(&mut taken),
                    max => shards.drain_full(&mut taken, max as usize),
                }
                found.extend(ids(&taken));
                assert!(shards.budget().charged() <= shards.budget().limit());
                match turn % 7 {
                    0 => taken.clear(),
                    _ => shards.recycle(taken.drain(..)),
                }
                if turn % 11 == 0 {
                    shards.trim(2);
                }
                if done {
                    break;
                }
                thread::yield_now();
            }
            found
        });
        let pushess: Vec<Pushes> = producers.into_iter().map(|p| p.join().unwrap()).collect();
        (pushess, worker.join().unwrap())
    });
    let mut taken = Vec::new();
    assert_eq!(shards.drain_all(&mut taken), 0);
    found.extend(ids(&taken));
    drop(taken);
    shards.trim(0);
    assert_eq!(shards.budget().charged(), 0);
    assert!(shards.budget().peak() <= shards.budget().limit());

    // First the sum, then span by span.
    let over_budget: u64 = pushess.iter().map(|pushes| pushes.over_budget).sum();
    let contended: u64 = pushess.iter().map(|pushes| pushes.contended).sum();
    assert_eq!(threads * each, found.len() as u64 + over_budget + contended);
    let stored = pushess.into_iter().flat_map(|pushes| pushes.stored).collect();
    assert_eq!(sorted(found), sorted(stored));
    over_budget
}

#[test]
fn with_enough_budget_every_span_is_drained_once() {
    for slots in [1, 2, 8] {
        let shards = shards(small(slots, 1024, 16), 64 << 20);
        assert_eq!(run(&shards, 6, 20_000, 0), 0);
    }
}

#[test]
fn with_a_small_budget_every_span_is_drained_once_or_fails() {
    for (slots, budget) in [(1, 4 << 10), (2, 16 << 10), (4, 64 << 10)] {
        let shards = shards(small(slots, 1024, 16), budget);
        run(&shards, 6, 10_000, 20);
    }
}

#[test]
fn after_a_close_the_last_drain_returns_exactly_the_remaining_spans() {
    for round in 0..400 {
        // Nearly every push queues a chunk, while others spill and create large ones.
        let shards = shards(small(1 + round % 3, 1024, 1 + round % 2), 1 << 20);
        let started = AtomicBool::new(false);
        let (pushess, found) = thread::scope(|scope| {
            let producers: Vec<_> = (0..3)
                .map(|thread| {
                    let (shards, started) = (&shards, &started);
                    scope.spawn(move || {
                        started.store(true, SeqCst);
                        produce(shards, thread, u64::MAX, 50)
                    })
                })
                .collect();
            while !started.load(SeqCst) {
                thread::yield_now();
            }
            let (mut found, mut taken) = (Vec::new(), Vec::new());
            for _ in 0..round % 8 {
                shards.drain_full(&mut taken, usize::MAX);
                found.extend(ids(&taken));
                shards.recycle(taken.drain(..));
            }
            shards.close();
            while shards.drain_all(&mut taken) > 0 {}
            found.extend(ids(&taken));
            let pushess: Vec<_> = producers.into_iter().map(|p| p.join().unwrap()).collect();
            (pushess, found)
        });
        let stored: Vec<_> = pushess.into_iter().flat_map(|pushes| pushes.stored).collect();
        assert_eq!(found.len(), stored.len(), "round {round}");
        assert_eq!(sorted(found), sorted(stored), "round {round}");
    }
}

#[test]
fn spans_outlive_their_thread() {
    let shards = shards(small(2, 1024, 16), 1 << 20);
    for id in 0..200 {
        thread::scope(|scope| _ = scope.spawn(|| assert!(push(&shards, id, 10).is_ok())));
    }
    let mut taken = Vec::new();
    shards.drain_all(&mut taken);
    assert_eq!(sorted(ids(&taken)), (0..200).collect::<Vec<_>>());
    // An exited thread holds no memory: two slots have two chunks at a time.
    assert!(taken.len() <= 200 / 16 + 2);
}
