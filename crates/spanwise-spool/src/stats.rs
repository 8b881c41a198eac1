//! Counts of a spool.

/// Spans that the spool lost since the last [`Spool::take_losses`](crate::Spool::take_losses).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct Losses {
    /// Spans of segments that were evicted because the spool had its most bytes.
    pub evicted: u64,
    /// Spans of segments that reached their highest age.
    pub expired: u64,
    /// Spans of records that are damaged or could not be read.
    pub io: u64,
}

/// The reason why spans on disk are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Evicted,
    Expired,
    Io,
}

impl Losses {
    pub(crate) fn add(&mut self, loss: Loss, spans: u64) {
        let count = match loss {
            Loss::Evicted => &mut self.evicted,
            Loss::Expired => &mut self.expired,
            Loss::Io => &mut self.io,
        };
        *count = count.saturating_add(spans);
    }

    /// All lost spans.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.evicted.saturating_add(self.expired).saturating_add(self.io)
    }
}

/// The state of a spool and its counts since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolStats {
    /// Segments on disk.
    pub segments: u64,
    /// Bytes of the segments and of their indexes on disk, records that are not synced yet included.
    pub bytes: u64,
    /// Spans that are stored and not acknowledged.
    pub spans: u64,
    /// Records that were appended and not synced yet.
    pub unsynced_records: u64,
    /// Spans of these records.
    pub unsynced_spans: u64,
    /// Records stored since the spool was opened.
    pub stored_records: u64,
    /// Spans of these records.
    pub stored_spans: u64,
    /// Bytes of the requests in these records before compression.
    pub stored_raw_bytes: u64,
    /// Bytes of these records on disk, with their headers.
    pub stored_bytes: u64,
    /// Spans of records that were acknowledged since the spool was opened.
    pub acknowledged_spans: u64,
    /// Spans lost since the spool was opened.
    pub losses: Losses,
    /// Calls of `fsync` on segments.
    pub syncs: u64,
    /// Segments that are never synced again after an error.
    pub poisoned_segments: u64,
}
