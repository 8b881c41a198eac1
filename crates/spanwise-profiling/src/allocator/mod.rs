//! A global allocator that samples.

pub(crate) mod blocks;
pub(crate) mod random;
pub(crate) mod sampler;

use blocks::PAGE;
use sampler::{Next, Sampler};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// A [`GlobalAlloc`] around another one that records the call stack of one allocation in [`rate`](Self::with_rate) bytes.
///
/// ```
/// use spanwise_profiling::SamplingAllocator;
///
/// #[global_allocator]
/// static ALLOCATOR: SamplingAllocator = SamplingAllocator::system();
///
/// let retained = vec![1_u8; 8 << 20];
/// let profile = spanwise_profiling::heap().unwrap();
/// assert!(profile.total("inuse_space").unwrap() > 4 << 20);
/// drop(retained);
/// ```
///
/// Bytes between two samples are exponentially distributed with that mean,
/// so that each byte has the same probability. An allocation of `s` bytes is sampled with the probability
/// `1 - exp(-s / rate)` and counts as the inverse: sums are unbiased, as those of Go.
///
/// # Cost
/// A subtraction and a comparison at an allocation, a comparison at its end; a sample takes some
/// microseconds. `cargo run --release -p spanwise-profiling --example allocation_cost` measures both. A
/// sampled block begins at a page of 4 KiB, which is how its end is recognized: one page in `rate` bytes,
/// below 1 % by default. Tables for 16,384 live samples and 2,048 stacks take 2.1 MiB of address space, of which the
/// touched pages become memory; samples beyond are counted without a stack or, without a slot, not counted.
///
/// # Limits
/// A block that grows by `realloc` counts with its new size; a sampled one is copied. Only systems of
/// `cfg(unix)` sample; elsewhere every call goes to the inner allocator.
#[derive(Debug)]
pub struct SamplingAllocator<A = System> {
    inner: A,
    rate: AtomicUsize,
}

impl SamplingAllocator<System> {
    /// Around the allocator of the system.
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> SamplingAllocator<A> {
    /// Around `inner`, with a sample in 512 KiB, as Go's `MemProfileRate`.
    pub const fn new(inner: A) -> Self {
        Self { inner, rate: AtomicUsize::new(512 << 10) }
    }

    /// Sets the mean number of bytes between samples; 0 takes none.
    #[must_use]
    pub const fn with_rate(mut self, bytes: usize) -> Self {
        self.rate = AtomicUsize::new(bytes);
        self
    }

    /// Changes the mean number of bytes between samples; 0 takes none.
    ///
    /// The calling thread and those that start later follow at once, others after their next sample or,
    /// if there were none, after at most 16 MiB of allocations. Earlier samples count with their own rate.
    pub fn set_rate(&self, bytes: usize) {
        self.rate.store(bytes, Relaxed);
        sampler::restart();
    }
}

// SAFETY: each block comes from `inner` and goes back to it with the address and the layout that it was allocated
// with: the caller's, or for the blocks that the sampler has recorded at an offset, those of the padded allocation.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SamplingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Next::Sample = sampler::count(layout.size()) {
            // SAFETY: the caller's contract.
            return unsafe { self.sample(layout, |layout| self.inner.alloc(layout)) };
        }
        // SAFETY: the caller's contract.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if let Next::Sample = sampler::count(layout.size()) {
            // SAFETY: the caller's contract.
            return unsafe { self.sample(layout, |layout| self.inner.alloc_zeroed(layout)) };
        }
        // SAFETY: the caller's contract.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if may_be_sampled(block)
            && let Some(offset) = sampler::end(block as usize)
        {
            // SAFETY: the sampler recorded the block at this offset, with this layout.
            return unsafe { self.free(block, layout, offset) };
        }
        // SAFETY: the caller's contract.
        unsafe { self.inner.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let is_sampled = may_be_sampled(block) && sampler::is_sampled(block as usize);
        match sampler::count(new_size) {
            Next::Plain if !is_sampled => {
                // SAFETY: the caller's contract; the layout is that of the allocation.
                unsafe { self.inner.realloc(block, layout, new_size) }
            }
            // Without samples, a block grows in place: a large one is not copied.
            Next::Sample if !is_sampled && Sampler::is_off(self.rate.load(Relaxed)) => {
                // SAFETY: as above.
                unsafe { self.inner.realloc(block, layout, new_size) }
            }
            // SAFETY: the caller's contract.
            next => unsafe { self.copy(block, layout, new_size, next) },
        }
    }
}

