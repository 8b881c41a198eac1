//! The buffer on one thread: contents, charges, and when a push asks for the worker.

use crate::support;

use proptest::prelude::*;
use spanwise_batch::{ChargedChunk, PushError};
use spanwise_wire::SpanMeta;
use std::collections::BTreeSet;
use support::{ids, meta, push, shards, small, sorted, span};

#[derive(Debug, Clone)]
enum Operation {
    Push(usize),
    DrainFull(usize),
    DrainAll,
    Recycle(usize),
    Drop(usize),
    Trim(usize),
    Charge(usize),
    Uncharge,
    Close,
}

fn step() -> impl Strategy<Value = Operation> {
    prop_oneof![
        60 => prop_oneof![8 => 0usize..200, 1 => 900usize..1200, 1 => 0usize..9000].prop_map(Operation::Push),
        5 => (0usize..4).prop_map(Operation::DrainFull),
        3 => Just(Operation::DrainAll),
        8 => (0usize..5).prop_map(Operation::Recycle),
        3 => (0usize..3).prop_map(Operation::Drop),
        2 => (0usize..3).prop_map(Operation::Trim),
        2 => (0usize..5000).prop_map(Operation::Charge),
        2 => Just(Operation::Uncharge),
        1 => Just(Operation::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_stored_span_is_drained_once(
        limit in prop_oneof![0usize..3000, 3000usize..30_000],
        chunk_bytes in 1024usize..3000,
        chunk_spans in 1usize..12,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let shards = shards(small(2, chunk_bytes, chunk_spans), limit);
        let budget = shards.budget().clone();
        let (mut stored, mut found) = (BTreeSet::new(), Vec::new());
        let (mut taken, mut charges): (Vec<ChargedChunk>, Vec<_>) = Default::default();
        let mut closed = false;
        for (id, step) in steps.into_iter().enumerate() {
            let before = taken.len();
            match step {
                Operation::Push(len) => match push(&shards, id as u64, len) {
                    Ok(pushed) => {
                        prop_assert!(!closed && !pushed.spilled);
                        stored.insert(id as u64);
                    }
                    Err(refused) => {
                        let expected = if closed { PushError::Closed } else { PushError::Budget };
                        prop_assert_eq!(refused, expected);
                    }
                },
                Operation::DrainFull(max) => {
                    shards.drain_full(&mut taken, max);
                    prop_assert!(taken.len() - before <= max);
                }
                Operation::DrainAll => {
                    prop_assert_eq!(shards.drain_all(&mut taken), 0);
                    let all: BTreeSet<_> = found.iter().copied().chain(ids(&taken[before..])).collect();
                    prop_assert_eq!(&all, &stored);
                    prop_assert_eq!(shards.ready(), 0);
                }
                Operation::Recycle(count) => {
                    let count = count.min(taken.len());
                    shards.recycle(taken.drain(..count));
                }
                Operation::Drop(count) => drop(taken.drain(..count.min(taken.len())).collect::<Vec<_>>()),
                Operation::Trim(keep) => _ = shards.trim(keep),
                Operation::Charge(bytes) => charges.extend(budget.try_charge(bytes)),
                Operation::Uncharge => _ = charges.pop(),
                Operation::Close => {
                    shards.close();
                    closed = true;
                }
            }
            if taken.len() > before {
                found.extend(ids(&taken[before..]));
            }
            prop_assert!(budget.charged() <= limit && budget.peak() <= limit);
            prop_assert!(budget.charged() >= taken.iter().map(ChargedChunk::charged).sum());
        }
        let before = taken.len();
        prop_assert_eq!(shards.drain_all(&mut taken), 0);
        found.extend(ids(&taken[before..]));
        prop_assert_eq!(sorted(found), stored.into_iter().collect::<Vec<_>>());
        drop((taken, charges));
        shards.trim(0);
        prop_assert_eq!(budget.charged(), 0);
    }
}

#[test]
fn spans_of_one_thread_are_drained_in_order() {
    let shards = shards(small(2, 1024, 5), 1 << 20);
    let (mut taken, mut expected) = (Vec::new(), Vec::new());
    for id in 0..1000 {
        assert!(push(&shards, id, id as usize % 300).is_ok());
        expected.push(id);
        if id % 97 == 0 {
            shards.drain_full(&mut taken, 3);
        }
        if id % 301 == 0 {
            shards.drain_all(&mut taken);
        }
    }
    shards.drain_all(&mut taken);
    assert_eq!(ids(&taken), expected);
}

#[test]
fn a_large_span_gets_a_chunk_of_its_own_and_the_open_chunk_stays_open() {
    let shards = shards(small(1, 1024, 100), 1 << 20);
    for (id, len) in [(1, 10), (2, 5000), (3, 10), (4, 1016), (5, 1017)] {
        assert!(push(&shards, id, len).is_ok());
    }
    let mut taken = Vec::new();
    shards.drain_full(&mut taken, usize::MAX);
    // 1,016 bytes and their field header still fill an ordinary chunk exactly; 1,017 do not fit one.
    let each: Vec<_> = taken.iter().map(|buffer| ids(std::slice::from_ref(buffer))).collect();
    assert_eq!(each, [vec![2], vec![1, 3], vec![5]]);
    taken.clear();
    shards.drain_all(&mut taken);
    assert_eq!(ids(&taken), [4]);
}

#[test]
fn spans_of_every_length_near_the_chunk_size_are_stored() {
    for len in 1000..1100 {
        let shards = shards(small(1, 1024, 2), 1 << 20);
        for id in 0..5 {
            assert!(push(&shards, id, len).is_ok());
        }
        let mut taken = Vec::new();
        shards.drain_all(&mut taken);
        assert_eq!(ids(&taken), [0, 1, 2, 3, 4], "{len}");
    }
}

#[test]
fn a_span_larger_than_the_whole_budget_fails_and_affects_no_other() {
    let shards = shards(small(2, 1024, 16), 1 << 16);
    assert!(push(&shards, 1, 100).is_ok());
    let charged = shards.budget().charged();
    for len in [(1 << 16) - 70, 1 << 16, 1 << 20] {
        assert_eq!(push(&shards, 2, len), Err(PushError::Budget));
    }
    assert_eq!(shards.budget().charged(), charged);
    assert!(push(&shards, 3, 100).is_ok());
    let mut taken = Vec::new();
    shards.drain_all(&mut taken);
    assert_eq!(ids(&taken), [1, 3]);
}

#[test]
fn very_small_budgets_store_the_spans_that_fit() {
    for limit in (0..200).chain([255, 256, 1000, 1023, 1024, 5000, 20_000]) {
        let shards = shards(small(64, 64 << 10, 512), limit);
        let mut taken = Vec::new();
        let mut stored = Vec::new();
        for id in 0..1000 {
            match push(&shards, id, 60) {
                Ok(_) => stored.push(id),
                Err(refused) => assert_eq!(refused, PushError::Budget),
            }
            assert!(shards.budget().peak() <= limit);
        }
        // A budget of two smallest chunks stores at least one span.
        assert_eq!(!stored.is_empty(), limit >= 192, "{limit}");
        // Span bytes and their metas use more than a third of a budget of 1,000 bytes or more.
        if limit >= 1000 {
            assert!(stored.len() * (60 + 64) > limit / 3, "{limit}: {}", stored.len());
        }
        shards.drain_all(&mut taken);
        assert_eq!(ids(&taken), stored, "{limit}");
        // Recycled chunks are reused.
        shards.recycle(taken.drain(..));
        assert_eq!(push(&shards, 1, 60).is_ok(), limit >= 192, "{limit}");
    }
}

#[test]
fn recycled_chunks_are_reused_last_in_first_out() {
    let shards = shards(small(1, 1024, 1), 1 << 20);
    let mut taken = Vec::new();
    for id in 0..4 {
        assert!(push(&shards, id, 10).is_ok());
    }
    shards.drain_all(&mut taken);
    let memory = |buffer: &ChargedChunk| buffer.chunk().bytes().as_ptr();
    let expected: Vec<_> = taken.iter().rev().map(memory).collect();
    let charged = shards.budget().charged();
    shards.recycle(taken.drain(..));
    for id in 0..4 {
        assert!(push(&shards, id, 10).is_ok());
    }
    // The same chunks without an allocation, the one used last first.
    assert_eq!(shards.budget().charged(), charged);
    shards.drain_all(&mut taken);
    assert_eq!(taken.iter().map(memory).collect::<Vec<_>>(), expected);
    assert_eq!(ids(&taken), [0, 1, 2, 3]);
}

#[test]
fn chunks_of_other_sizes_are_not_cached() {
    let config = small(1, 1024, 1);
    let shards = shards(config, 1 << 20);
    let ordinary = 1024 + 64;
    // Lengths around the one whose charge equals that of an ordinary chunk.
    for len in (900..1200).chain([5000, 100_000]) {
        let mut taken = Vec::new();
        for id in 0..2 {
            assert!(push(&shards, id, len).is_ok());
        }
        shards.drain_all(&mut taken);
        let oversize = len > 1016;
        shards.recycle(taken.drain(..));
        let expected = if oversize { 0 } else { 2 * ordinary };
        assert_eq!(shards.budget().charged(), expected, "{len}");
        assert_eq!(shards.trim(0), expected / ordinary);
    }
    // Chunks of another buffer are not cached either.
    let other = self::shards(config, 1 << 20);
    let mut taken = Vec::new();
    assert!(push(&other, 0, 10).is_ok());
    other.drain_all(&mut taken);
    shards.recycle(taken);
    assert_eq!((shards.trim(0), other.budget().charged()), (0, 0));
}

#[test]
fn trim_returns_bytes_to_the_budget() {
    let shards = shards(small(1, 1024, 1), 1 << 20);
    let mut taken = Vec::new();
    (0..10).for_each(|id| assert!(push(&shards, id, 10).is_ok()));
    shards.drain_all(&mut taken);
    shards.recycle(taken);
    assert_eq!(shards.budget().charged(), 10 * 1088);
    assert_eq!((shards.trim(4), shards.budget().charged()), (6, 4 * 1088));
    assert_eq!((shards.trim(4), shards.trim(0), shards.budget().charged()), (0, 4, 0));
}

#[test]
fn push_asks_for_the_worker_at_wake_at_and_at_each_chunk_after() {
    let shards = shards(small(1, 1024, 1).with_wake_at(3), 1 << 20);
    // Each push queues the chunk before it.
    let wakes = |from: u64, to: u64| -> Vec<bool> {
        (from..to).map(|id| push(&shards, id, 10).unwrap().wake).collect()
    };
    assert_eq!(wakes(0, 6), [false, false, false, true, true, true]);
    assert_eq!(shards.ready(), 5);
    let mut taken = Vec::new();
    shards.drain_full(&mut taken, 4);
    assert_eq!((taken.len(), shards.ready()), (4, 1));
    assert_eq!(wakes(6, 9), [false, true, true]);
    // A large span counts as many ordinary chunks as its charge.
    taken.clear();
    shards.drain_all(&mut taken);
    assert!(!push(&shards, 9, 2000).unwrap().wake);
    assert!(push(&shards, 10, 2200).unwrap().wake);
    assert_eq!(shards.ready(), 3);
    shards.drain_full(&mut taken, 1);
    assert_eq!(shards.ready(), 2);
    shards.drain_full(&mut taken, 1);
    assert_eq!(shards.ready(), 0);
}

#[test]
fn the_meta_closure_may_push_or_panic() {
    let shards = shards(small(1, 1024, 8), 1 << 20);
    assert!(push(&shards, 0, 10).is_ok());
    // The outer push holds the slot, so that the inner one spills.
    let outer = shards.try_push_local(&span(1, 10), || {
        assert!(push(&shards, 2, 10).unwrap().spilled);
        meta(1)
    });
    assert!(outer);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shards.try_push_local(&span(3, 10), || std::panic::resume_unwind(Box::new(())))
    }));
    assert!(panicked.is_err());
    assert!(!push(&shards, 4, 10).unwrap().spilled);
    let mut taken = Vec::new();
    assert_eq!(shards.drain_all(&mut taken), 0);
    assert_eq!(sorted(ids(&taken)), [0, 1, 2, 4]);
}

