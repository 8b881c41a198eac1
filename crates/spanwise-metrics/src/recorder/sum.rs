//! The sum of a histogram.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::cells::{Shard, ShardedCells};

/// The counters of a sum, which has 128 bits: 64 hold the nanoseconds of 584 years, which a process with many spans at a time collects in
/// hours.
#[derive(Debug)]
pub(super) struct Sum {
    /// The counter of the lower half; the next one has the upper half.
    low: usize,
    /// The largest sum that was reported, as the bits of a double: a collection between both halves of an addition would report less.
    reported: AtomicU64,
}

impl Sum {
    /// The number of counters of a sum.
    pub(super) const CELLS: usize = 2;

    /// A sum in the counters from `low` on.
    pub(super) const fn new(low: usize) -> Self {
        Self { low, reported: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn add(&self, shard: Shard<'_>, value: u64) {
        if shard.add(self.low, value).checked_add(value).is_none() {
            shard.add(self.low + 1, 1);
        }
    }

    /// The sum divided by `divisor`, never less than what an earlier call returned.
    pub(super) fn value(&self, cells: &ShardedCells, divisor: f64) -> f64 {
        let of_shard = |shard: Shard<'_>| {
            u128::from(shard.get(self.low + 1)) << 64 | u128::from(shard.get(self.low))
        };
        let sum = cells.shards().map(of_shard).fold(0_u128, u128::wrapping_add) as f64 / divisor;
        // Doubles that are not negative have the order of their bits.
        let before = self.reported.fetch_max(sum.to_bits(), Relaxed);
        sum.max(f64::from_bits(before))
    }
}
