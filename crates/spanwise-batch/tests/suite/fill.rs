//! The fill of a buffer, against a count of its chunks.

#[allow(dead_code, reason = "this test reads no spans")]
use crate::support;

use spanwise_batch::ShardedBuffer;
use support::{push, shards, small};

/// One slot with chunks of ten spans.
fn buffer(chunks: usize, max_queue_size: Option<usize>) -> (ShardedBuffer, usize) {
    let config = small(1, 1024, 10).with_max_queue_size(max_queue_size);
    let probe = shards(config, 1 << 20);
    assert!(push(&probe, 0, 20).is_ok());
    let charge = probe.budget().charged();
    (shards(config, chunks * charge), charge)
}

/// Fills this number of chunks, and opens the next one.
fn fill(buffer: &ShardedBuffer, chunks: u64) {
    (0..chunks * 10 + 1).for_each(|id| assert!(push(buffer, id, 20).is_ok()));
}

fn assert_fill(buffer: &ShardedBuffer, expected: f64) {
    assert!((buffer.fill() - expected).abs() < 1e-9, "{} for {expected}", buffer.fill());
}

#[test]
fn an_open_chunk_is_neither_used_nor_free() {
    let (buffer, _) = buffer(10, None);
    assert_fill(&buffer, 0.0);
    fill(&buffer, 0);
    assert_fill(&buffer, 0.0);
}

#[test]
fn the_fill_is_the_part_of_full_chunks_also_while_they_are_exported() {
    let (buffer, _) = buffer(10, None);
    fill(&buffer, 3);
    assert_fill(&buffer, 3.0 / 9.0);
    let mut drained = Vec::new();
    buffer.drain_full(&mut drained, 2);
    assert_fill(&buffer, 3.0 / 9.0);
    // Cached chunks are free.
    buffer.recycle(drained);
    assert_fill(&buffer, 1.0 / 9.0);
    fill(&buffer, 8);
    assert_fill(&buffer, 1.0);
    let mut drained = Vec::new();
    assert_eq!(buffer.drain_all(&mut drained), 0);
    // The open chunk is drained too, and waits like the others.
    assert_fill(&buffer, 1.0);
    drop(drained);
    assert_fill(&buffer, 0.0);
}

#[test]
fn memory_for_requests_is_not_available() {
    let (buffer, charge) = buffer(10, None);
    fill(&buffer, 2);
    let mut request = buffer.budget().try_charge_reserved(3 * charge).unwrap();
    assert_fill(&buffer, 2.0 / 6.0);
    request.shrink_to(2 * charge);
    assert_fill(&buffer, 2.0 / 7.0);
    // The charge of a span that became a request counts as that of the span.
    let mut span = buffer.budget().try_charge(charge).unwrap();
    assert_fill(&buffer, 3.0 / 7.0);
    span.merge(request).unwrap();
    assert_fill(&buffer, 5.0 / 9.0);
    span.shrink_to(charge);
    assert_fill(&buffer, 3.0 / 9.0);
    drop(span);
    buffer.budget().set_reserve(3 * charge);
    assert_fill(&buffer, 2.0 / 6.0);
    buffer.budget().set_reserve(7 * charge);
    assert_fill(&buffer, 1.0);
}

#[test]
fn the_fuller_one_of_bytes_and_queue_counts() {
    let (buffer, _) = buffer(100, Some(200));
    let config = buffer.config();
    let spans = config.chunk_spans;
    (0..=5 * spans as u64).for_each(|id| assert!(push(&buffer, id, 20).is_ok()));
    // The open chunk has permits for a chunk of spans.
    assert_fill(&buffer, 5.0 * spans as f64 / (200 - spans) as f64);
}
