//! The choice of samples, and the state that all instances of the allocator share.
//!
//! The state is one for the process, so that a profile needs no handle. While a thread is in the sampler,
//! its countdown has no end: what the unwinder allocates is never sampled.

use super::blocks::{Block, Blocks};
use super::random;
use crate::stacks::StackTable;
use crate::unwind::{SUPPORTED, Stack};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// The next step of an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Plain,
    /// Call [`Sampler::enter`].
    Sample,
}

/// Counts an allocation on this thread.
#[inline(always)]
pub(crate) fn count(size: usize) -> Next {
    if !SUPPORTED {
        return Next::Plain;
    }
    // Neither is negative before, so that the difference does not overflow.
    let left = UNTIL_NEXT.get().wrapping_sub(size as isize);
    UNTIL_NEXT.set(left);
    if left >= 0 { Next::Plain } else { Next::Sample }
}

/// False for most blocks that are no sample.
#[inline]
pub(crate) fn may_be_sampled(address: usize) -> bool {
    BLOCKS.may_contain(address)
}

/// Whether a block is a sample.
#[cold]
pub(crate) fn is_sampled(address: usize) -> bool {
    BLOCKS.contains(address)
}

/// Ends the sample of a block that is about to be freed, and returns its offset. `None` if the block is no sample.
#[cold]
pub(crate) fn end(address: usize) -> Option<usize> {
    let block = BLOCKS.remove(address)?;
    let [_, _, freed_objects, freed_bytes] = STACKS.values(block.stack);
    freed_objects.fetch_add(block.objects, Relaxed);
    freed_bytes.fetch_add(block.bytes, Relaxed);
    Some(block.offset as usize)
}

/// Makes the next allocation of this thread draw a new countdown.
pub(crate) fn restart() {
    RANDOM.set(0);
    UNTIL_NEXT.set(0);
}

/// Whether an allocation of the program goes through a [`SamplingAllocator`](super::SamplingAllocator).
pub(crate) fn is_installed() -> bool {
    let before = ENTERED.get();
    // The probe draws a new countdown instead of being a sample: bytes have no memory of the last one.
    restart();
    drop(std::hint::black_box(Box::new(std::hint::black_box(0_u8))));
    ENTERED.get() != before
}

/// This thread takes no samples until the drop: of what a profile allocates while it is made.
pub(crate) struct Paused(());

impl Paused {
    pub(crate) fn new() -> Self {
        UNTIL_NEXT.set(isize::MAX);
        Self(())
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        restart();
    }
}

/// A thread in the sampler, with a countdown that does not end; the drop draws a new one.
pub(crate) struct Sampler {
    rate: usize,
}

impl Sampler {
    /// Enters the sampler for an allocation that ended the countdown; `None` if it is not a sample,
    /// because the countdown was the first of its thread, or because sampling is off.
    pub(crate) fn enter(size: usize, rate: usize) -> Option<Self> {
        ENTERED.set(ENTERED.get().wrapping_add(1));
        if rate == 0 {
            // The first allocation after sampling is on again is not sampled either.
            RANDOM.set(0);
            UNTIL_NEXT.set(OFF);
            return None;
        }
        RATE.store(rate, Relaxed);
        if RANDOM.get() == 0 {
            RANDOM.set(random::seed());
            let left = draw(rate).saturating_sub(size as isize);
            if left >= 0 {
                UNTIL_NEXT.set(left);
                return None;
            }
        }
        UNTIL_NEXT.set(isize::MAX);
        Some(Self { rate })
    }

    /// Whether the rate is that of no samples. The thread then looks again after [`OFF`] bytes.
    pub(crate) fn is_off(rate: usize) -> bool {
        rate == 0 && Self::enter(0, rate).is_none()
    }

    /// Records the stack of a block, with its offset in its allocation, below a page. False without a slot for it.
    pub(crate) fn record(&self, address: usize, offset: usize, size: usize) -> bool {
        let mut stack = Stack::new();
        stack.capture();
        let (objects, bytes) = random::weight(size, self.rate);
        let entry = STACKS.entry(stack.frames());
        let block = Block { stack: entry, offset: offset as u32, objects, bytes };
        if !BLOCKS.insert(address, block) {
            LOST.fetch_add(1, Relaxed);
            return false;
        }
        let [alloc_objects, alloc_bytes, _, _] = STACKS.values(entry);
        alloc_objects.fetch_add(objects, Relaxed);
        alloc_bytes.fetch_add(bytes, Relaxed);
        true
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        UNTIL_NEXT.set(draw(self.rate));
    }
}

fn draw(rate: usize) -> isize {
    let mut state = RANDOM.get();
    let bytes = random::exponential(&mut state, rate);
    RANDOM.set(state);
    bytes
}

/// The counters of each stack: allocated objects and bytes, freed objects and bytes. Objects are in units
/// of [`random::OBJECT`].
pub(crate) static STACKS: StackTable<2048, 4> = StackTable::new();
static BLOCKS: Blocks = Blocks::new();
/// Samples for which there was no slot.
pub(crate) static LOST: AtomicU64 = AtomicU64::new(0);
/// The rate of the last sample.
pub(crate) static RATE: AtomicUsize = AtomicUsize::new(0);

/// Bytes until a thread looks again whether sampling is on.
const OFF: isize = 16 << 20;

thread_local! {
    /// Bytes until the next sample of this thread; never negative outside of an allocation.
    static UNTIL_NEXT: Cell<isize> = const { Cell::new(0) };
    /// The state of the random generator; 0 before the first countdown.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
    /// Calls of [`Sampler::enter`].
    static ENTERED: Cell<u32> = const { Cell::new(0) };
}
