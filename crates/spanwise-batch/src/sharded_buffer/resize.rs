//! The change of the sizes while threads push.

use super::ShardedBuffer;
use std::sync::PoisonError;

impl ShardedBuffer {
    /// Replaces the [batch size](crate::ShardedBufferConfig::batch_spans) and the [queue
    /// size](crate::ShardedBufferConfig::max_queue_size) while threads push. No span is lost: open and waiting chunks
    /// stay as they are, and the sizes apply to chunks that are opened from now on. Chunks that were opened
    /// without a queue size never count against one.
    ///
    /// Number of slots and bytes of chunks stay.
    pub fn set_sizes(&self, batch_spans: Option<usize>, max_queue_size: Option<usize>) {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        *requested = requested.with_batch_spans(batch_spans).with_max_queue_size(max_queue_size);
        let before = self.sizes.chunk_spans();
        let config = requested.refitted(&self.initial, self.limit);
        self.queue.set_max(config.max_queue_size);
        self.sizes.set(&config);
        if config.chunk_spans != before {
            // `next_chunk` drops a chunk of the size before that is cached meanwhile.
            self.trim(0);
        }
        self.budget.space().notify_all();
    }
}
