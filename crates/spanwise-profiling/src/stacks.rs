//! A bounded table of call stacks with counters, without locks: a signal handler may add to it, and a
//! process that forks at any instruction has a table that works.

use crate::unwind::DEPTH;
use std::alloc::{Layout, alloc_zeroed};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

/// `STACKS` different stacks, each with `VALUES` counters. Stacks beyond share one entry without frames.
#[repr(C)]
pub(crate) struct StackTable<const STACKS: usize, const VALUES: usize> {
    slots: [Slot<VALUES>; STACKS],
    overflow: [AtomicU64; VALUES],
}

#[repr(C)]
struct Slot<const VALUES: usize> {
    /// [`FREE`], [`WRITING`], or the hash of the frames, which are then constant.
    state: AtomicU64,
    depth: AtomicU32,
    frames: [AtomicUsize; DEPTH],
    values: [AtomicU64; VALUES],
}

impl<const VALUES: usize> Slot<VALUES> {
    const fn new() -> Self {
        Self {
            state: AtomicU64::new(FREE),
            depth: AtomicU32::new(0),
            frames: [const { AtomicUsize::new(0) }; DEPTH],
            values: [const { AtomicU64::new(0) }; VALUES],
        }
    }

    fn is(&self, hash: u64, frames: &[usize]) -> bool {
        // ORDER: Acquire reads the frames that `write` published.
        self.state.load(Acquire) == hash
            && self.depth.load(Relaxed) as usize == frames.len()
            && self.frames.iter().zip(frames).all(|(ours, other)| ours.load(Relaxed) == *other)
    }

    /// Takes the slot if it is free.
    fn write(&self, hash: u64, frames: &[usize]) -> bool {
        if self.state.compare_exchange(FREE, WRITING, Relaxed, Relaxed).is_err() {
            return false;
        }
        self.depth.store(frames.len() as u32, Relaxed);
        self.frames.iter().zip(frames).for_each(|(ours, frame)| ours.store(*frame, Relaxed));
        // ORDER: Release publishes the frames; pairs with the Acquire in `is` and `for_each`.
        self.state.store(hash, Release);
        true
    }
}

impl<const STACKS: usize, const VALUES: usize> StackTable<STACKS, VALUES> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; STACKS],
            overflow: [const { AtomicU64::new(0) }; VALUES],
        }
    }

    /// A table on the heap that was never on a thread's stack; `None` without memory.
    pub(crate) fn boxed() -> Option<Box<Self>> {
        // SAFETY: the layout is not of size 0.
        let table = unsafe { alloc_zeroed(Layout::new::<Self>()) }.cast::<Self>();
        // SAFETY: the memory is of the global allocator with this layout, and a table of zeros is the
        // table that `new` returns: `FREE` is 0.
        (!table.is_null()).then(|| unsafe { Box::from_raw(table) })
    }

    /// The entry of a stack, which is new or not; beyond the last one when the table is full.
    ///
    /// Two threads that add a new stack at once may make two entries of it. A reader adds them up.
    pub(crate) fn entry(&self, frames: &[usize]) -> u32 {
        let hash = hash(frames);
        let start = hash as usize % STACKS;
        let probes = (start..STACKS).chain(0..start).take(PROBES);
        for index in probes {
            let Some(slot) = self.slots.get(index) else { break };
            if slot.is(hash, frames) || slot.write(hash, frames) {
                return index as u32;
            }
        }
        STACKS as u32
    }

    /// The counters of an entry.
    pub(crate) fn values(&self, entry: u32) -> &[AtomicU64; VALUES] {
        self.slots.get(entry as usize).map_or(&self.overflow, |slot| &slot.values)
    }

    /// Calls `each` with the frames and counters of each entry, the shared one last and without frames.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&[usize], &[AtomicU64; VALUES])) {
        let mut frames = [0; DEPTH];
        for slot in &self.slots {
            // ORDER: Acquire reads the frames that `write` published.
            if slot.state.load(Acquire) <= WRITING {
                continue;
            }
            let depth = (slot.depth.load(Relaxed) as usize).min(DEPTH);
            for (frame, ours) in frames.iter_mut().zip(&slot.frames).take(depth) {
                *frame = ours.load(Relaxed);
            }
            each(frames.get(..depth).unwrap_or_default(), &slot.values);
        }
        each(&[], &self.overflow);
    }
}

/// Multiply and rotate, never [`FREE`] or [`WRITING`].
fn hash(frames: &[usize]) -> u64 {
    let mix = |hash: u64, frame: &usize| {
        (hash.rotate_left(5) ^ *frame as u64).wrapping_mul(0x517c_c1b7_2722_0a95)
    };
    let hash = frames.iter().fold(0x9e37_79b9_7f4a_7c15, mix);
    (hash ^ (hash >> 32)).max(WRITING + 1)
}

const FREE: u64 = 0;
const WRITING: u64 = 1;

/// Slots that are tried for a stack: a full table costs this many loads.
const PROBES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(table: &StackTable<128, 1>) -> (u64, usize, u64) {
        let (mut all, mut entries, mut shared) = (0, 0, 0);
        table.for_each(|frames, [value]| {
            all += value.load(Relaxed);
            entries += usize::from(!frames.is_empty());
            shared = value.load(Relaxed);
        });
        (all, entries, shared)
    }

    fn add(table: &StackTable<128, 1>, frames: &[usize]) {
        table.values(table.entry(frames))[0].fetch_add(1, Relaxed);
    }

    #[test]
    fn equal_stacks_share_an_entry() {
        let table = StackTable::<128, 1>::boxed().unwrap();
        for _ in 0..10 {
            add(&table, &[1, 2, 3]);
            add(&table, &[1, 2]);
        }
        assert_eq!(sum(&table), (20, 2, 0));
        assert_eq!(table.entry(&[1, 2]), table.entry(&[1, 2]));
    }

    #[test]
    fn a_full_table_counts_further_stacks_together() {
        let table = StackTable::<128, 1>::new();
        (1..=1000).for_each(|frame| add(&table, &[frame]));
        let (all, entries, shared) = sum(&table);
        assert_eq!((all, entries + shared as usize), (1000, 1000));
        assert!(entries <= 128 && entries > 100, "{entries}");
    }

    #[test]
    fn threads_lose_no_count() {
        let table = StackTable::<128, 1>::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..20_000).for_each(|n| add(&table, &[n % 50 + 1, 7])));
            }
        });
        assert_eq!(sum(&table).0, 80_000);
    }

    #[test]
    fn a_deep_stack_is_cut() {
        let table = StackTable::<128, 1>::new();
        add(&table, &[9; DEPTH]);
        assert_eq!(sum(&table), (1, 1, 0));
    }
}
