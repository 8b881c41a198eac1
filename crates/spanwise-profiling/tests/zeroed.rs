//! Zeroed memory of which the program uses little.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use spanwise_profiling::SamplingAllocator;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: SamplingAllocator = SamplingAllocator::system();

const MIB: usize = 1 << 20;

/// Bytes of memory that the process uses, anonymous pages of the kernel alone.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_sampled_block_of_zeros_takes_memory_as_it_is_used() {
    // Symbols and tables are in memory before.
    drop(spanwise_profiling::heap().unwrap());
    let before = resident();
    let mut sparse = black_box(vec![0_u8; 256 * MIB]);
    sparse[100 * MIB] = 1;
    let used = resident().saturating_sub(before);
    assert!(used < 64 * MIB, "{} MiB", used / MIB);
    let heap = spanwise_profiling::heap().unwrap();
    assert!(heap.total("inuse_space").unwrap() >= 256 * MIB as i64, "the block is a sample");
    assert_eq!(sparse.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 1);
}
