//! The counting allocator, installed as the global one.

use std::hint::black_box;
use std::sync::Mutex;

use spanwise_testkit::{CountingAllocator, Counts, allocator};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Serialises the tests of process-wide numbers, so that none counts blocks of another.
static ALONE: Mutex<()> = Mutex::new(());

fn check(f: impl FnOnce(), allocations: u64, deallocations: u64, bytes: u64) {
    let _alone = ALONE.lock();
    assert_eq!(
        allocator::allocations_on_this_thread(f),
        Counts { allocations, deallocations, bytes }
    );
}

#[test]
fn a_closure_without_allocations_counts_zero() {
    check(
        || {
            black_box([0_u8; 64]);
        },
        0,
        0,
        0,
    );
}

#[test]
fn a_box_counts_one_allocation() {
    check(|| drop(black_box(Box::new(1_u64))), 1, 1, 8);
}

#[test]
fn a_growing_vector_counts_each_realloc() {
    check(
        || {
            let mut bytes = black_box(Vec::<u8>::with_capacity(10));
            bytes.extend_from_slice(&[0; 10]);
            bytes.reserve_exact(90);
            drop(black_box(bytes));
        },
        2,
        1,
        110,
    );
}

#[test]
fn zeroed_blocks_are_counted() {
    check(|| drop(black_box(vec![0_u8; 4096])), 1, 1, 4096);
}

#[test]
fn allocations_of_another_thread_count_for_the_process_only() {
    let _alone = ALONE.lock();
    let before = allocator::allocations_in_process();
    let (ready, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let (go, start) = std::sync::mpsc::sync_channel::<()>(1);
    let thread = std::thread::spawn(move || {
        start.recv().unwrap();
        drop(black_box(vec![0_u8; 1 << 20]));
        ready.send(()).unwrap();
    });
    let here = allocator::allocations_on_this_thread(|| {
        go.send(()).unwrap();
        wait.recv().unwrap();
    });
    thread.join().unwrap();
    assert!(here.bytes < 1 << 20, "{here:?}");
    assert!(allocator::allocations_in_process().since(before).bytes >= 1 << 20);
}

#[test]
fn the_peak_includes_freed_blocks() {
    let _alone = ALONE.lock();
    allocator::reset_peak();
    let before = allocator::heap().current;
    drop(black_box(vec![1_u8; 8 << 20]));
    let after = allocator::heap();
    assert!(after.peak >= before + (7 << 20), "{before} {after:?}");
    assert!(after.current < before + (1 << 20), "{before} {after:?}");
}
