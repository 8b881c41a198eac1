//! Tests that hold a slot or the free list, or replace a queue.

use super::*;
use spanwise_wire::SpanId;
use std::sync::atomic::AtomicU64;
use std::thread;

fn shards(budget: usize) -> ShardedBuffer {
    let config = ShardedBufferConfig {
        slots: 2,
        chunk_bytes: 1024,
        chunk_spans: 4,
        ..ShardedBufferConfig::default()
    };
    ShardedBuffer::new(config, Budget::new(budget))
}

fn push(shards: &ShardedBuffer, id: u64, len: usize) -> Result<Pushed, PushError> {
    shards.push(&vec![0; len], SpanMeta { span_id: SpanId(id), ..SpanMeta::default() })
}

fn ids(buffers: &[ChargedChunk]) -> Vec<u64> {
    let mut ids: Vec<_> =
        buffers.iter().flat_map(|b| b.chunk().metas()).map(|meta| meta.span_id.0).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn spans_spill_while_every_slot_is_held_until_the_spill_queue_is_full() {
    let shards = shards(1 << 20);
    let guards: Vec<_> = shards.slots.iter().map(|slot| slot.try_lock().unwrap()).collect();
    for id in 0..SPILL as u64 {
        let pushed = push(&shards, id, 10).unwrap();
        assert!(pushed.spilled);
        assert_eq!(pushed.wake, id as usize + 1 > SPILL / 2);
    }
    assert_eq!(push(&shards, 9999, 10), Err(PushError::Contended));

    let mut taken = Vec::new();
    assert_eq!(shards.drain_all(&mut taken), guards.len());
    assert_eq!(ids(&taken), (0..SPILL as u64).collect::<Vec<_>>());
    assert!(push(&shards, 1, 10).unwrap().spilled);
    shards.close();
    assert_eq!(push(&shards, 2, 10), Err(PushError::Closed));
    drop(guards);
    taken.clear();
    assert_eq!((shards.drain_all(&mut taken), ids(&taken)), (0, vec![1]));
    drop(taken);
    assert_eq!(shards.budget().charged(), 0);
}

#[test]
fn a_spill_beyond_the_budget_fails() {
    let shards = shards(1000);
    let _guards: Vec<_> = shards.slots.iter().map(|slot| slot.try_lock().unwrap()).collect();
    assert!(push(&shards, 1, 500).unwrap().spilled);
    assert_eq!(push(&shards, 2, 500), Err(PushError::Budget));
    assert!(push(&shards, 3, 300).unwrap().spilled);
}

/// A thread takes its slot before the close and stores after it.
#[test]
fn a_span_of_a_thread_in_its_slot_is_drained_or_fails() {
    let shards = shards(1 << 20);
    let mut before = shards.slots[0].try_lock().unwrap();
    let meta = SpanMeta { span_id: SpanId(7), ..SpanMeta::default() };
    assert!(shards.store(&mut before, &FinishedSpan::encoded(&[1; 10]), meta).is_ok());
    shards.close();
    let mut drained = Vec::new();
    assert_eq!(shards.drain_all(&mut drained), 1);
    assert!(drained.is_empty());
    assert_eq!(
        shards.store(&mut before, &FinishedSpan::encoded(&[1; 10]), meta),
        Err(PushError::Closed)
    );
    drop(before);
    assert_eq!((shards.drain_all(&mut drained), ids(&drained)), (0, vec![7]));
}

#[test]
fn the_last_drain_returns_spills_that_race_with_a_close() {
    for round in 0..rounds(300) {
        let shards = shards(1 << 24);
        let guards: Vec<_> = shards.slots.iter().map(|slot| slot.try_lock().unwrap()).collect();
        // Large, so that a thread is nearly always between its read of `closed` and the queue.
        let large = vec![0; 1 << 16];
        let stored = AtomicU64::new(0);
        let mut drained = Vec::new();
        let found = thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        match shards.push(&large, SpanMeta::default()) {
                            Ok(_) => _ = stored.fetch_add(1, Relaxed),
                            Err(PushError::Closed) => break,
                            Err(_) => thread::yield_now(),
                        }
                    }
                });
            }
            while ids(&drained).len() < round % 10 {
                shards.drain_full(&mut drained, usize::MAX);
                thread::yield_now();
            }
            shards.close();
            drop(guards);
            while shards.drain_all(&mut drained) > 0 {}
            ids(&drained).len() as u64
        });
        assert_eq!(found, stored.load(Relaxed), "round {round}");
    }
}

