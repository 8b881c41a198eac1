//! Bugs that the crash tests plant, one at a time, to prove that they find them.
//!
//! Each bug is one `if planted(SpoolBug::…)` at the place that it breaks. The feature `planted-bugs` compiles them in; without a call
//! of [`plant`], nothing changes.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoolBug {
    /// Records count as stored before their segment is synced.
    SegmentNotSynced,
    /// The entry of a new segment is not synced.
    DirectoryNotSynced,
    /// The next start does not sync what a killed process left in the page cache.
    RecoveryNotSynced,
    /// A sync that failed is tried again on the same file, which succeeds and stores nothing.
    SyncRetried,
    /// A segment is removed while its last record is not acknowledged.
    SegmentRemovedEarly,
    /// The spans of an evicted segment are not counted.
    EvictionUncounted,
    /// A checkpoint is not synced.
    CheckpointNotSynced,
    /// The next start cuts a segment before its last record.
    TailCutEarly,
    /// The checksum of a payload is not compared.
    PayloadUnchecked,
}

impl SpoolBug {
    /// Every bug, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::SegmentNotSynced,
        Self::DirectoryNotSynced,
        Self::RecoveryNotSynced,
        Self::SyncRetried,
        Self::SegmentRemovedEarly,
        Self::EvictionUncounted,
        Self::CheckpointNotSynced,
        Self::TailCutEarly,
        Self::PayloadUnchecked,
    ];
}

/// Plants `bug` in the whole process, in place of the one before; `None` plants none.
pub fn plant(bug: Option<SpoolBug>) {
    PLANTED.store(bug.map_or(NONE, |bug| bug as u8), Relaxed);
}

/// Whether `bug` is planted.
pub fn planted(bug: SpoolBug) -> bool {
    PLANTED.load(Relaxed) == bug as u8
}

const NONE: u8 = u8::MAX;
static PLANTED: AtomicU8 = AtomicU8::new(NONE);