/// A thread whose slot has no chunk, and for which the budget has none, does not lose its span while
/// another slot's open chunk has space.
#[test]
fn a_push_without_memory_uses_the_open_chunk_of_another_slot() {
    let shards = shards(small(2, 1024, 1000), 4 * 1024 + 3 * 1000 * size_of::<SpanMeta>());
    let rest = || shards.budget().limit() - shards.budget().charged();
    assert!(push(&shards, 0, 10).is_ok());
    let _rest = shards.budget().try_charge(rest()).unwrap();
    assert!(!shards.can_open_chunk());
    for id in 1..=8 {
        // Each thread gets the next slot.
        std::thread::scope(|scope| {
            assert!(scope.spawn(|| push(&shards, id, 10)).join().unwrap().is_ok(), "{id}");
        });
    }
    assert_eq!(push(&shards, 9, 1000), Err(PushError::Budget), "no open chunk has that many bytes");
    let mut chunks = Vec::new();
    assert_eq!(shards.drain_all(&mut chunks), 0);
    assert_eq!(sorted(ids(&chunks)), (0..=8).collect::<Vec<_>>());
    shards.recycle(chunks);
    assert!(shards.can_open_chunk(), "a cached chunk is space");
    shards.trim(0);
    assert!(shards.can_open_chunk(), "as are the bytes of a freed one");
}

#[test]
fn a_queue_without_permits_has_no_space() {
    let shards = shards(small(1, 1024, 4).with_max_queue_size(16), 1 << 20);
    for id in 0..16 {
        // An open chunk holds the permits of four spans.
        assert!(shards.can_open_chunk() || id > 12, "{id}");
        assert!(push(&shards, id, 10).is_ok());
    }
    assert!(!shards.can_open_chunk());
    assert_eq!(push(&shards, 16, 10), Err(PushError::QueueFull));
    let mut chunks = Vec::new();
    shards.drain_full(&mut chunks, 1);
    shards.recycle(chunks);
    assert!(shards.can_open_chunk());
}