#[test]
fn a_full_queue_rejects_spans_and_loses_none() {
    let mut shards = shards(1 << 20);
    shards.queues = ArcSwapOption::from_pointee(Queues::new(2, 2));
    let mut stored = Vec::new();
    // Two chunks of four in the queue, one open.
    for id in 0..20 {
        match push(&shards, id, 10) {
            Ok(_) => stored.push(id),
            Err(refused) => assert_eq!((refused, id >= 12), (PushError::Budget, true)),
        }
    }
    assert_eq!(stored.len(), 12);
    assert_eq!(push(&shards, 99, 5000), Err(PushError::Budget));
    assert_eq!(shards.ready(), 2);

    let mut taken = Vec::new();
    shards.drain_full(&mut taken, 1);
    assert_eq!((ids(&taken), shards.ready()), (vec![0, 1, 2, 3], 1));
    assert!(push(&shards, 20, 10).is_ok());
    stored.push(20);
    assert_eq!(shards.drain_all(&mut taken), 0);
    assert_eq!((ids(&taken), shards.ready()), (stored, 0));
    drop(taken);
    assert_eq!(shards.budget().charged(), 0);
}

#[test]
fn a_held_free_list_prevents_reuse_only() {
    let shards = shards(5 * 1280);
    assert_eq!(shards.config().chunk_charge(), 1280);
    let mut taken = Vec::new();
    (0..20).for_each(|id| _ = push(&shards, id, 10).unwrap());
    assert_eq!(push(&shards, 20, 10), Err(PushError::Budget));
    shards.drain_all(&mut taken);
    assert_eq!((taken.len(), shards.budget().charged()), (5, 5 * 1280));
    let held = shards.free.try_lock().unwrap();
    // Dropped instead of cached, and their bytes are free for new chunks.
    shards.recycle(taken.drain(..3));
    assert_eq!(shards.budget().charged(), 2 * 1280);
    for id in 0..12 {
        assert!(push(&shards, id, 10).is_ok());
    }
    assert_eq!(push(&shards, 20, 10), Err(PushError::Budget));
    assert_eq!(shards.trim(0), 0);
    drop(held);
    shards.recycle(taken.drain(..));
    assert!(push(&shards, 20, 10).is_ok());
    assert_eq!(shards.budget().charged(), 5 * 1280);
}

#[test]
fn cached_chunks_are_evicted_for_a_large_span() {
    let shards = shards(5 * 1280);
    let mut taken = Vec::new();
    (0..20).for_each(|id| _ = push(&shards, id, 10).unwrap());
    shards.drain_all(&mut taken);
    shards.recycle(taken.drain(..));
    let cached = |shards: &ShardedBuffer| shards.free.try_lock().unwrap().len();
    assert_eq!((cached(&shards), shards.budget().charged()), (5, 5 * 1280));

    // Larger than all cached chunks together: they stay.
    assert_eq!(push(&shards, 1, 6400), Err(PushError::Budget));
    assert_eq!(cached(&shards), 5);
    // No more chunks are evicted than necessary.
    assert!(push(&shards, 2, 2000).is_ok());
    assert_eq!(cached(&shards), 3);
    assert!(shards.budget().peak() <= shards.budget().limit());
    // A spilled span evicts too.
    let _other = shards.budget().try_charge(5 * 1280 - shards.budget().charged()).unwrap();
    let _guards: Vec<_> = shards.slots.iter().map(|slot| slot.try_lock().unwrap()).collect();
    assert!(push(&shards, 3, 10).unwrap().spilled);
    assert_eq!(cached(&shards), 2);
}

fn rounds(natively: usize) -> usize {
    if cfg!(miri) { 5 } else { natively }
}

/// README and docs state the memory of the queues: a buffer and one `usize` for each place.
#[test]
#[cfg(target_pointer_width = "64")]
fn the_queues_use_the_memory_that_the_docs_state() {
    assert_eq!(size_of::<ChargedChunk>() + size_of::<usize>(), 104);
    assert_eq!(SPILL * 104, 104 << 10);
    assert!(include_str!("../../README.md").contains("104 bytes for each chunk"));
    assert!(include_str!("../../README.md").contains("104 KiB for spilled spans"));
}
