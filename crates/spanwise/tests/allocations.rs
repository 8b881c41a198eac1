//! The counting allocator, installed as the global one.

use spanwise::testing::{Allocations, CountingAllocator, assert_allocations, count_allocations};
use std::alloc::System;
use std::hint::black_box;
use std::panic::catch_unwind;

#[global_allocator]
static ALLOCATOR: CountingAllocator<System> = CountingAllocator::new(System);

fn check<T>(f: impl FnOnce() -> T, count: u64, bytes: u64) {
    assert_eq!(count_allocations(f).1, Allocations { count, bytes });
}

#[test]
fn each_call_to_the_allocator_counts_with_its_bytes() {
    check(|| black_box([0_u8; 64]), 0, 0);
    check(|| black_box(Box::new(1_u64)), 1, 8);
    check(|| black_box(vec![0_u8; 4096]), 1, 4096); // zeroed
    let grow = || {
        let mut bytes = black_box(Vec::<u8>::with_capacity(10));
        bytes.extend_from_slice(&[0; 10]);
        bytes.reserve_exact(90);
        bytes
    };
    check(grow, 2, 110);
}

#[test]
fn the_result_is_returned_and_its_drop_is_not_counted() {
    let (text, allocations) = count_allocations(|| String::from("GET /orders"));
    assert_eq!((text.as_str(), allocations.count), ("GET /orders", 1));
    check(|| drop(text), 0, 0);
}

#[test]
fn allocations_of_another_thread_do_not_count() {
    let (go, start) = std::sync::mpsc::sync_channel::<()>(1);
    let (done, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let thread = std::thread::spawn(move || {
        assert!(start.recv().is_ok());
        drop(black_box(vec![0_u8; 1 << 20]));
        assert!(done.send(()).is_ok());
    });
    let ((), here) = count_allocations(|| {
        assert!(go.send(()).is_ok() && wait.recv().is_ok());
    });
    assert!(thread.join().is_ok() && here.bytes < 1 << 20, "{here}");
}

#[test]
fn one_allocation_above_the_limit_panics_with_the_numbers() {
    assert_eq!(*assert_allocations(1, || Box::new(7)), 7);
    let failed = catch_unwind(|| assert_allocations(1, || [Box::new(1_u64), Box::new(2)]));
    let message = failed.err().and_then(|payload| payload.downcast::<String>().ok());
    assert_eq!(*message.unwrap_or_default(), "2 allocations of 16 bytes; the limit is 1");
}
