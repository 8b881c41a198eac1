//! Damages of a spool, in words.

use std::fmt;

use spanwise_wire::read::WireError;

/// A damage that [`SpoolReader::verify`](crate::SpoolReader::verify) found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The number of the segment in the name of its file.
    pub segment: u64,
    /// The name of the file.
    pub file_name: String,
    /// The first record that is concerned; `None` for the segment or its index.
    pub record: Option<u32>,
    /// Number of records that are concerned.
    pub records: u32,
    /// Spans that no reader returns; 0 for a damage that loses none.
    pub spans: u64,
    /// The damage.
    pub damage: Damage,
}

/// The kind of a damage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The segment cannot be opened or read.
    Unreadable {
        /// The error of the system.
        reason: String,
    },
    /// The segment has a version that this build does not read.
    Version {
        /// The version.
        found: u16,
    },
    /// The segment has no valid record.
    NoRecord,
    /// The header of the segment is damaged. Its records are read nevertheless.
    SegmentHeader,
    /// Both copies of the header of these records are damaged, or the records are overwritten.
    Headers,
    /// One copy of the header is damaged. The record is read by the other one.
    OneHeader,
    /// The payload has another checksum than its header states.
    Checksum,
    /// The payload is as it was written, and cannot be decompressed.
    Compression {
        /// The error of libzstd.
        reason: String,
    },
    /// The payload is not an `ExportTraceServiceRequest`.
    NotARequest {
        /// The error.
        reason: WireError,
    },
    /// The request has another number of spans than its header states.
    SpanCount {
        /// Spans of the request.
        found: u64,
        /// Spans in the header.
        stated: u64,
    },
    /// Bytes behind the last record are no record: a crash, or a record that is being written.
    Tail {
        /// Number of bytes.
        bytes: u64,
    },
    /// The index cannot be used, and is built again.
    Index {
        /// The reason.
        reason: String,
    },
}

impl Damage {
    /// The kind as one word, such as `checksum`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::Version { .. } => "version",
            Self::NoRecord => "no_record",
            Self::SegmentHeader => "segment_header",
            Self::Headers => "headers",
            Self::OneHeader => "one_header",
            Self::Checksum => "checksum",
            Self::Compression { .. } => "compression",
            Self::NotARequest { .. } => "not_a_request",
            Self::SpanCount { .. } => "span_count",
            Self::Tail { .. } => "tail",
            Self::Index { .. } => "index",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { reason } => write!(f, "the segment cannot be read: {reason}"),
            Self::Version { found } => {
                write!(f, "the segment has version {found}; this build reads version 1")
            }
            Self::NoRecord => write!(f, "the segment has no valid record"),
            Self::SegmentHeader => {
                write!(f, "the header of the segment is damaged; its records are read without it")
            }
            Self::Headers => write!(f, "header and trailer are damaged, or overwritten"),
            Self::OneHeader => {
                write!(f, "header or trailer is damaged; the record is read by the other one")
            }
            Self::Checksum => write!(f, "the checksum of the payload does not match"),
            Self::Compression { reason } => {
                write!(f, "the payload cannot be decompressed: {reason}")
            }
            Self::NotARequest { reason } => write!(f, "the payload is no request: {reason}"),
            Self::SpanCount { found, stated } => {
                write!(f, "the request has {found} spans, and its header states {stated}")
            }
            Self::Tail { bytes } => write!(
                f,
                "{bytes} bytes behind the last record are no record: a crash, or a record that is being written"
            ),
            Self::Index { reason } => {
                write!(f, "the index cannot be used, and is built again in a search: {reason}")
            }
        }
    }
}

/// The result of [`SpoolReader::verify`](crate::SpoolReader::verify).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Segments.
    pub segments: u64,
    /// Records whose spans can be read.
    pub records: u64,
    /// These spans.
    pub spans: u64,
    /// Records whose spans cannot be read.
    pub damaged_records: u64,
    /// Spans that cannot be read, as far as headers state them.
    pub damaged_spans: u64,
    /// Damages of any kind, with those that lose no span.
    pub problems: u64,
}

impl Verified {
    /// Whether every stored byte is as it was written. Bytes behind the last record do not count: they were never
    /// stored.
    pub fn is_intact(&self) -> bool {
        self.problems == 0
    }

    pub(super) fn add_problem(&mut self, problem: &Problem) {
        if matches!(problem.damage, Damage::Tail { .. }) {
            return;
        }
        self.problems += 1;
        if problem.spans > 0 {
            self.damaged_records += u64::from(problem.records);
            self.damaged_spans = self.damaged_spans.saturating_add(problem.spans);
        }
    }
}
