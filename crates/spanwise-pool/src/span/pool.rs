use std::sync::Arc;

use crate::pool::limited;
use crate::{Pool, PoolStats, Pooled, PooledOwned, PooledSpan, TieredPool, Trimmed};

/// Pools of spans by capacity: 8, 32 and 128 attributes by default (the source document's tiers).
pub type TieredSpanPool = TieredPool<PooledSpan>;

/// A pool of spans with capacity for 16 attributes, 8 events and 4 links each, which
/// [`with_capacity`](Self::with_capacity) changes.
///
/// For spans of very different sizes use a [`TieredSpanPool`].
#[derive(Debug)]
pub struct SpanPool {
    pool: Arc<Pool<PooledSpan>>,
    attributes: usize,
    events: usize,
    links: usize,
}

impl SpanPool {
    /// A pool of at most `capacity` spans, idle and acquired; the first acquisition creates a span.
    /// The bound of `capacity` is that of a [`Pool`].
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

    /// The capacity of a new span. Default 16 attributes, 8 events, 4 links; 64 MiB of each at most.
    pub fn with_capacity(mut self, attributes: usize, events: usize, links: usize) -> Self {
        (self.attributes, self.events, self.links) = (attributes, events, links);
        self
    }

    /// Retains spans of at most `bytes` bytes together, and none when that is 0. Default: 8 KiB for
    /// each.
    ///
    /// Call this before the first span is acquired: spans of [`acquire_owned`](Self::acquire_owned) that
    /// were acquired earlier are freed on release, and [`stats`](Self::stats) omits them and the counts
    /// so far.
    pub fn with_byte_limit(mut self, bytes: usize) -> Self {
        self.pool = limited(self.pool, bytes);
        self
    }

    /// Acquires an empty span. Dropping the guard releases it.
    ///
    /// # Cost
    /// As [`Pool::acquire`].
    pub fn acquire(&self) -> Pooled<'_, PooledSpan> {
        self.pool.acquire(|| self.make())
    }

    /// [`acquire`](Self::acquire) whose guard borrows nothing.
    ///
    /// # Cost
    /// As [`Pool::acquire_owned`].
    pub fn acquire_owned(&self) -> PooledOwned<PooledSpan> {
        self.pool.acquire_owned(|| self.make())
    }

    /// As [`Pool::trim`]; spans that have grown shrink to the capacity of a new one.
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
/// A span of the default capacity takes about 2 KiB.
const BYTES_EACH: usize = 8 * 1024;
