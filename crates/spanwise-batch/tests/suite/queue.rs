//! The limit on waiting spans (`max_queue_size`) beside the byte budget. The rule is the batching processor's
//! (specification, *Trace SDK*, *Batching processor*): "`maxQueueSize` - the maximum queue size.
//! After the size is reached spans are dropped." The oracle is the test's own count of the
//! spans that it pushed and drained.

use crate::support;

use proptest::prelude::*;
use spanwise_batch::{ChargedChunk, PushError, Pushed, ShardedBuffer};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use support::{ids, meta, push, shards, small, sorted, span};

/// More bytes than any queue in this file needs.
const BUDGET: usize = 256 << 20;

fn queue(slots: usize, max: usize) -> ShardedBuffer {
    shards(small(slots, 64 << 10, 512).with_max_queue_size(max), BUDGET)
}

fn spans(buffers: &[ChargedChunk]) -> usize {
    buffers.iter().map(|buffer| buffer.chunk().len()).sum()
}

#[test]
fn one_thread_can_use_every_permit_and_not_one_more() {
    for max in [1, 2, 3, 15, 16, 17, 64, 100, 2048, 100_000] {
        let shards = queue(64, max);
        for id in 0..max as u64 {
            assert!(push(&shards, id, 20).is_ok(), "{id} of {max}");
        }
        for _ in 0..3 {
            assert_eq!(push(&shards, 0, 20), Err(PushError::QueueFull), "{max}");
        }
        assert_eq!(shards.queued(), max);
        let mut taken = Vec::new();
        assert_eq!(shards.drain_all(&mut taken), 0);
        assert_eq!(sorted(ids(&taken)), (0..max as u64).collect::<Vec<_>>());
        // Drained spans still count, because their buffers exist.
        assert_eq!(push(&shards, 0, 20), Err(PushError::QueueFull), "{max}");
        shards.recycle(taken);
        assert_eq!(shards.queued(), 0);
        for id in 0..max as u64 {
            assert!(push(&shards, id, 20).is_ok(), "{id} of {max} the second time");
        }
        assert_eq!(push(&shards, 0, 20), Err(PushError::QueueFull), "{max}");
    }
}

#[test]
fn without_a_queue_size_only_bytes_are_limited() {
    let shards = shards(small(1, 64 << 10, 512), BUDGET);
    for id in 0..200_000 {
        assert!(push(&shards, id, 20).is_ok());
    }
    assert_eq!(shards.queued(), 0);
}

/// A span larger than a chunk takes one permit, as any other span.
#[test]
fn a_large_span_takes_one_permit() {
    let shards = queue(1, 16);
    for id in 0..16 {
        assert!(push(&shards, id, 100_000).is_ok());
    }
    assert_eq!(push(&shards, 16, 100_000), Err(PushError::QueueFull));
    assert_eq!(push(&shards, 16, 1), Err(PushError::QueueFull));
    let mut taken = Vec::new();
    shards.drain_all(&mut taken);
    assert_eq!((taken.len(), shards.queued()), (16, 16));
    // Each way to give a buffer back.
    drop(taken.pop());
    drop(taken.pop().unwrap().into_charge());
    shards.recycle(taken.pop());
    assert_eq!(shards.queued(), 13);
    for id in 0..3 {
        assert!(push(&shards, id, 20).is_ok());
    }
    assert_eq!(push(&shards, 0, 20), Err(PushError::QueueFull));
}

/// A chunk that is full by bytes returns the permits of the spans it cannot take.
#[test]
fn a_chunk_full_by_bytes_returns_its_unused_permits() {
    let shards = queue(1, 1000);
    let stored = (0..2000).filter(|&id| push(&shards, id, 10_000).is_ok()).count();
    assert_eq!(stored, 1000);
}

#[test]
fn an_appended_buffer_retains_its_permits() {
    let shards = queue(1, 64);
    for id in 0..64 {
        assert!(push(&shards, id, 20).is_ok());
    }
    let mut taken = Vec::new();
    shards.drain_all(&mut taken);
    let mut first = taken.remove(0);
    for other in taken {
        first.append(other, 1 << 20).unwrap();
    }
    assert_eq!((first.chunk().len(), shards.queued()), (64, 64));
    drop(first);
    assert_eq!(shards.queued(), 0);
}

/// With the budget used up, the error is `Budget`, and no permit is lost.
#[test]
fn the_error_names_the_limit_that_is_used_up() {
    let shards = shards(small(1, 1024, 8).with_max_queue_size(1 << 20), 8 << 10);
    let stored = (0..1000).filter(|&id| push(&shards, id, 20).is_ok()).count();
    assert_eq!(push(&shards, 0, 20), Err(PushError::Budget));
    assert_eq!(shards.queued(), stored);
    // A waiting thread is not woken again and again by its own failure.
    let tries = AtomicUsize::new(0);
    let until = Instant::now() + Duration::from_millis(50);
    let wake = || _ = tries.fetch_add(1, SeqCst);
    assert_eq!(shards.push_until(&span(0, 20), meta(0), until, wake), Err(PushError::Budget));
    assert!(tries.load(SeqCst) < 5, "{tries:?}");
}

