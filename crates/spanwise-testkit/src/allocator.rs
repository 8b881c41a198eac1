//! A global allocator that counts: allocations of a closure, bytes on the heap, and their peak.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// A [`GlobalAlloc`] on top of [`System`] with counters, per thread and for the process.
///
/// One test binary installs it once:
///
/// ```
/// use spanwise_testkit::{CountingAllocator, allocator};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator;
///
/// let counts = allocator::allocations_on_this_thread(|| drop(std::hint::black_box(Box::new(7_u64))));
/// assert_eq!((counts.allocations, counts.deallocations, counts.bytes), (1, 1, 8));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

/// Calls to the allocator during a measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Allocated blocks. A `realloc` counts as one, whether or not the block moved.
    pub allocations: u64,
    /// Deallocated blocks. A `realloc` does not count.
    pub deallocations: u64,
    /// Requested bytes; a `realloc` adds its whole new size.
    pub bytes: u64,
}

/// Bytes on the heap of the process, as requested: without the allocator's own overhead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heap {
    /// Bytes allocated now.
    pub current: u64,
    /// The highest number of bytes allocated since the start or the last [`reset_peak`].
    pub peak: u64,
}

/// Counts the allocations of `f` on the calling thread. Threads that `f` starts are not counted.
///
/// # Panics
/// If [`CountingAllocator`] is not the global allocator: a count of zero would prove nothing.
pub fn allocations_on_this_thread(f: impl FnOnce()) -> Counts {
    assert_installed();
    let before = this_thread();
    f();
    this_thread().since(before)
}

/// Counts of the whole process since its start.
///
/// # Panics
/// If [`CountingAllocator`] is not the global allocator.
pub fn allocations_in_process() -> Counts {
    assert_installed();
    Counts {
        allocations: ALLOCATIONS.load(Relaxed),
        deallocations: DEALLOCATIONS.load(Relaxed),
        bytes: BYTES.load(Relaxed),
    }
}

/// The number of bytes on the heap, and its peak.
///
/// # Panics
/// If [`CountingAllocator`] is not the global allocator.
pub fn heap() -> Heap {
    assert_installed();
    Heap { current: CURRENT.load(Relaxed), peak: PEAK.load(Relaxed) }
}

/// Resets the peak to the number of bytes on the heap now, and returns that number.
///
/// The peak is never below the returned number, whatever other threads free meanwhile: `peak - start`
/// cannot go below zero, `peak - current` of an earlier [`heap`] can.
pub fn reset_peak() -> u64 {
    let start = CURRENT.load(Relaxed);
    PEAK.store(start, Relaxed);
    start
}

impl Counts {
    /// The difference to `earlier` counts.
    pub fn since(self, earlier: Counts) -> Counts {
        Counts {
            allocations: self.allocations.wrapping_sub(earlier.allocations),
            deallocations: self.deallocations.wrapping_sub(earlier.deallocations),
            bytes: self.bytes.wrapping_sub(earlier.bytes),
        }
    }
}

// SAFETY: every call goes to `System` with unchanged arguments, and its result is returned
// unchanged; the counting around it touches only atomics and a thread-local without destructor, so
// it neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds `alloc`'s contract, which is `System`'s.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            allocated(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds `alloc_zeroed`'s contract, which is `System`'s.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            allocated(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from one of these methods, so from `System`, with this layout.
        unsafe { System.dealloc(block, layout) };
        released(layout.size());
        DEALLOCATIONS.fetch_add(1, Relaxed);
        count_on_this_thread(|counts| counts.deallocations = counts.deallocations.wrapping_add(1));
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `block` came from one of these methods, so from `System`, with this layout.
        let block = unsafe { System.realloc(block, layout, new_size) };
        if !block.is_null() {
            released(layout.size());
            allocated(new_size);
        }
        block
    }
}

fn allocated(size: usize) {
    let size = size as u64;
    INSTALLED.store(true, Relaxed);
    ALLOCATIONS.fetch_add(1, Relaxed);
    BYTES.fetch_add(size, Relaxed);
    let current = CURRENT.fetch_add(size, Relaxed).wrapping_add(size);
    PEAK.fetch_max(current, Relaxed);
    count_on_this_thread(|counts| {
        counts.allocations = counts.allocations.wrapping_add(1);
        counts.bytes = counts.bytes.wrapping_add(size);
    });
}

fn released(size: usize) {
    CURRENT.fetch_sub(size as u64, Relaxed);
}

fn count_on_this_thread(change: impl FnOnce(&mut Counts)) {
    // `try_with`: a thread that is exiting still allocates; then only the process counts.
    let _exiting = THREAD_COUNTS.try_with(|thread| {
        let mut counts = thread.get();
        change(&mut counts);
        thread.set(counts);
    });
}

fn this_thread() -> Counts {
    THREAD_COUNTS.try_with(Cell::get).unwrap_or_default()
}

fn assert_installed() {
    if !INSTALLED.load(Relaxed) {
        drop(std::hint::black_box(Box::new(0_u8)));
    }
    assert!(INSTALLED.load(Relaxed), "CountingAllocator is not this binary's #[global_allocator]");
}

thread_local! {
    static THREAD_COUNTS: Cell<Counts> =
        const { Cell::new(Counts { allocations: 0, deallocations: 0, bytes: 0 }) };
}

static INSTALLED: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static DEALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static CURRENT: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "not this binary's")]
    fn counting_without_the_allocator_panics() {
        allocations_on_this_thread(|| ());
    }
}
