//! Answers of searches.

use crate::RecordId;
use std::fmt;

/// The spans of one trace, from [`Spool::find`](crate::Spool::find).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// An `ExportTraceServiceRequest` with the spans, their resources and scopes, in the order of the appends.
    pub request: Vec<u8>,
    /// Number of spans.
    pub spans: u64,
    /// Records with spans of the trace.
    pub records: u64,
    /// Records that were read in vain: the fingerprint of another trace is the same.
    pub false_records: u64,
    /// Reads of the disk: pages of indexes, and records.
    pub blocks: u64,
    /// Records that may have spans of the trace and are damaged.
    pub damaged_records: u64,
    /// Segments whose index was missing or damaged, and was built again by reading the segment.
    pub rebuilt_indexes: u64,
    /// Segments that cannot be opened or read.
    pub unreadable_segments: u64,
    /// Whether the search ended at 64 MiB of spans.
    pub is_cut: bool,
}

/// Without the spans, which may have personal data.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("bytes", &self.request.len())
            .field("spans", &self.spans)
            .field("records", &self.records)
            .field("damaged_records", &self.damaged_records)
            .finish_non_exhaustive()
    }
}

/// A record that may have a span of a query, from [`Spool::find_records`](crate::Spool::find_records).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundRecord {
    /// The place of the record.
    pub id: RecordId,
    /// Number of spans.
    pub spans: u64,
    /// The earliest start of a span in nanoseconds since the Unix epoch; 0 if no span has a time.
    pub earliest_unix_nanos: u64,
    /// The latest end of a span, likewise.
    pub latest_unix_nanos: u64,
    /// The names of its services; `""` is a resource without `service.name`. At most 1024 names for each segment.
    pub services: Vec<String>,
}

/// The records of a query, from [`Spool::find_records`](crate::Spool::find_records).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundRecords {
    /// The records, in the order of the appends.
    pub records: Vec<FoundRecord>,
    /// Segments that cannot be opened or read.
    pub unreadable_segments: u64,
}