/// Each thread has an open chunk of its own, and no thread drains.
#[test]
fn any_number_of_threads_can_use_at_least_half_of_the_queue() {
    for max in [16, 17, 500, 2048, 20_000] {
        for threads in [1usize, 8] {
            let shards = queue(64, max);
            let stored = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for id in 0..(2 * max / threads + 1) as u64 {
                            match push(&shards, id, 20) {
                                Ok(_) => _ = stored.fetch_add(1, SeqCst),
                                Err(refused) => assert_eq!(refused, PushError::QueueFull),
                            }
                        }
                    });
                }
            });
            let stored = stored.load(SeqCst);
            assert!((max / 2..=max).contains(&stored), "{stored} of {max} by {threads}");
            let mut taken = Vec::new();
            assert_eq!(shards.drain_all(&mut taken), 0);
            assert_eq!((spans(&taken), shards.queued()), (stored, stored));
        }
    }
}

/// Threads push while one drains. The test counts a span after its push and discounts it before its
/// chunk is recycled, so that its count is at most the number of waiting spans.
#[test]
fn the_queue_size_holds_while_threads_push_and_one_drains() {
    const EACH: usize = 20_000;
    for max in [16, 100, 2048] {
        let shards = queue(8, max);
        let (waiting, worst) = (AtomicI64::new(0), AtomicI64::new(0));
        let stored = AtomicUsize::new(0);
        let done = AtomicBool::new(false);
        let found = thread::scope(|scope| {
            let producers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        for id in 0..EACH as u64 {
                            if push(&shards, id, 20).is_ok() {
                                let now = waiting.fetch_add(1, SeqCst) + 1;
                                worst.fetch_max(now, SeqCst);
                                stored.fetch_add(1, SeqCst);
                            }
                        }
                    })
                })
                .collect();
            let worker = scope.spawn(|| {
                let (mut found, mut taken) = (0, Vec::new());
                loop {
                    let last = done.load(SeqCst);
                    shards.drain_all(&mut taken);
                    let spans = spans(&taken);
                    found += spans;
                    waiting.fetch_sub(spans as i64, SeqCst);
                    shards.recycle(taken.drain(..));
                    if last && spans == 0 {
                        return found;
                    }
                    thread::yield_now();
                }
            });
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            done.store(true, SeqCst);
            worker.join().unwrap()
        });
        assert_eq!((found, shards.queued()), (stored.load(SeqCst), 0));
        let worst = worst.load(SeqCst);
        assert!(worst <= max as i64, "{worst} waited in a queue of {max}");
        assert!(stored.load(SeqCst) >= max / 2);
    }
}

/// Producers that block until there is space lose no span.
#[test]
fn push_until_loses_no_span() {
    const EACH: u64 = 2000;
    let shards = queue(4, 32);
    let done = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        let producers: Vec<_> = (0..8)
            .map(|thread| {
                let shards = &shards;
                scope.spawn(move || {
                    for id in thread * EACH..(thread + 1) * EACH {
                        let until = Instant::now() + Duration::from_secs(60);
                        let stored = shards.push_until(&span(id, 20), meta(id), until, || {});
                        let _: Pushed = stored.unwrap();
                    }
                })
            })
            .collect();
        let worker = scope.spawn(|| {
            let (mut found, mut taken) = (Vec::new(), Vec::new());
            while !done.load(SeqCst) {
                shards.drain_all(&mut taken);
                assert!(spans(&taken) <= 32);
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
    assert_eq!(sorted(found), (0..8 * EACH).collect::<Vec<_>>());
}

#[test]
fn push_until_returns_queue_full_at_the_deadline() {
    let shards = queue(1, 16);
    for id in 0..16 {
        assert!(push(&shards, id, 20).is_ok());
    }
    let until = Instant::now() + Duration::from_millis(30);
    let refused = shards.push_until(&span(9, 20), meta(9), until, || {});
    assert_eq!(refused, Err(PushError::QueueFull));
    assert!(Instant::now() >= until);
}

proptest! {
    /// Pushes, drains and recycles in any order.
    #[test]
    fn the_queue_is_never_exceeded(
        slots in 1usize..10,
        max in 1usize..300,
        steps in prop::collection::vec((0u8..10, 0usize..20_000), 1..100),
    ) {
        let shards = queue(slots, max);
        let (mut waiting, mut held, mut next) = (0usize, Vec::new(), 0u64);
        for (step, number) in steps {
            match step {
                0 => shards.drain_full(&mut held, number % 4),
                1 => _ = shards.drain_all(&mut held),
                2 | 3 if !held.is_empty() => {
                    let buffer: ChargedChunk = held.swap_remove(number % held.len());
                    waiting -= buffer.chunk().len();
                    if step == 2 { shards.recycle([buffer]) } else { drop(buffer) }
                }
                _ => {
                    // Some spans are larger than a chunk.
                    for _ in 0..number % 50 {
                        let stored = push(&shards, next, if number % 49 == 0 { number } else { 30 });
                        next += 1;
                        match stored {
                            Ok(_) => waiting += 1,
                            Err(refused) => {
                                prop_assert_eq!(refused, PushError::QueueFull);
                                prop_assert!(waiting >= max / 2, "{} of {}", waiting, max);
                            }
                        }
                    }
                }
            }
            prop_assert!(waiting <= max, "{} wait in a queue of {}", waiting, max);
            prop_assert!(shards.queued() >= waiting && shards.queued() <= max);
        }
    }
}

/// The message that callers print.
#[test]
fn the_message_of_every_error_names_its_cause() {
    let cases = [
        (PushError::Budget, "byte budget"),
        (PushError::QueueFull, "max_queue_size"),
        (PushError::Contended, "slot"),
        (PushError::Closed, "closed"),
    ];
    for (refused, cause) in cases {
        let error: Box<dyn std::error::Error> = refused.into();
        let text = error.to_string();
        assert!(text.contains(cause) && !text.contains('\n'), "{text}");
        assert_eq!(format!("{error:?}"), text);
    }
}
