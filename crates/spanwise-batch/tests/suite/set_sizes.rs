//! The batch size of a buffer (`batch_spans`) and sizes that change while threads push. The oracle is the
//! test's own count of the spans that it pushed and drained.

use crate::support;

use spanwise_batch::{BatchPreset, ChargedChunk, PushError, ShardedBuffer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use support::{ids, push, shards, small, sorted};

/// More bytes than any buffer in this file needs.
const BUDGET: usize = 256 << 20;

fn batches_of(spans: usize) -> ShardedBuffer {
    shards(small(4, 64 << 10, 512).with_batch_spans(spans), BUDGET)
}

fn lengths(buffers: &[ChargedChunk]) -> Vec<usize> {
    buffers.iter().map(|buffer| buffer.chunk().len()).collect()
}

#[test]
fn a_batch_is_a_whole_number_of_chunks() {
    for batch in [1, 2, 10, 100, 200, 500, 512, 513, 1_000, 2_000, 8_192, 1 << 20] {
        for queue in [None, Some(16), Some(100), Some(2_048)] {
            let config = small(4, 64 << 10, 512).with_batch_spans(batch).with_max_queue_size(queue);
            let config = shards(config, BUDGET).config();
            let (spans, chunk) = (config.batch_spans.unwrap(), config.chunk_spans);
            assert!(spans.is_multiple_of(chunk), "{batch} {config:?}");
            let wanted = batch.min(queue.map_or(usize::MAX, |queue| queue / 2));
            assert!(chunk <= batch && spans <= wanted, "{batch} {config:?}");
            assert!(wanted - spans < wanted.div_ceil(chunk), "{batch} {config:?}");
        }
    }
    for batch in [1, 10, 100, 200, 500, 512, 1_000, 2_000] {
        assert_eq!(batches_of(batch).config().batch_spans, Some(batch), "no queue to fit");
    }
}

/// A chunk is queued by the push after the one that filled it.
#[test]
fn a_push_that_completes_a_batch_wakes_the_worker() {
    for (batch, chunks) in [(100, 1), (512, 1), (1_000, 2), (2_000, 4)] {
        let shards = batches_of(batch);
        for id in 0..batch as u64 {
            assert!(!push(&shards, id, 20).unwrap().wake, "{id} of {batch}");
        }
        assert!(push(&shards, 0, 20).unwrap().wake, "{batch}");
        assert_eq!((shards.ready(), shards.ready_spans()), (chunks, batch));
        let mut drained = Vec::new();
        shards.drain_full(&mut drained, usize::MAX);
        assert_eq!(lengths(&drained), vec![batch / chunks; chunks]);
        assert_eq!((shards.ready(), shards.ready_spans()), (0, 0));
    }
}

#[test]
fn a_batch_in_the_open_chunks_of_several_threads_is_drained() {
    let shards = batches_of(100);
    // Each thread has a slot of its own while the others wait for it.
    let barrier = std::sync::Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (shards, barrier) = (&shards, &barrier);
            scope.spawn(move || {
                for id in 0..25 {
                    assert!(push(shards, thread * 25 + id, 20).is_ok());
                }
                barrier.wait();
            });
        }
    });
    let mut drained = Vec::new();
    assert_eq!(shards.drain_batch(101, &mut drained), 0);
    assert_eq!(lengths(&drained), Vec::<usize>::new(), "100 spans are not 101");
    assert_eq!(shards.drain_batch(100, &mut drained), 0);
    assert_eq!(sorted(ids(&drained)), (0..100).collect::<Vec<_>>());
}

#[test]
fn slots_without_a_chunk_add_nothing_to_a_batch() {
    let shards = batches_of(100);
    for id in 0..60 {
        assert!(push(&shards, id, 20).is_ok());
    }
    let mut drained = Vec::new();
    assert_eq!((shards.drain_batch(61, &mut drained), drained.len()), (0, 0));
    assert_eq!((shards.drain_batch(60, &mut drained), drained.len()), (0, 1));
}

#[test]
fn sizes_apply_to_chunks_that_are_opened_later() {
    let shards = batches_of(500);
    for id in 0..10 {
        assert!(push(&shards, id, 20).is_ok());
    }
    shards.set_sizes(Some(100), None);
    for id in 10..800 {
        assert!(push(&shards, id, 20).is_ok());
    }
    let mut drained = Vec::new();
    shards.drain_all(&mut drained);
    assert_eq!(lengths(&drained), [500, 100, 100, 100]);
    assert_eq!(sorted(ids(&drained)), (0..800).collect::<Vec<_>>());
    // Chunks of the size before are not reused.
    shards.recycle(drained);
    shards.set_sizes(Some(1_000), None);
    assert_eq!(shards.budget().charged(), 0, "their memory is free at once");
    for id in 0..1_100 {
        assert!(push(&shards, id, 20).is_ok());
    }
    let mut drained = Vec::new();
    shards.drain_all(&mut drained);
    assert_eq!(lengths(&drained), [500, 500, 100]);
    drop(drained);
    shards.trim(0);
    assert_eq!(shards.budget().charged(), 0);
}

