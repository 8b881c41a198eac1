//! Counters of a pool.

use crate::sync::{AtomicU64, AtomicUsize};

/// Counters of rare events, on a cache line apart from the hot fields.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Rare {
    pub(super) misses: AtomicU64,
    pub(super) discarded: AtomicU64,
    /// Acquired objects that no slot counts minus those released, wrapping.
    pub(super) detached: AtomicUsize,
}
