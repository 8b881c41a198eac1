//! The fill of the buffer: how much of the space for waiting spans is used.

use super::ShardedBuffer;
use crate::chunk_counts::ChunkCounts;
use std::sync::atomic::Ordering::Relaxed;

impl ShardedBuffer {
    /// Bytes of the budget that are in use, and the most that may be for a chunk to be opened. Cached chunks are
    /// not in use.
    ///
    /// # Cost
    /// A few loads.
    pub fn usage_bytes(&self) -> [usize; 2] {
        let chunk = self.initial.charge_for(self.sizes.chunk_spans());
        let cached = self.cached.load(Relaxed) * chunk;
        let limit = self.budget.limit().saturating_sub(self.budget.reserve());
        [self.budget.charged().saturating_sub(cached), limit]
    }

    /// The chunks that were opened so far.
    pub fn chunk_counts(&self) -> ChunkCounts {
        self.counts.load()
    }

    /// The part of the space for full chunks that waiting spans use, 0 to 1, of the bytes or of the
    /// queue size, whichever is larger. 1: no chunk of the usual size can be opened.
    ///
    /// Open chunks count neither as used nor as free, because a buffer that keeps up has them too. Memory
    /// that [`Budget::try_charge_reserved`](crate::Budget::try_charge_reserved) charged is not available for
    /// chunks; cached chunks are.
    ///
    /// # Cost
    /// A few loads. The result is an estimate while other threads push. Meant for a thread that opens a
    /// chunk, not for each span.
    pub fn fill(&self) -> f64 {
        let chunk_spans = self.sizes.chunk_spans();
        let chunk = self.initial.charge_for(chunk_spans);
        let open = self.open.load(Relaxed);
        let cached = self.cached.load(Relaxed) * chunk;
        let waiting = self.budget.charged_unreserved().saturating_sub(cached + open * chunk);
        let bytes = used(waiting, self.budget.free() + cached, chunk);
        let spans = match self.queue.is_limited() {
            true => {
                let permits = open * chunk_spans;
                used(self.queue.taken().saturating_sub(permits), self.queue.free(), 1)
            }
            false => 0.0,
        };
        bytes.max(spans)
    }
}

/// The used part of `used + free`; all of it if less than `least` is free.
fn used(used: usize, free: usize, least: usize) -> f64 {
    if free < least { 1.0 } else { used as f64 / used.saturating_add(free) as f64 }
}

#[cfg(test)]
mod tests {
    use super::used;

    #[test]
    fn space_for_exactly_one_chunk_is_free() {
        assert_eq!(used(10, 5, 5), 10.0 / 15.0);
        assert_eq!((used(10, 4, 5), used(0, 8, 5)), (1.0, 0.0));
    }
}
