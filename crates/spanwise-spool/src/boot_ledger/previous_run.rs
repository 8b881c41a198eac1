//! The report on the run before this one: whether it crashed, and the spans that it lost.

use std::time::{Duration, SystemTime};

use super::slot::{Invalid, SLOT_BYTES, Slot};
use super::{Precision, SpanCounts};

/// The end of the run before, as the boot ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreviousRun {
    /// There was none: the directory has no boot ledger, or an empty one.
    None,
    /// It shut down, and lost no span that it did not report itself.
    Clean(SpanCounts),
    /// It crashed, or was killed.
    Crashed(Crash),
    /// No slot is readable: a run may have crashed, and the spans that it had in memory are unknown.
    Unreadable {
        /// The version of a slot that a later version of this crate wrote; `None` if both slots are damaged.
        version: Option<u16>,
    },
}

/// The last state that a crashed run wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    pub(super) counts: SpanCounts,
    pub(super) written_at: SystemTime,
    pub(super) precision: Precision,
    pub(super) max_in_memory: Option<u64>,
    /// The slot that was written later is damaged: the counts are those of the one before.
    pub(super) is_stale: bool,
    /// The system did not restart since, so that no write of the process is missing.
    pub(super) has_page_cache: bool,
}

/// The spans that a crash lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrashLoss {
    /// The spans that were in memory at the last slot, less those that reached the spool since: the number to account for.
    pub spans: u64,
    /// The lower bound of the lost spans.
    pub min: u64,
    /// The upper bound; `None` without one.
    pub max: Option<u64>,
    /// The time that the counts of the last slot may be older than the crash; `None` if unknown, after a power failure.
    pub uncertainty: Option<Duration>,
}

impl CrashLoss {
    /// Whether the number is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.max == Some(self.min)
    }

    fn exact(spans: u64) -> Self {
        Self { spans, min: spans, max: Some(spans), uncertainty: Some(Duration::ZERO) }
    }
}

impl PreviousRun {
    /// Reads the bytes of a boot ledger without its directory. The system counts as restarted since they were written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let slot = |at: usize| {
            let end = ((at + 1) * SLOT_BYTES).min(bytes.len());
            Slot::decode(bytes.get(at * SLOT_BYTES..end).unwrap_or_default())
        };
        Self::of([slot(0), slot(1)], [0; 16])
    }

    pub(super) fn of(slots: [Result<Slot, Invalid>; 2], system_boot: [u8; 16]) -> Self {
        let (last, is_stale) = match slots {
            [Ok(a), Ok(b)] if a.sequence < b.sequence => (b, false),
            [Ok(a), Ok(_)] => (a, false),
            // The first slot of the first run: the other one was never written.
            [Ok(slot), Err(Invalid::Empty)] | [Err(Invalid::Empty), Ok(slot)] => (slot, false),
            // A later version wrote the other slot, and its process is the one that ended last.
            [Ok(_), Err(Invalid::Version(version))] | [Err(Invalid::Version(version)), _] => {
                return Self::Unreadable { version: Some(version) };
            }
            [Err(_), Err(Invalid::Version(version))] => {
                return Self::Unreadable { version: Some(version) };
            }
            [Ok(slot), Err(Invalid::Damaged)] | [Err(Invalid::Damaged), Ok(slot)] => (slot, true),
            [Err(Invalid::Empty), Err(Invalid::Empty)] => return Self::None,
            [Err(_), Err(_)] => return Self::Unreadable { version: None },
        };
        if last.is_clean && !is_stale {
            return Self::Clean(last.counts);
        }
        Self::Crashed(Crash {
            counts: last.counts,
            written_at: last.written_at,
            precision: last.precision,
            max_in_memory: last.max_in_memory,
            is_stale,
            has_page_cache: system_boot != [0; 16] && system_boot == last.system_boot,
        })
    }

    /// The loss, given the spans that the spool has `found` on disk, among them those whose damage it reports.
    #[must_use]
    pub fn loss(&self, found: u64) -> CrashLoss {
        match self {
            Self::None | Self::Clean(_) => CrashLoss::exact(0),
            Self::Crashed(crash) => crash.loss(found),
            Self::Unreadable { .. } => CrashLoss { spans: 0, min: 0, max: None, uncertainty: None },
        }
    }
}

impl Crash {
    /// The counts of the last slot.
    #[must_use]
    pub fn counts(&self) -> SpanCounts {
        self.counts
    }

    /// The time of the last slot, as the system's clock had it.
    #[must_use]
    pub fn written_at(&self) -> SystemTime {
        self.written_at
    }

    /// The loss, given the spans that the spool has `found` on disk.
    #[must_use]
    pub fn loss(&self, found: u64) -> CrashLoss {
        // Spans that the spool stored after the slot was written are in memory by the slot, and on disk in fact.
        let stored_since = found.saturating_sub(self.counts.spooled);
        let spans = self.counts.in_memory().saturating_sub(stored_since);
        let uncertainty = match (self.precision, self.has_page_cache) {
            (Precision::OnChange, true) if !self.is_stale => return CrashLoss::exact(spans),
            (_, false) => None,
            (Precision::OnChange, true) => None,
            // The damaged slot was one interval later.
            (Precision::Interval(interval), true) => {
                Some(interval.saturating_mul(1 + u32::from(self.is_stale)))
            }
        };
        CrashLoss { spans, min: 0, max: self.max_in_memory.map(|max| max.max(spans)), uncertainty }
    }
}
