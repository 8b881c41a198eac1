//! Counters.

use super::cells::ShardedCells;
use super::error::RecorderError;

/// A counter that many threads increment: the value of a monotonic sum.
///
/// # Cost
/// A thread-local read, a load and a store; an atomic addition for threads beyond the number of shards. 128 bytes for each shard and one
/// more.
#[derive(Debug)]
pub struct CounterRecorder {
    cells: ShardedCells,
}

/// An up-down counter that many threads change: the value of a sum that may fall. Its cost is that of [`CounterRecorder`].
#[derive(Debug)]
pub struct UpDownCounterRecorder {
    cells: ShardedCells,
}

impl CounterRecorder {
    /// A counter at 0 with two shards for each processor, at most 64.
    pub fn new() -> Self {
        Self { cells: ShardedCells::single() }
    }

    /// A counter at 0 in which that many threads have a shard of their own.
    ///
    /// # Errors
    /// More than 64 shards.
    pub fn with_shards(shards: usize) -> Result<Self, RecorderError> {
        Ok(Self { cells: ShardedCells::new(1, Some(shards))? })
    }

    /// Adds `value`.
    #[inline]
    pub fn add(&self, value: u64) {
        self.cells.shard().add(0, value);
    }

    /// The sum of all additions that happened before, modulo 2⁶⁴.
    pub fn value(&self) -> u64 {
        self.cells.sum(0)
    }
}

impl UpDownCounterRecorder {
    /// A counter at 0 with two shards for each processor, at most 64.
    pub fn new() -> Self {
        Self { cells: ShardedCells::single() }
    }

    /// A counter at 0 in which that many threads have a shard of their own.
    ///
    /// # Errors
    /// More than 64 shards.
    pub fn with_shards(shards: usize) -> Result<Self, RecorderError> {
        Ok(Self { cells: ShardedCells::new(1, Some(shards))? })
    }

    /// Adds `value`, which may be negative.
    #[inline]
    pub fn add(&self, value: i64) {
        self.cells.shard().add(0, value as u64);
    }

    /// The sum of all additions that happened before. While another thread subtracts what a third one added, the sum may miss the
    /// addition.
    pub fn value(&self) -> i64 {
        self.cells.sum(0) as i64
    }
}

impl Default for CounterRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for UpDownCounterRecorder {
    fn default() -> Self {
        Self::new()
    }
}