#[test]
fn a_queue_size_can_be_set_changed_and_removed() {
    let shards = shards(small(2, 64 << 10, 64), BUDGET);
    let pushed =
        |shards: &ShardedBuffer| (0..1_000).take_while(|id| push(shards, *id, 20).is_ok()).count();
    let drain = |shards: &ShardedBuffer| {
        let mut drained = Vec::new();
        shards.drain_all(&mut drained);
        let spans = lengths(&drained).iter().sum::<usize>();
        shards.recycle(drained);
        spans
    };
    assert_eq!(pushed(&shards), 1_000);
    drain(&shards);
    for (queue, expected) in [(Some(100), 100), (Some(16), 16), (Some(300), 300), (None, 1_000)] {
        shards.set_sizes(None, queue);
        assert_eq!((pushed(&shards), drain(&shards)), (expected, expected), "{queue:?}");
        assert_eq!(shards.queued(), 0, "{queue:?}");
    }
    // Below the number of waiting spans, none is lost and none is accepted.
    shards.set_sizes(None, Some(300));
    assert_eq!(pushed(&shards), 300);
    shards.set_sizes(None, Some(20));
    assert_eq!(push(&shards, 0, 20), Err(PushError::QueueFull));
    assert_eq!(drain(&shards), 300);
    assert_eq!(pushed(&shards), 20);
}

/// Threads push while another one changes the sizes: each accepted span is drained once, with its bytes.
#[test]
fn no_span_is_lost_while_sizes_change() {
    const THREADS: u64 = 3;
    const EACH: u64 = if cfg!(miri) { 60 } else { 30_000 };
    let shards = shards(small(2, 4 << 10, 64), 4 << 20);
    let (running, refused) = (AtomicU64::new(THREADS), AtomicU64::new(0));
    let is_done = AtomicBool::new(false);
    let mut drained = thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shards, running, refused) = (&shards, &running, &refused);
            scope.spawn(move || {
                for id in thread * EACH..(thread + 1) * EACH {
                    let until = std::time::Instant::now() + Duration::from_secs(60);
                    let span = support::span(id, 20);
                    let push = || shards.push_until(&span, support::meta(id), until, || {});
                    // Both slots may be held by threads that the system has interrupted.
                    let pushed = std::iter::repeat_with(push).find(|it| {
                        let is_contended = *it == Err(PushError::Contended);
                        is_contended.then(thread::yield_now);
                        !is_contended
                    });
                    if !matches!(pushed, Some(Ok(_))) {
                        refused.fetch_add(1, SeqCst);
                    }
                }
                running.fetch_sub(1, SeqCst);
            });
        }
        let (shards, is_done) = (&shards, &is_done);
        scope.spawn(move || {
            let sizes = [(None, None), (Some(7), Some(64)), (Some(50), None), (Some(1), Some(500))];
            for (batch, queue) in sizes.into_iter().cycle() {
                shards.set_sizes(batch, queue);
                if is_done.load(SeqCst) {
                    return;
                }
            }
        });
        let mut seen = Vec::new();
        while running.load(SeqCst) > 0 {
            let mut drained = Vec::new();
            shards.drain_all(&mut drained);
            seen.extend(ids(&drained));
            shards.recycle(drained);
        }
        is_done.store(true, SeqCst);
        seen
    });
    let mut rest = Vec::new();
    assert_eq!(shards.drain_all(&mut rest), 0);
    drained.extend(ids(&rest));
    assert_eq!(refused.load(SeqCst), 0);
    assert_eq!(sorted(drained), (0..THREADS * EACH).collect::<Vec<_>>());
    assert!(shards.budget().peak() <= 4 << 20);
    assert_eq!((shards.ready(), shards.ready_spans()), (0, 0));
}

/// The numbers of the source document, section 4.2 (LowLatency, Balanced, HighThroughput) and 10.2
/// (Production), and of the specification (*Batching processor*).
#[test]
fn presets_have_the_documented_values() {
    let second = Duration::from_secs(1);
    for (preset, spans, seconds) in [
        (BatchPreset::LowLatency, 100..=200, 1..=2),
        (BatchPreset::Balanced, 500..=1_000, 5..=5),
        (BatchPreset::HighThroughput, 1_000..=2_000, 10..=10),
        (BatchPreset::Production, 1_000..=1_000, 5..=5),
        (BatchPreset::Specification, 512..=512, 5..=5),
    ] {
        assert!(spans.contains(&preset.max_export_batch_size()), "{preset:?}");
        let delay = preset.scheduled_delay();
        assert!(second * *seconds.start() <= delay && delay <= second * *seconds.end());
        let sized = matches!(preset, BatchPreset::Production | BatchPreset::Specification);
        assert_eq!(preset.max_queue_size(), sized.then_some(2_048), "{preset:?}");
        let timeout = (preset == BatchPreset::Specification).then_some(30 * second);
        assert_eq!(preset.export_timeout(), timeout, "{preset:?}");
    }
    assert_eq!(BatchPreset::ALL.len(), 5);
}
