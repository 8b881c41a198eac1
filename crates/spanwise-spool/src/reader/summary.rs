//! A segment as a list of a spool shows it.

/// A segment of a spool, from [`SpoolReader::segments`](crate::SpoolReader::segments).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentSummary {
    /// The number in the name of its file.
    pub number: u64,
    /// The name of its file.
    pub file_name: String,
    /// Whether it is complete, and whether it can be read.
    pub state: SegmentState,
    /// The time of its creation in nanoseconds since the Unix epoch; 0 if its header is damaged.
    pub created_unix_nanos: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Records of spans that are found.
    pub records: u64,
    /// Their spans.
    pub spans: u64,
    /// Spans that are stored, with those of records that are not found.
    pub stored_spans: u64,
    /// Spans of records that were acknowledged at the last checkpoint.
    pub acknowledged_spans: u64,
    /// Bytes of the requests in the found records before compression.
    pub raw_bytes: u64,
    /// The earliest start of a span in nanoseconds since the Unix epoch; 0 if no span has a time.
    pub earliest_unix_nanos: u64,
    /// The latest end of a span, likewise.
    pub latest_unix_nanos: u64,
    /// The names of its services, from the index; empty without one. `""` is a resource without `service.name`.
    pub services: Vec<String>,
    /// Its index.
    pub index: IndexState,
}

/// The state of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentState {
    /// It has its end record: nothing is appended any more.
    Complete,
    /// A process appends to it, or ended without completing it.
    Open,
    /// It has no valid record.
    Damaged,
    /// Its version is one that this build does not read.
    Unsupported {
        /// The version in its header.
        version: u16,
    },
    /// It cannot be opened or read.
    Unreadable {
        /// The error of the system.
        reason: String,
    },
}

/// The state of the index of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexState {
    /// There is none: a search reads the segment, and a [`Spool`](crate::Spool) writes the index then.
    Missing,
    /// It can be used.
    Usable {
        /// Bytes on disk.
        bytes: u64,
        /// Pairs of a trace and a record.
        entries: u64,
    },
    /// It cannot be used, and is built again in the next search of a [`Spool`](crate::Spool).
    Unusable {
        /// The reason.
        reason: String,
    },
}
