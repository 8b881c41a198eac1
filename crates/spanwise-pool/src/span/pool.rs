use std::sync::Arc;

use crate::pool::limited;
use crate::{Pool, PoolStats, Pooled, PooledOwned, PooledSpan, Trimmed};

/// A pool of spans with room for 16 attributes, 8 events and 4 links each, or as many as you say.
///
/// For spans of very different sizes take a [`TieredPool`](crate::TieredPool).
#[derive(Debug)]
pub struct SpanPool {
    pool: Arc<Pool<PooledSpan>>,
    attributes: usize,
    events: usize,
    links: usize,
}

impl SpanPool {
    /// At most `capacity` spans, at rest and on loan; none is made before it is asked for.
    /// `capacity` is bounded as that of a [`Pool`].
    pub fn new(capacity: usize) -> Self {
        SpanPool {
            pool: Arc::new(
                Pool::new(capacity).with_byte_limit(capacity.saturating_mul(BYTES_EACH)),
            ),
            attributes: ATTRIBUTES,
            events: EVENTS,
            links: LINKS,
        }
    }

    /// Room a new span has. Default 16 attributes, 8 events, 4 links; of each, 64 MiB at most.
    pub fn with_capacity(mut self, attributes: usize, events: usize, links: usize) -> Self {
        (self.attributes, self.events, self.links) = (attributes, events, links);
        self
    }

    /// Retains spans of at most `bytes` bytes together, and none when that is 0. Default: 8 KiB for
    /// each.
    ///
    /// Meant for a pool that has lent nothing yet: spans of [`acquire_owned`](Self::acquire_owned) that
    /// are out now are freed on release, and neither they nor what was counted so far show in
    /// [`stats`](Self::stats).
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        self.pool = limited(self.pool, bytes);
        self
    }

    /// An empty span with room. It comes home when the guard is dropped.
    ///
    /// # Cost
    /// As [`Pool::acquire`].
    pub fn acquire(&self) -> Pooled<'_, PooledSpan> {
        self.pool.acquire(|| self.make())
    }

    /// As [`acquire`](Self::acquire); the guard borrows nothing.
    ///
    /// # Cost
    /// As [`Pool::acquire_owned`].
    pub fn acquire_owned(&self) -> PooledOwned<PooledSpan> {
        self.pool.acquire_owned(|| self.make())
    }

    /// As [`Pool::trim`]; and what has grown shrinks to the room of a new span.
    pub fn trim(&self) -> Trimmed {
        let SpanPool { attributes, events, links, .. } = *self;
        self.pool.trim_with(|span| span.shrink_to(attributes, events, links))
    }

    /// As [`Pool::stats`].
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    fn make(&self) -> PooledSpan {
        PooledSpan::with_capacity(self.attributes, self.events, self.links)
    }
}

const ATTRIBUTES: usize = 16;
const EVENTS: usize = 8;
const LINKS: usize = 4;
/// A span of the default room takes about 2 KiB.
const BYTES_EACH: usize = 8 * 1024;
