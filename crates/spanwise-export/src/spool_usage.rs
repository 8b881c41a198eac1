//! The bytes of a spool on disk, for the metrics.

use std::fmt;
use std::sync::Arc;

/// How full a [`RequestSpool`](crate::RequestSpool) is: the metrics `spanwise_spool_usage_bytes` and `spanwise_spool_limit_bytes`.
#[derive(Clone)]
pub struct SpoolUsage {
    bytes: Arc<dyn Fn() -> u64 + Send + Sync>,
    limit_bytes: u64,
}

impl SpoolUsage {
    /// The usage of a spool of at most `limit_bytes` on disk. `bytes` returns those in use; any thread calls it, at each snapshot of the
    /// metrics, so it should read a number in memory and wait for nothing.
    #[must_use]
    pub fn new(limit_bytes: u64, bytes: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { bytes: Arc::new(bytes), limit_bytes }
    }

    /// Bytes on disk now; 0 before the spool is open, and in a forked child.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.bytes)()
    }

    /// The most bytes on disk: beyond them, the oldest spans are lost.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }
}

impl fmt::Debug for SpoolUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolUsage").field("limit_bytes", &self.limit_bytes).finish_non_exhaustive()
    }
}
