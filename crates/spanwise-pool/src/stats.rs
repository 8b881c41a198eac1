/// Statistics of a pool: its requests, and the state of its objects. Exact while no thread uses the
/// pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Requests that received a retained object.
    pub hits: u64,
    /// Requests that found none.
    pub misses: u64,
    /// Released objects that the pool dropped: [`reset`](crate::Reset::reset) returned `false`, or a limit
    /// was reached.
    pub discarded: u64,
    /// Acquired objects, retained or newly made, that are not released yet. Objects taken permanently
    /// with `into_inner` do not count.
    pub outstanding: usize,
    /// Idle objects in the pool.
    pub retained: usize,
    /// The sum of their [`Reset::retained_bytes`](crate::Reset::retained_bytes).
    pub retained_bytes: usize,
}

/// The objects that [`Pool::trim`](crate::Pool::trim) freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Trimmed {
    /// Number of objects.
    pub objects: usize,
    /// The sum of their [`Reset::retained_bytes`](crate::Reset::retained_bytes).
    pub bytes: usize,
}
