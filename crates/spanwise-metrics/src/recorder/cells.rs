//! Counters in shards, one for each of the first threads.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use super::error::RecorderError;
use super::slot::{SLOTS, current};

/// A number of counters in each of several shards.
pub(super) struct ShardedCells {
    /// `lines_per_shard` lines for each shard; the last shard belongs to all threads without one of their own.
    lines: Box<[Line]>,
    lines_per_shard: usize,
    /// The number of shards that one thread owns.
    owned: usize,
}

/// A pair of cache lines (the processor fetches adjacent lines together).
#[repr(align(128))]
#[derive(Default)]
struct Line([AtomicU64; CELLS]);

/// The counters of one shard.
#[derive(Clone, Copy)]
pub(super) struct Shard<'a> {
    lines: &'a [Line],
    /// Whether the calling thread alone writes this shard.
    is_owned: bool,
}

impl ShardedCells {
    /// `cells` counters in each of `shards` shards, by default [`default_shards`], and in one more.
    pub(super) fn new(cells: usize, shards: Option<usize>) -> Result<Self, RecorderError> {
        let owned = shards.unwrap_or_else(default_shards);
        if owned > SLOTS {
            return Err(RecorderError::Shards { shards: owned });
        }
        Ok(Self::of(cells, owned))
    }

    /// One counter in each of the default number of shards.
    pub(super) fn single() -> Self {
        Self::of(1, default_shards())
    }

    /// `cells` counters in each of `owned` shards, at most [`SLOTS`], and in one more.
    pub(super) fn of(cells: usize, owned: usize) -> Self {
        let lines_per_shard = cells.div_ceil(CELLS).max(1);
        let lines = (0..lines_per_shard * (owned + 1)).map(|_| Line::default()).collect();
        Self { lines, lines_per_shard, owned }
    }

    /// The shard of the calling thread.
    #[inline]
    pub(super) fn shard(&self) -> Shard<'_> {
        let slot = current();
        let is_owned = slot < self.owned;
        let first = if is_owned { slot } else { self.owned } * self.lines_per_shard;
        let lines = self.lines.get(first..first + self.lines_per_shard);
        Shard { lines: lines.unwrap_or_default(), is_owned }
    }

    /// All shards, to read them.
    pub(super) fn shards(&self) -> impl Iterator<Item = Shard<'_>> {
        self.lines.chunks(self.lines_per_shard).map(|lines| Shard { lines, is_owned: false })
    }

    /// The sum of a counter, modulo 2⁶⁴.
    pub(super) fn sum(&self, cell: usize) -> u64 {
        self.shards().fold(0, |sum: u64, shard| sum.wrapping_add(shard.get(cell)))
    }

    /// Bytes of all shards.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }
}

impl Shard<'_> {
    /// Adds to a counter, modulo 2⁶⁴, and returns the value before.
    #[inline]
    pub(super) fn add(self, cell: usize, value: u64) -> u64 {
        let Some(counter) = self.cell(cell) else { return 0 };
        if self.is_owned {
            // No other thread writes it: a load and a store suffice.
            let before = counter.load(Relaxed);
            counter.store(before.wrapping_add(value), Relaxed);
            before
        } else {
            counter.fetch_add(value, Relaxed)
        }
    }

    pub(super) fn get(self, cell: usize) -> u64 {
        self.cell(cell).map_or(0, |counter| counter.load(Relaxed))
    }

    #[inline]
    fn cell(&self, cell: usize) -> Option<&AtomicU64> {
        self.lines.get(cell / CELLS)?.0.get(cell % CELLS)
    }
}

impl fmt::Debug for ShardedCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedCells").field("shards", &self.owned).finish_non_exhaustive()
    }
}

/// Two shards for each processor, at most [`SLOTS`].
pub(super) fn default_shards() -> usize {
    thread::available_parallelism().map_or(4, |processors| processors.get() * 2).min(SLOTS)
}

/// The counters in a [`Line`].
const CELLS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_no_line() {
        let cells = ShardedCells::new(17, Some(3)).unwrap();
        assert_eq!(cells.bytes(), 2 * 128 * 4);
        assert_eq!(align_of::<Line>(), size_of::<Line>());
        let shard = cells.shard();
        assert_eq!((shard.add(16, 5), shard.add(16, 2), cells.sum(16)), (0, 5, 7));
        // Beyond the last line there is nothing.
        assert_eq!((shard.add(32, 1), cells.sum(32)), (0, 0));
        assert_eq!(
            ShardedCells::new(1, Some(65)).unwrap_err(),
            RecorderError::Shards { shards: 65 }
        );
    }
}
