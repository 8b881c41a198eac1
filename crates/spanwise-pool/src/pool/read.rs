//! The statistics of a pool, and its `Debug`.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use crate::PoolStats;
use crate::slot::State;

impl<T> Pool<T> {
    /// Sums up the counters and the slots.
    pub(super) fn read(&self) -> PoolStats {
        let mut stats = PoolStats {
            misses: self.rare.misses.load(Relaxed),
            discarded: self.rare.discarded.load(Relaxed),
            ..PoolStats::default()
        };
        let (mut moved_out, mut claimed) = (0_u32, 0_usize);
        for slot in &self.slots {
            stats.hits += slot.hits();
            moved_out = moved_out.wrapping_add(slot.moved_out());
            match slot.state() {
                State::Empty => {}
                State::Claimed => claimed += 1,
                State::Idle => {
                    stats.retained += 1;
                    stats.retained_bytes = stats.retained_bytes.saturating_add(slot.bytes());
                }
            }
        }
        // Each part may be negative, if objects were taken by one method and returned by another.
        let detached = self.rare.detached.load(Relaxed).cast_signed();
        let out = claimed
            .cast_signed()
            .wrapping_add(detached)
            .wrapping_add(moved_out.cast_signed() as isize);
        stats.outstanding = out.max(0).cast_unsigned();
        stats
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &self.slots.len())
            .field("byte_limit", &self.byte_limit)
            .field("stats", &self.read())
            .finish()
    }
}
