//! An allocator below the sampler that allocates, zeroed and aligned blocks, a new rate, and a CPU profile that
//! interrupts all of it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod common;

use spanwise_profiling::{CpuProfiler, SamplingAllocator};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Allocates from the global allocator within each call from outside, and checks that each block comes back
/// with the layout that it was allocated with.
struct Reentrant;

thread_local!(static IS_INNER: Cell<bool> = const { Cell::new(false) });

fn reenter() {
    if !IS_INNER.replace(true) {
        drop(black_box(vec![1_u8; 5000]));
        IS_INNER.set(false);
    }
}

/// The block with its layout before it.
fn with_header(layout: Layout) -> (Layout, usize) {
    let header = layout.align().max(size_of::<Layout>());
    let align = layout.align().max(align_of::<Layout>());
    (Layout::from_size_align(header + layout.size(), align).unwrap(), header)
}

// SAFETY: every block comes from `System` and goes back with the same layout, which the header proves.
unsafe impl GlobalAlloc for Reentrant {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        reenter();
        let (whole, header) = with_header(layout);
        // SAFETY: the layout is not of size 0, and the header is a multiple of the alignment within it.
        unsafe {
            let block = System.alloc(whole).add(header);
            block.cast::<Layout>().sub(1).write(layout);
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        reenter();
        // SAFETY: `alloc` wrote the header, and the block came from `System` with its layout.
        unsafe {
            let allocated = block.cast::<Layout>().sub(1).read();
            if allocated != layout {
                std::process::abort();
            }
            let (whole, header) = with_header(allocated);
            System.dealloc(block.sub(header), whole);
        }
    }
}

#[global_allocator]
static ALLOCATOR: SamplingAllocator<Reentrant> =
    SamplingAllocator::new(Reentrant).with_rate(16 << 10);

#[test]
fn allocations_within_the_sampler_and_signals_do_not_deadlock() {
    let profiler = CpuProfiler::start().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let started = Instant::now();
                while started.elapsed() < Duration::from_millis(300) {
                    allocate_in_all_ways();
                }
            });
        }
    });
    let cpu = profiler.finish().unwrap();
    assert!(cpu.total_of("allocate_in_all_ways", "samples").unwrap() > 0);
    let heap = spanwise_profiling::heap().unwrap();
    assert!(heap.total_of("allocate_in_all_ways", "alloc_space").unwrap() > 1 << 20);
    common::decode(&heap.to_pprof().unwrap());
    common::decode(&cpu.to_pprof().unwrap());

    ALLOCATOR.set_rate(0);
    let before = spanwise_profiling::allocs().unwrap().total("alloc_space").unwrap();
    std::thread::spawn(allocate_in_all_ways).join().unwrap();
    let after = spanwise_profiling::allocs().unwrap().total("alloc_space").unwrap();
    assert_eq!(before, after);
    ALLOCATOR.set_rate(16 << 10);
    std::thread::spawn(allocate_in_all_ways).join().unwrap();
    assert!(spanwise_profiling::allocs().unwrap().total("alloc_space").unwrap() > after);
}

#[inline(never)]
fn allocate_in_all_ways() {
    for round in 0..100_usize {
        let size = round % 3000 + 1;
        let zeroed = black_box(vec![0_u8; size]);
        assert!(zeroed.iter().all(|byte| *byte == 0));
        let mut grown: Vec<usize> = Vec::with_capacity(1);
        (0..100).for_each(|number| grown.push(number));
        grown.truncate(10);
        grown.shrink_to_fit();
        assert_eq!(grown, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        for align in [1, 64, 4096, 16_384] {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the size is not 0, and the block goes back with the same layout.
            unsafe {
                let block = std::alloc::alloc(layout);
                assert!(!block.is_null() && (block as usize).is_multiple_of(align));
                block.write_bytes(7, size);
                std::alloc::dealloc(block, layout);
            }
        }
    }
}