impl<A: GlobalAlloc> SamplingAllocator<A> {
    /// Allocates a block of which the sampler decides whether it is a sample.
    ///
    /// # Safety
    /// `allocate` and `self.inner` are the same allocator, and `layout` is not of size 0.
    #[cold]
    #[inline(never)]
    unsafe fn sample(&self, layout: Layout, allocate: impl Fn(Layout) -> *mut u8) -> *mut u8 {
        let Some(sampler) = Sampler::enter(layout.size(), self.rate.load(Relaxed)) else {
            return allocate(layout);
        };
        // The memory is padded and not aligned: the system's allocator writes every page of zeroed memory with an
        // alignment, and the kernel none of it otherwise.
        let start = allocate(padded(layout));
        if start.is_null() {
            return allocate(layout);
        }
        let offset = offset(start, layout);
        // SAFETY: the padding is a page: the block of `layout` from the next page on is within the allocation.
        let block = unsafe { start.add(offset) };
        if sampler.record(block as usize, offset, layout.size()) {
            return block;
        }
        // SAFETY: the block is not recorded: it goes back with the layout that it was allocated with.
        unsafe { self.free(block, layout, offset) };
        allocate(layout)
    }

    /// Frees a block that begins at an offset in its allocation.
    ///
    /// # Safety
    /// `inner` allocated the block with [`padded`] of this layout, at this [`offset`].
    #[cold]
    unsafe fn free(&self, block: *mut u8, layout: Layout, offset: usize) {
        // SAFETY: the caller's contract: this is the allocation's address with its layout.
        unsafe { self.inner.dealloc(block.sub(offset), padded(layout)) }
    }

    /// Moves a block that is, or becomes, a sample.
    ///
    /// # Safety
    /// The contract of [`GlobalAlloc::realloc`].
    #[cold]
    #[inline(never)]
    unsafe fn copy(&self, block: *mut u8, layout: Layout, new_size: usize, next: Next) -> *mut u8 {
        // SAFETY: the caller of `realloc` guarantees that `new_size` fits the alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new size is not 0 by the contract of `realloc`.
        let new = unsafe {
            match next {
                Next::Sample => self.sample(new_layout, |layout| self.inner.alloc(layout)),
                Next::Plain => self.inner.alloc(new_layout),
            }
        };
        if !new.is_null() {
            // SAFETY: both blocks are at least as long, and the new one overlaps no other.
            unsafe { new.copy_from_nonoverlapping(block, layout.size().min(new_size)) };
            // SAFETY: the block belongs to the caller, with this layout.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

/// Sampled blocks begin at a page; few others do.
#[inline(always)]
fn may_be_sampled(block: *mut u8) -> bool {
    block as usize & (PAGE - 1) == 0 && sampler::may_be_sampled(block as usize)
}

/// The layout of a sampled block's allocation: with a page more, unless its blocks begin at a page anyway.
fn padded(layout: Layout) -> Layout {
    let with_page = layout.size().checked_add(PAGE).filter(|_| layout.align() < PAGE);
    // A size near `isize::MAX` does not fit; no allocator has a block of it either.
    let padded = with_page.map(|size| Layout::from_size_align(size, layout.align()));
    padded.and_then(Result::ok).unwrap_or(layout)
}

/// Bytes from the start of a padded allocation to its first page; 0 without padding.
fn offset(start: *mut u8, layout: Layout) -> usize {
    match padded(layout).size() == layout.size() {
        true => 0,
        false => (start as usize).wrapping_neg() & (PAGE - 1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    /// Counts the calls of `realloc`.
    struct Counting(AtomicUsize);

    // SAFETY: every call goes to the system's allocator.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's contract.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller's contract.
            unsafe { System.dealloc(block, layout) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            self.0.fetch_add(1, Relaxed);
            // SAFETY: the caller's contract.
            unsafe { System.realloc(block, layout, new_size) }
        }
    }

    #[test]
    fn a_large_block_grows_in_place_while_sampling_is_off() {
        let allocator = SamplingAllocator::new(Counting(AtomicUsize::new(0))).with_rate(0);
        let layout = |mib: usize| Layout::from_size_align(mib << 20, 8).unwrap();
        // SAFETY: no size is 0, and the block goes back with its layout.
        unsafe {
            let mut block = allocator.alloc(layout(1));
            for mib in 2..=64 {
                block = allocator.realloc(block, layout(mib - 1), mib << 20);
                assert!(!block.is_null());
            }
            allocator.dealloc(block, layout(64));
        }
        assert_eq!(allocator.inner.0.load(Relaxed), 63);
    }
}
