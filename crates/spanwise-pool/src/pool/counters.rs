//! What a pool counts, and how it shows.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use super::Pool;
use crate::PoolStats;
use crate::slot::State;
use crate::sync::{AtomicU64, AtomicUsize};

/// Counters of what is not the common case, away from what is.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Rare {
    pub(super) misses: AtomicU64,
    pub(super) discarded: AtomicU64,
    /// Objects out that no slot knows of, less those home, with wrap-around.
    pub(super) strays: AtomicUsize,
}

impl<T> Pool<T> {
    /// What the counters say, and the slots.
    pub(super) fn read(&self) -> PoolStats {
        let mut stats = PoolStats {
            misses: self.rare.misses.load(Relaxed),
            discarded: self.rare.discarded.load(Relaxed),
            ..PoolStats::default()
        };
        let (mut moved_out, mut lent) = (0_u32, 0_usize);
        for slot in &self.slots {
            stats.hits += slot.hits();
            moved_out = moved_out.wrapping_add(slot.moved_out());
            match slot.state() {
                State::Empty => {}
                State::Claimed => lent += 1,
                State::Idle => {
                    stats.retained += 1;
                    stats.retained_bytes = stats.retained_bytes.saturating_add(slot.bytes());
                }
            }
        }
        // Each part may be negative where objects were taken in one way and given back in another.
        let strays = self.rare.strays.load(Relaxed).cast_signed();
        let out =
            lent.cast_signed().wrapping_add(strays).wrapping_add(moved_out.cast_signed() as isize);
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
