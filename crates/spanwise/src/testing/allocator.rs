//! A global allocator that counts the calls of each thread.

// An implementation of `GlobalAlloc` is `unsafe` by its definition.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt;
use std::hint::black_box;

/// A [`GlobalAlloc`] that counts, for each thread, the calls that it passes on to another allocator.
///
/// A test or a bench installs it for its process; [`count_allocations`] and [`assert_allocations`]
/// panic where it is not installed, since a count of zero would prove nothing.
///
/// # Cost
/// Some nanoseconds a call: two numbers of the thread change, and no atomic. A time that is measured under
/// it can be compared with others under it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator<A = System>(A);

/// Calls to the allocator on one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocations {
    /// The number of allocated blocks. A `realloc` counts as one, whether or not the block moved.
    pub count: u64,
    /// The number of requested bytes; a `realloc` adds its whole new size.
    pub bytes: u64,
}

impl CountingAllocator {
    /// Counts the calls to [`System`], which is the allocator of a program that names none.
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> CountingAllocator<A> {
    /// Counts the calls to `allocator`, for example jemalloc.
    pub const fn new(allocator: A) -> Self {
        Self(allocator)
    }
}

/// Calls `f`, and returns its result with the allocations on the calling thread.
///
/// Threads that `f` starts are not counted, nor is the drop of the result.
///
/// # Panics
/// If [`CountingAllocator`] is not the global allocator.
pub fn count_allocations<T>(f: impl FnOnce() -> T) -> (T, Allocations) {
    let before = so_far();
    drop(black_box(Box::new(0_u8)));
    let start = so_far();
    assert!(start != before, "CountingAllocator is not the #[global_allocator] of this program");
    let result = f();
    let end = so_far();
    let count = end.count.wrapping_sub(start.count);
    (result, Allocations { count, bytes: end.bytes.wrapping_sub(start.bytes) })
}

/// Calls `f`, and returns its result, if the calling thread allocates at most `limit` blocks.
///
/// # Panics
/// If there are more, or if [`CountingAllocator`] is not the global allocator.
#[track_caller]
pub fn assert_allocations<T>(limit: u64, f: impl FnOnce() -> T) -> T {
    let (result, allocations) = count_allocations(f);
    assert!(allocations.count <= limit, "{allocations}; the limit is {limit}");
    result
}

impl fmt::Display for Allocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} allocations of {} bytes", self.count, self.bytes)
    }
}

// SAFETY: each call is passed on with unchanged arguments, and its result is returned unchanged. The
// counting changes a thread-local without destructor, so it neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller upholds the contract of `alloc`, which is the same.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller upholds the contract of `alloc_zeroed`, which is the same.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` is from one of these methods, thus from the inner allocator, with this layout.
        unsafe { self.0.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        add(new_size);
        // SAFETY: `block` is from one of these methods, thus from the inner allocator, with this layout.
        unsafe { self.0.realloc(block, layout, new_size) }
    }
}

fn add(bytes: usize) {
    // A thread that is exiting still allocates, and no closure of this module runs there.
    let _exiting = COUNTED.try_with(|counted| {
        let Allocations { count, bytes: sum } = counted.get();
        let sum = sum.wrapping_add(bytes as u64);
        counted.set(Allocations { count: count.wrapping_add(1), bytes: sum });
    });
}

fn so_far() -> Allocations {
    COUNTED.try_with(Cell::get).unwrap_or_default()
}

thread_local! {
    static COUNTED: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "is not the #[global_allocator]")]
    fn a_count_without_the_allocator_panics() {
        count_allocations(|| ());
    }
}
