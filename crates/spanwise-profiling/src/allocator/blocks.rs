//! The live samples: a bounded table from the address of a block to its record, without locks.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

/// The record of a sampled block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its entry in the table of stacks.
    pub(crate) stack: u32,
    /// Bytes from the start of its allocation.
    pub(crate) offset: u32,
    /// The objects and bytes that the sample added there.
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

pub(crate) struct Blocks<const LEN: usize = 16_384> {
    /// Blocks whose search starts at each slot: at most [`PROBES`]. The allocator of the system hands out the
    /// page of a sample again and again after its end; then this is the only load.
    counts: [AtomicU8; LEN],
    /// [`FREE`], [`WRITING`], or an address. Beside each other, so that a search reads few cache lines.
    addresses: [AtomicUsize; LEN],
    records: [Record; LEN],
}

struct Record {
    stack: AtomicU32,
    offset: AtomicU32,
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Record {
    const fn new() -> Self {
        let [stack, offset] = [const { AtomicU32::new(0) }; 2];
        Self { stack, offset, objects: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }
}

impl<const LEN: usize> Blocks<LEN> {
    pub(crate) const fn new() -> Self {
        Self {
            counts: [const { AtomicU8::new(0) }; LEN],
            addresses: [const { AtomicUsize::new(FREE) }; LEN],
            records: [const { Record::new() }; LEN],
        }
    }

    /// Adds a block. False if all slots are taken where it may be.
    pub(crate) fn insert(&self, address: usize, block: Block) -> bool {
        for (slot, record) in self.slots(address) {
            if slot.compare_exchange(FREE, WRITING, Acquire, Relaxed).is_ok() {
                self.count(address).fetch_add(1, Relaxed);
                record.stack.store(block.stack, Relaxed);
                record.offset.store(block.offset, Relaxed);
                record.objects.store(block.objects, Relaxed);
                record.bytes.store(block.bytes, Relaxed);
                // ORDER: Release publishes the record; pairs with the Acquire in `find`.
                slot.store(address, Release);
                return true;
            }
        }
        false
    }

    /// False for most addresses that are no block: one load.
    #[inline]
    pub(crate) fn may_contain(&self, address: usize) -> bool {
        // ORDER: Relaxed: the caller received the block from its allocation, which has counted it, and
        // others only take their own counts away.
        self.count(address).load(Relaxed) != 0
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        self.find(address).is_some()
    }

    /// Removes a block, which no other thread does at the same time: the caller owns it.
    pub(crate) fn remove(&self, address: usize) -> Option<Block> {
        let (slot, record) = self.find(address)?;
        let block = Block {
            stack: record.stack.load(Relaxed),
            offset: record.offset.load(Relaxed),
            objects: record.objects.load(Relaxed),
            bytes: record.bytes.load(Relaxed),
        };
        self.count(address).fetch_sub(1, Relaxed);
        // ORDER: Release keeps the loads before the next `insert`, whose exchange is an Acquire.
        slot.store(FREE, Release);
        Some(block)
    }

    fn find(&self, address: usize) -> Option<(&AtomicUsize, &Record)> {
        // ORDER: Acquire reads the record that `insert` published.
        self.slots(address).find(|(slot, _)| slot.load(Acquire) == address)
    }

    /// The slots where a block may be, all of them: no removal leaves a mark behind.
    fn slots(&self, address: usize) -> impl Iterator<Item = (&AtomicUsize, &Record)> {
        let start = start(address, LEN);
        let probes = (start..LEN).chain(0..start).take(PROBES);
        probes.filter_map(|index| Some((self.addresses.get(index)?, self.records.get(index)?)))
    }

    #[inline]
    fn count(&self, address: usize) -> &AtomicU8 {
        // The index is below LEN, which the compiler knows.
        &self.counts[start(address, LEN)]
    }
}

#[inline]
fn start(address: usize, len: usize) -> usize {
    let hash = ((address / PAGE) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 32) as usize % len
}

/// The alignment of a sampled block.
pub(crate) const PAGE: usize = 4096;

const FREE: usize = 0;
/// No address: it is not at a page.
const WRITING: usize = 1;

/// Slots for each address: a search reads at most this many.
const PROBES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: usize) -> Block {
        let (stack, offset) = (number as u32, number as u32 * 7);
        Block { stack, offset, objects: number as u64 * 3, bytes: number as u64 * 5 }
    }

    #[test]
    fn a_removed_block_is_returned_once() {
        let blocks = Blocks::<256>::new();
        assert!(blocks.insert(7 * PAGE, block(7)));
        assert!(blocks.contains(7 * PAGE) && !blocks.contains(8 * PAGE));
        assert_eq!(blocks.remove(7 * PAGE), Some(block(7)));
        assert_eq!(blocks.remove(7 * PAGE), None);
    }

    #[test]
    fn a_full_table_refuses_and_has_space_again() {
        let blocks = Blocks::<256>::new();
        let taken: Vec<usize> =
            (1..=1000).filter(|&number| blocks.insert(number * PAGE, block(number))).collect();
        assert!((200..=256).contains(&taken.len()), "{}", taken.len());
        for &number in &taken {
            assert_eq!(blocks.remove(number * PAGE), Some(block(number)));
        }
        assert!((1..=1000).all(|number| !blocks.may_contain(number * PAGE)));
        assert!(blocks.insert(PAGE, block(1)) && blocks.may_contain(PAGE));
    }

    #[test]
    fn threads_find_their_own_blocks() {
        let blocks = Blocks::<1024>::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let blocks = &blocks;
                scope.spawn(move || {
                    for round in 1..5_000 {
                        let number = round * 4 + thread;
                        if blocks.insert(number * PAGE, block(number)) {
                            assert_eq!(blocks.remove(number * PAGE), Some(block(number)));
                        }
                    }
                });
            }
        });
    }
}
