//! Heap profiles of a program whose allocations are known.
#![cfg(unix)]

mod common;

use spanwise_profiling::SamplingAllocator;
use std::hint::black_box;

// Thousands of samples: 10 % are more than five standard deviations.
#[global_allocator]
static ALLOCATOR: SamplingAllocator = SamplingAllocator::system().with_rate(16 << 10);

const MIB: usize = 1 << 20;

#[inline(never)]
fn leak_small_blocks() -> Vec<Vec<u8>> {
    (0..64 * 1024).map(|_| black_box(vec![1_u8; 1024])).collect()
}

#[inline(never)]
fn leak_large_blocks() -> [Vec<u8>; 64] {
    // Without a list on the heap, one sample of which would count as ten of these blocks.
    std::array::from_fn(|_| black_box(vec![0_u8; MIB]))
}

#[inline(never)]
fn free_all_blocks() {
    (0..64 * 1024).for_each(|_| drop(black_box(vec![1_u8; 1000])));
}

#[inline(never)]
fn grow_a_block() -> Vec<u8> {
    let mut block = Vec::new();
    (0..32 * MIB).for_each(|byte| block.push(byte as u8));
    block
}

fn assert_near(measured: i64, expected: usize) {
    let ratio = measured as f64 / expected as f64;
    assert!((0.9..1.1).contains(&ratio), "{measured} instead of {expected}");
}

#[test]
fn live_and_freed_bytes_are_those_of_the_program() {
    let small = leak_small_blocks();
    let large = leak_large_blocks();
    std::thread::spawn(free_all_blocks).join().unwrap();
    let grown = grow_a_block();
    assert!(grown.iter().enumerate().all(|(index, byte)| *byte == index as u8));
    let heap = spanwise_profiling::heap().unwrap();
    let allocs = spanwise_profiling::allocs().unwrap();
    let decoded = common::decode(&heap.to_pprof().unwrap());
    assert_eq!(
        decoded.sample_types(),
        [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ]
    );
    assert_eq!(decoded.text(decoded.default_sample_type), "inuse_space");
    assert_eq!(decoded.period, 16 << 10);
    // The list of the blocks counts too: 64 Ki of 24 bytes.
    assert_near(decoded.sum("leak_small_blocks", "inuse_space"), 64 * MIB + 3 * MIB / 2);
    assert_near(decoded.sum("leak_small_blocks", "inuse_objects"), 64 * 1024);
    assert_near(decoded.sum("leak_large_blocks", "inuse_space"), 64 * MIB);
    assert_near(decoded.sum("leak_large_blocks", "inuse_objects"), 64);
    assert_eq!(decoded.sum("free_all_blocks", "inuse_space"), 0);
    assert_near(decoded.sum("grow_a_block", "inuse_space"), grown.capacity());
    assert_near(decoded.sum("grow_a_block", "alloc_space"), 2 * grown.capacity());

    let decoded = common::decode(&allocs.to_pprof().unwrap());
    assert_eq!(decoded.text(decoded.default_sample_type), "alloc_space");
    assert_near(decoded.sum("free_all_blocks", "alloc_space"), 64 * 1024 * 1000);
    assert_near(decoded.sum("free_all_blocks", "alloc_objects"), 64 * 1024);

    let total = heap.total("inuse_space").unwrap();
    drop((small, large, grown));
    let after = spanwise_profiling::heap().unwrap();
    assert!(after.total("inuse_space").unwrap() < total / 100);
    assert_eq!(after.total_of("leak_", "inuse_space"), Some(0));
    assert_eq!(after.total("unknown"), None);

    // Of the innermost functions, none is the sampler's or the allocator's.
    let folded = allocs.to_folded();
    let leaves = folded.lines().map(|line| line.rsplit_once(' ').unwrap().0);
    for leaf in leaves.map(|stack| stack.rsplit(';').next().unwrap()) {
        assert!(!leaf.contains("spanwise_profiling::allocator"), "{leaf}");
        assert!(!leaf.starts_with("alloc::alloc") && leaf != "trace", "{leaf}");
    }
    let text = allocs.to_text();
    assert!(text.starts_with("allocs: alloc_space in bytes, total "), "{text}");
    assert!(text.contains("live_and_freed_bytes"), "{text}");
}
