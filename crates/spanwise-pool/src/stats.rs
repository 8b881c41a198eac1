/// What a pool has done, and where its objects are. Exact when nobody is using the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Requests answered with a retained object.
    pub hits: u64,
    /// Requests that found none.
    pub misses: u64,
    /// Objects that came home and were let go: not worth keeping, or no room for them.
    pub discarded: u64,
    /// Objects handed out, retained or newly made, that have not come back. Those taken for good
    /// with `into_inner` do not count.
    pub outstanding: usize,
    /// Objects waiting in the pool.
    pub retained: usize,
    /// Bytes they hold apart from their own size, as
    /// [`Reset::retained_bytes`](crate::Reset::retained_bytes) says.
    pub retained_bytes: usize,
}

/// What [`Pool::trim`](crate::Pool::trim) let go of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Trimmed {
    /// Objects.
    pub objects: usize,
    /// Bytes they held apart from their own size.
    pub bytes: usize,
}
