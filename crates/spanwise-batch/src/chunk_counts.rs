//! Counts of the chunks that a buffer opened.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Chunks that a [`ShardedBuffer`](crate::ShardedBuffer) opened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChunkCounts {
    /// Chunks that were cached.
    pub reused: u64,
    /// Chunks that were allocated.
    pub allocated: u64,
    /// Bytes of the latter.
    pub allocated_bytes: u64,
}

/// The counters of [`ChunkCounts`]: one of a few hundred spans increments one.
#[derive(Debug, Default)]
pub(crate) struct ChunkCounters {
    reused: AtomicU64,
    allocated: AtomicU64,
    allocated_bytes: AtomicU64,
}

impl ChunkCounters {
    pub(crate) fn reused(&self) {
        self.reused.fetch_add(1, Relaxed);
    }

    pub(crate) fn allocated(&self, bytes: usize) {
        self.allocated.fetch_add(1, Relaxed);
        self.allocated_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn load(&self) -> ChunkCounts {
        ChunkCounts {
            reused: self.reused.load(Relaxed),
            allocated: self.allocated.load(Relaxed),
            allocated_bytes: self.allocated_bytes.load(Relaxed),
        }
    }
}
