//! A segment as the spool remembers it: sums, not records.

use super::Acknowledged;
use crate::format::RECORD_HEADER_BYTES;
use crate::index::SegmentIdentity;

/// A segment on disk.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// The name of the file, whose number orders the segments.
    pub(crate) file_name: String,
    /// The number in its headers: that of the name, unless a file was renamed.
    pub(crate) stored_number: u64,
    pub(crate) created_unix_nanos: u64,
    /// The count of records and spans that are stored, and where they end.
    pub(crate) totals: Totals,
    /// Records that are not read again: delivered, accounted as lost, or without spans.
    pub(crate) acknowledged: Acknowledged,
    /// The time of the last append.
    pub(crate) appended_unix_seconds: u32,
    /// No record is appended any more.
    pub(crate) is_complete: bool,
    /// The last record is the end record.
    pub(crate) has_end: bool,
    /// Bytes of its index on disk; 0 if there is none.
    pub(crate) index_bytes: u64,
}

/// Sums over the stored records of a segment, those without spans included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) records: u32,
    /// Lost ones included.
    pub(crate) spans: u64,
    /// The offset behind the last record.
    pub(crate) end: u64,
}

impl Segment {
    /// The segment as its index states it: up to the records of spans, as the end record may follow later.
    pub(crate) fn identity(&self) -> SegmentIdentity {
        let end = if self.has_end { 2 * RECORD_HEADER_BYTES as u64 } else { 0 };
        SegmentIdentity {
            id: self.stored_number,
            created_unix_nanos: self.created_unix_nanos,
            len: self.totals.end.saturating_sub(end),
        }
    }

    /// Bytes of its records and its index.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.totals.end.saturating_add(self.index_bytes)
    }

    /// Spans that are neither acknowledged nor lost.
    pub(crate) fn live_spans(&self) -> u64 {
        self.totals.spans.saturating_sub(self.acknowledged.spans())
    }
}
