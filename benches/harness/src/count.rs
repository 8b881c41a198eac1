//! The system allocator, counting.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// [`System`] with a count of calls and bytes, on each thread and in all. A `realloc` is one call.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

/// Checks that the allocator is installed.
///
/// # Errors
/// It is not.
pub(crate) fn require() -> Result<(), String> {
    let before = here();
    drop(std::hint::black_box(Box::new(0_u8)));
    match here() == before {
        true => Err("this binary does not count allocations".to_owned()),
        false => Ok(()),
    }
}

/// Calls and bytes asked for on this thread so far; both stay 0 without the allocator.
pub(crate) fn here() -> (u64, u64) {
    HERE.try_with(Cell::get).unwrap_or_default()
}

/// The same of all threads together.
pub(crate) fn everywhere() -> (u64, u64) {
    (CALLS.load(Relaxed), BYTES.load(Relaxed))
}

fn count(bytes: usize) {
    CALLS.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes as u64, Relaxed);
    // A thread that is exiting is none of the measured threads.
    let _exiting = HERE.try_with(|here| {
        let (calls, sum) = here.get();
        here.set((calls + 1, sum + bytes as u64));
    });
}

// SAFETY: every call goes to `System` as it came; counting touches a thread-local without
// destructor, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps `System`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps `System`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: `block` came from `System` with this layout.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HERE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}
